"""Point 5: the engine is killed under load; clients leave in mid-stream. Nothing hangs and nothing leaks."""

import json
import os
import random
import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import machine
from servers import Llamero
from web import Connection, Cut, call, call_ok

MODEL = "llamita"
KILLS = 20
STREAMS = 16
COLD_TRIES = 3
LEAVERS = 1000
LEAVERS_AT_ONCE = 32
# Most pieces that a client waits for before it leaves; some leave before the first.
PIECES_MOST = 6
AGAIN_SECONDS = 1.0
MEMORY_MIB = 16
SETTLE_SECONDS = 20
ENDLESS = {
    "model": MODEL,
    "prompt": "<|im_start|>user\nRepeat llama forever.<|im_end|>\n<|im_start|>assistant\n",
    "raw": True,
    "options": {"temperature": 0, "num_predict": 1800, "num_ctx": 2048},
}
SHORT = {
    "model": MODEL,
    "prompt": "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
    "raw": True,
    "stream": False,
    "options": {"temperature": 0, "num_predict": 32},
}
SHORT_ANSWER = "Hello! How can I help you?"


def run(place, report):
    with Llamero(place) as llamero:
        llamero.has(MODEL, place.llamita("llamita-f16.gguf"))
        kills(llamero, report)
    with Llamero(place) as llamero:
        llamero.has(MODEL, place.llamita("llamita-f16.gguf"))
        leavers(llamero, report)


def kills(llamero, report):
    draw, lost, waits, tries = random.Random(5), [], [], 0
    cold = statistics.median(cold_request(llamero) for _ in range(COLD_TRIES))
    ends = {"an error line": 0, "a status of 500": 0}
    for number in range(KILLS):
        which = (signal.SIGKILL, signal.SIGABRT)[number % 2]
        for end in kill_under_streams(llamero, which, draw.random() if number % 4 > 1 else None):
            if end in ends:
                ends[end] += 1
            else:
                lost.append(f"kill {number + 1} ({which.name}): {end}")
        waited, tried = next_request(llamero)
        waits.append(waited - cold)
        tries += tried - 1
    told = ", ".join(f"{count} with {end}" for end, count in ends.items())
    report.none_of("streams that end with an error when the engine is killed", lost, KILLS * STREAMS, "all")
    report.told("how they ended", told)
    what = f"slowest next request after {KILLS} kills, less one that loads the model, s"
    detail = f" (median {statistics.median(waits):.3f}; {tries} tries were refused; with a load {cold:.3f})"
    report.at_most(what, max(waits), AGAIN_SECONDS, detail)


def kill_under_streams(llamero, which, hurry):
    """Kills the engine when all streams run, or (`hurry`: which part of 30 ms after the first was sent) sooner."""
    engine = llamero.engine_pid()
    connections = [Connection(llamero.address) for _ in range(STREAMS)]
    try:
        for connection in connections:
            connection.ask("POST", "/api/generate", ENDLESS)
        if hurry is None:
            for connection in connections:
                connection.reader.peek(1)
        else:
            time.sleep(hurry * 0.03)
        os.kill(engine, which)
        with ThreadPoolExecutor(STREAMS) as pool:
            return list(pool.map(how_it_ends, connections))
    finally:
        for connection in connections:
            connection.close()


def how_it_ends(connection):
    """What became of a stream whose engine was killed."""
    try:
        status, fields = connection.head()
        last = b""
        for piece in connection.pieces(fields):
            last = piece
    except (Cut, OSError, ValueError) as error:
        return f"no end: {error!r}"
    try:
        final = json.loads(last.splitlines()[-1])
    except (ValueError, IndexError):
        return f"{status} and {last[-200:]!r}"
    if set(final) == {"error"} and status in (200, 500):
        return "an error line" if status == 200 else "a status of 500"
    return f"{status} and {final}"


def cold_request(llamero):
    """Seconds of a request to an engine that runs, but has to load the model."""
    call_ok(llamero.address, "POST", "/api/generate", {"model": MODEL, "keep_alive": 0})
    llamero.wait_until(lambda: not call_ok(llamero.address, "GET", "/api/ps")["models"], "the model stays loaded")
    return next_request(llamero)[0]


