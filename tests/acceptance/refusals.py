"""Point 6: requests that must be refused, however their bytes come; slow requests; a drain under streams."""

import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from servers import Llamero
from web import Connection, Cut, call

DRIVERS = ("io_uring", "epoll")
MODEL = "llamita"
# Rows longer than this are runs of one byte: cuts near their ends and some within say it all.
SHORT_ROW_BYTES = 512
LONG_ROW_CUTS = 300
LONG_ROW_END = 20
# Long enough for the server to have read the first piece before the next one comes. Long rows go without it, or a run
# byte by byte would take minutes: there the server may find several pieces at once.
PIECE_PAUSE_SECONDS = 0.0002
CONNECTIONS_AT_ONCE = 4
ANSWER_SECONDS = 15
SLOW = {"LLAMERO_READ_TIMEOUT": "600ms"}
SLOW_SECONDS = (0.5, 2.5)
STREAMS = 16
STREAM_TOKENS = 300
# How long streams may go on is a setting; a busy machine must not decide whether they end whole.
PATIENT = {"LLAMERO_DRAIN_TIMEOUT": "120s"}
# After this long a signal has been heeded.
SIGNAL_SECONDS = 0.3
# Refused by routes rather than by the parser. These leave the connection open, but for the body that is too large.
ROUTED = [
    (413, "body-too-large", b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 268435457\r\n\r\n", None),
    (404, "no-such-path", b"GET /nope HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", None),
    (405, "wrong-method", b"PUT /api/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "GET, HEAD"),
]


def run(place, report):
    table = refused(place.root / "tests" / "data" / "http_refused.txt")
    for driver in DRIVERS:
        with Llamero(place, ["--driver", driver]) as llamero:
            refusals(llamero, driver, table, report)
        with Llamero(place, ["--driver", driver], SLOW) as llamero:
            slow_requests(llamero, driver, report)
        drain(place, driver, report)


# ---- refused


def refused(path):
    """The rows of the table: status, name, bytes, and the `Allow` of the answer where it has one."""
    lines = path.read_text().splitlines()
    rows = [line.split(" ", 2) for line in lines if line and not line.startswith("#")]
    return [(int(status), name, for_body(unescape(text)), None) for status, name, text in rows] + ROUTED


def for_body(data):
    """`/` takes no body, and `a` is no host of ours: such a request would be refused before its body is looked at."""
    asked = b"POST / HTTP/1.1\r\nHost: a\r\n"
    return data.replace(asked, b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\n", 1)


def unescape(text):
    r"""\r \n \t \\ \xHH, and \{N:text} for text N times; the rest stands for itself."""
    simple = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}
    out, at = b"", 0
    for found in re.finditer(r"\\(?:([rnt\\])|x([0-9a-f]{2})|\{(\d+):([^}]*)\})", text):
        out += text[at : found.start()].encode()
        letter, byte, count, repeated = found.groups()
        if letter:
            out += simple[letter]
        elif byte:
            out += bytes([int(byte, 16)])
        else:
            out += unescape(repeated) * int(count)
        at = found.end()
    return out + text[at:].encode()


def refusals(llamero, driver, table, report):
    whole, bytewise, cut = [], [], []
    cuts = 0
    with ThreadPoolExecutor(CONNECTIONS_AT_ONCE) as pool:
        for row in table:
            data = row[2]
            whole += wrong(llamero.address, row, [data])
            bytewise += wrong(llamero.address, row, [data[at : at + 1] for at in range(len(data))])
            pieces = [[data[:at], data[at:]] for at in places_to_cut(len(data))]
            cuts += len(pieces)
            for failures in pool.map(lambda split: wrong(llamero.address, row, split), pieces):
                cut += failures
            if call(llamero.address, "GET", "/api/version")[0] != 200:
                raise RuntimeError(f"the server does not answer after {row[1]}")
    bound = "status, closed, server alive"
    report.none_of(f"refused requests, sent whole ({driver})", whole, len(table), bound)
    report.none_of(f"refused requests, byte by byte: every place at once ({driver})", bytewise, len(table), bound)
    report.none_of(f"refused requests, cut in two {where_cut(table)} ({driver})", cut, cuts, bound)


def where_cut(table):
    """What the line says of `places_to_cut`."""
    lengths = [len(data) for _, _, data, _ in table]
    long = [len(places_to_cut(length)) for length in lengths if length > SHORT_ROW_BYTES]
    short = len(lengths) - len(long)
    places = f"at every place of {short} rows up to {SHORT_ROW_BYTES} bytes"
    return f"{places}, at {min(long)} to {max(long)} places of each of {len(long)} longer ones" if long else places


def places_to_cut(length):
    step = 1 if length <= SHORT_ROW_BYTES else length // LONG_ROW_CUTS
    return [at for at in range(1, length) if at % step == 0 or length - at < LONG_ROW_END]


def wrong(address, row, pieces):
    """Sends one row in pieces; what is wrong with the answer, as a list of none or one."""
    status, name, data, allow = row
    with Connection(address, ANSWER_SECONDS) as connection:
        send_pieces(connection, pieces, PIECE_PAUSE_SECONDS if len(data) <= SHORT_ROW_BYTES else 0)
        try:
            found, fields, body = connection.answer()
        except (Cut, OSError, ValueError, IndexError) as error:
            return [f"{name}: no answer: {error!r}"]
        if found != status:
            return [f"{name}: {found} {body[:100]!r}, wanted {status}"]
        if allow and fields.get("allow") != allow:
            return [f"{name}: Allow is {fields.get('allow')!r}, wanted {allow!r}"]
        if not connection.is_closed():
            return [f"{name}: the connection stays open"]
        # All is read: a reset leaves nothing behind that would keep ports from later connections.
        connection.reset()
    return []


def send_pieces(connection, pieces, pause):
    """Sends piece by piece. The server may have answered and closed before the last: that is what it is asked to do."""
    try:
        for piece in pieces:
            connection.send(piece)
            if pause and len(pieces) > 1:
                time.sleep(pause)
    except (BrokenPipeError, ConnectionResetError):
        pass


# ---- slow


def slow_requests(llamero, driver, report):
    post = b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\n"
    stands = {
        "a head that stands still": b"GET /api/version HTTP/1.1\r\nHo",
        "a body that stands still": post + b'Content-Length: 100\r\n\r\n{"mod',
        "a chunked body that stands still": post + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"m',
    }
    failures = []
    for what, data in stands.items():
        failures += times_out(llamero.address, what, lambda connection: connection.send(data))
    failures += times_out(llamero.address, "a head that drips", drip)
    failures += moves_on(llamero.address)
    bound = "408 and closed; a body that moves is served"
    report.none_of(f"slow requests ({driver})", failures, len(stands) + 2, bound)


def drip(connection):
    """A byte of a head every 50 ms: there is progress, but a head has one deadline for all of it."""
    for byte in b"GET /api/version HTTP/1.1\r\n":
        send_pieces(connection, [bytes([byte])], 0)
        time.sleep(0.05)


def times_out(address, what, send):
    with Connection(address, ANSWER_SECONDS) as connection:
        began = time.monotonic()
        send(connection)
        try:
            status, _, _ = connection.answer()
        except (Cut, OSError) as error:
            return [f"{what}: no answer: {error!r}"]
        seconds = time.monotonic() - began
        in_time = SLOW_SECONDS[0] <= seconds <= SLOW_SECONDS[1]
        if status != 408 or not in_time:
            return [f"{what}: {status} after {seconds:.2f} s"]
        return [] if connection.is_closed() else [f"{what}: the connection stays open"]


def moves_on(address):
    """A body that takes far longer than the deadline, but moves."""
    body = b'{"model":"nope"}'
    with Connection(address, ANSWER_SECONDS) as connection:
        connection.send(b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body))
        for byte in body:
            send_pieces(connection, [bytes([byte])], 0)
            time.sleep(0.12)
        try:
            status, _, text = connection.answer()
        except (Cut, OSError) as error:
            return [f"a body that moves: no answer: {error!r}"]
    return [] if status == 404 else [f"a body that moves: {status} {text!r}"]


# ---- drain


def drain(place, driver, report):
    """SIGTERM while 16 answers of a real model stream: all end whole, an idle connection is closed, exit 0."""
    with Llamero(place, ["--driver", driver], PATIENT) as llamero:
        llamero.has(MODEL, place.llamita("llamita-f16.gguf"))
        llamero.load(MODEL)
        connections = streams(llamero.address)
        if (running := llamero.count()["running"]) < STREAMS:
            raise RuntimeError(f"only {running} streams run when the signal is sent")
        with Connection(llamero.address) as idle:
            idle.ask("GET", "/api/version")
            idle.answer()
            llamero.ask_to_end()
            with ThreadPoolExecutor(STREAMS) as pool:
                ends = pool.map(cut_short, connections)
                time.sleep(SIGNAL_SECONDS)
                served = takes_connections(llamero.address)
                failures = list(filter(None, ends))
            if served:
                failures.append("new connections are served")
            if not idle.is_closed():
                failures.append("an idle connection stays open")
        code = llamero.ended()
        if code != 0:
            failures.append(f"exit {code}")
    report.none_of(f"streams through a drain ({driver})", failures, STREAMS, "all end whole, exit 0")


def streams(address):
    """Streams that are all under way."""
    prompt = "<|im_start|>user\nRepeat llama forever.<|im_end|>\n<|im_start|>assistant\n"
    options = {"temperature": 0, "num_predict": STREAM_TOKENS}
    connections = [Connection(address) for _ in range(STREAMS)]
    for connection in connections:
        connection.ask("POST", "/api/generate", {"model": MODEL, "prompt": prompt, "raw": True, "options": options})
    for connection in connections:
        connection.reader.peek(1)
    return connections


def cut_short(connection):
    """What is wrong with how a stream ended, or nothing."""
    with connection:
        try:
            status, fields = connection.head()
            last = b"".join(connection.pieces(fields)).splitlines()[-1]
        except (Cut, OSError, ValueError, IndexError) as error:
            return f"a stream was cut: {error!r}"
    final = json.loads(last)
    whole = status == 200 and final.get("done") is True and final.get("eval_count") == STREAM_TOKENS
    return None if whole else f"{status} and {final}"


def takes_connections(address):
    try:
        return call(address, "GET", "/api/version")[0] == 200
    except (Cut, OSError, socket.timeout):
        return False
