"""Point 4: damaged GGUFs go through upload, create, show and generate. No connection drops and nobody who serves dies."""

import time
from collections import Counter

from kept import LLAMITA, digest_of, fill, on_store
from mutants import Mutants
from servers import upload_head
from web import Connection, Cut, call_ok

FILES = 500
MODEL = "mutant"
# A stream without a model beside all of it, which nothing may disturb.
BESIDE = {"events": 1_000_000, "interval_us": 100_000, "text_bytes": 20}
GENERATE = {
    "model": MODEL,
    "prompt": "Hello",
    "stream": False,
    "options": {"temperature": 0, "num_predict": 8, "num_ctx": 256},
    "keep_alive": 0,
}
# What a client that asks for something wrong may be told, and what a file that cannot be computed with may end in.
STATUSES = (200, 201, 400, 404, 500, 503)


def run(place, report):
    files = Mutants(place.llamita("llamita-f16.gguf").read_bytes())
    store = place.folder("hostile")
    began, failures, ends = time.monotonic(), [], Counter()
    with on_store(place, store) as server, Connection(server.address) as beside:
        fill(server, place)
        server.load(LLAMITA)
        engine = server.engine_pid()
        beside.ask("POST", "/debug/stream", BESIDE)
        status, fields = beside.head()
        for number in range(FILES):
            data, done = files.make(number)
            wrong, end = pass_through(server, data)
            ends[end] += 1
            if server.process.poll() is not None:
                failures.append(f"file {number} ({done}): the server died: {server.text()[-300:]}")
                break
            if (now := server.engine_pid()) != engine:
                wrong.append("the engine died")
                engine = now
            if wrong:
                failures.append(f"file {number} ({done}): {'; '.join(wrong)}")
        stream = undisturbed(beside, fields) if status == 200 else [f"status {status}"]
        after = call_ok(server.address, "POST", "/api/generate", {**GENERATE, "model": LLAMITA})
    bound = "no connection dropped, the server and its engine the same"
    report.none_of("damaged GGUFs through upload, create, show and generate", failures, FILES, bound)
    report.told("how far they came", ", ".join(f"{count} {end}" for end, count in ends.most_common()))
    report.told("seconds for all of them", f"{time.monotonic() - began:.0f}")
    report.none_of("a stream beside them", stream, 1, "goes on")
    report.check("the good model after them", repr(after["response"][:40]), "answers", bool(after["response"]))
    place.stores.append(store)


def pass_through(server, data):
    """What went wrong with a file, and where its way ended."""
    digest = digest_of(data)
    try:
        with Connection(server.address) as connection:
            connection.send(upload_head(digest, len(data)) + data)
            status, _, body = connection.answer()
            if status not in (200, 201):
                return [f"upload: {status} {body[:200]!r}"], "not uploaded"
            return steps(connection, digest)
    except (Cut, OSError) as error:
        return [f"a connection dropped: {error!r}"], "dropped"


def steps(connection, digest):
    """Create, show, generate and delete on one connection."""
    wrong = []

    def ask(method, path, body):
        connection.ask(method, path, body)
        status, _, answer = connection.answer()
        if status not in STATUSES:
            wrong.append(f"{path}: {status} {answer[:200]!r}")
        return status

    created = ask("POST", "/api/create", {"model": MODEL, "files": {"m.gguf": digest}, "stream": False})
    shown = ask("POST", "/api/show", {"model": MODEL})
    answered = ask("POST", "/api/generate", GENERATE)
    if (created == 200) != (shown == 200):
        wrong.append(f"create: {created}, show: {shown}")
    if created != 200:
        if answered != 404:
            wrong.append(f"not created, and generate: {answered}")
        return wrong, f"refused by create with {created}"
    ask("DELETE", "/api/delete", {"model": MODEL})
    return wrong, "answered" if answered == 200 else f"created, and generate gave {answered}"


def undisturbed(connection, fields):
    """Whether a stream has gone on all the time and still does."""
    until = time.monotonic() + 1
    try:
        for piece in connection.pieces(fields):
            if b'"error"' in piece:
                return [repr(piece)]
            if time.monotonic() > until:
                return []
    except (Cut, OSError) as error:
        return [repr(error)]
    return ["it has ended"]