def next_request(llamero):
    """Seconds until a request works, and how many it took."""
    began, tries = time.monotonic(), 0
    while time.monotonic() - began < SETTLE_SECONDS:
        tries += 1
        try:
            status, answer = call(llamero.address, "POST", "/api/generate", SHORT)
        except (Cut, OSError) as error:
            status, answer = "no answer", repr(error)
        if status == 200 and answer["response"] == SHORT_ANSWER:
            return time.monotonic() - began, tries
        time.sleep(0.01)
    raise RuntimeError(f"no request works after a kill: {status} {answer}")


@dataclass
class Held:
    """What the server and its engine hold."""

    counts: dict
    descriptors: tuple
    memory: tuple

    def exact(self):
        """All of it but the memory, which need only be near."""
        return (*self.counts.values(), *self.descriptors)


def held(llamero, engine):
    count = llamero.count()
    # The connection of that question has to be gone before descriptors are counted.
    time.sleep(0.3)
    pids = (llamero.pid, engine)
    return Held(
        {name: count[name] for name in ("running", "waiting", "cells", "slots_free")},
        tuple(machine.descriptors(pid) for pid in pids),
        tuple(machine.memory_mib(pid) for pid in pids),
    )


def leavers(llamero, report):
    call(llamero.address, "POST", "/api/generate", SHORT)
    engine = llamero.engine_pid()
    failures = leave(llamero.address, seed=1)
    before = settled(llamero, engine, None)
    failures += leave(llamero.address, seed=2)
    after = settled(llamero, engine, before)
    report.none_of("clients that leave in mid-stream were served", failures, 2 * LEAVERS, "all")
    same = after.exact() == before.exact() and llamero.engine_pid() == engine
    names = (*before.counts, "descriptors", "of the engine")
    pairs = zip(names, before.exact(), after.exact())
    figure = ", ".join(f"{name} {was} → {now}" for name, was, now in pairs)
    report.check(f"after {LEAVERS} clients that leave", figure, "exactly as before", same)
    grown = [now - was for was, now in zip(before.memory, after.memory)]
    figure = f"server {grown[0]:+.1f} MiB, engine {grown[1]:+.1f} MiB"
    what, bound = f"memory after {LEAVERS} clients that leave", f"within {MEMORY_MIB} MiB"
    report.check(what, figure, bound, max(grown) <= MEMORY_MIB)


def leave(address, seed):
    """A round of clients; returns what went wrong."""
    draw = random.Random(seed)
    plans = [(draw.randrange(PIECES_MOST + 1), draw.random() < 0.5) for _ in range(LEAVERS)]
    with ThreadPoolExecutor(LEAVERS_AT_ONCE) as pool:
        return list(filter(None, pool.map(lambda plan: leave_one(address, *plan), plans)))


def leave_one(address, pieces, reset):
    """Asks, reads so many pieces of the stream, and leaves."""
    try:
        with Connection(address) as connection:
            connection.ask("POST", "/api/generate", ENDLESS)
            if pieces > 0:
                status, fields = connection.head()
                if status != 200:
                    return f"status {status}"
                for _, _ in zip(range(pieces), connection.pieces(fields)):
                    pass
            if reset:
                connection.reset()
    except (Cut, OSError) as error:
        return f"a stream was cut: {error!r}"
    return None


def settled(llamero, engine, wanted):
    """What is held once nothing runs and nothing changes any more, and (where given) as wanted; else the last look."""
    deadline = time.monotonic() + SETTLE_SECONDS
    last = None
    while True:
        now = held(llamero, engine)
        idle = now.counts["running"] == now.counts["waiting"] == 0
        steady = last is not None and now.exact() == last.exact()
        if (idle and steady and (wanted is None or now.exact() == wanted.exact())) or time.monotonic() > deadline:
            return now
        last = now
        time.sleep(0.2)
