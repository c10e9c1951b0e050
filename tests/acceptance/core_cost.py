"""Point 3: CPU time of the network core, against a hyper server with a channel per connection.

Neither side runs a model: both make events of the same size at the same rate. What counts is the time of the one
thread that reads requests and writes answers.
"""

import json
import os
import select
import statistics
import subprocess
import time

import machine
from servers import Hyper, Llamero, url
from web import Connection, request

EVENTS_PER_SECOND = 20
TEXT_BYTES = 20
WARM_SECONDS = 2
MEASURE_SECONDS = 6
# Streams last longer than they are looked at.
EVENTS = EVENTS_PER_SECOND * 60
ROUNDS = 3
STREAMS_MOST = {256: 0.90, 1024: 0.80}
SMALL_CONNECTIONS = 64
SMALL_REQUESTS = 60_000
SMALL_MOST = 0.95
SIZE_TOLERANCE = 0.05
CLEAR_SECONDS = 10


class Side:
    def __init__(self, name, server, thread, stream_request):
        self.name, self.server, self.thread, self.stream_request = name, server, thread, stream_request

    def cpu(self):
        return machine.thread_seconds(self.server.pid, self.thread)


def run(place, report):
    interval = 1_000_000 // EVENTS_PER_SECOND
    body = {"events": EVENTS, "interval_us": interval, "text_bytes": TEXT_BYTES}
    query = f"/stream?events={EVENTS}&interval_us={interval}&bytes={TEXT_BYTES}"
    with Llamero(place, ["--cores", "1"]) as llamero, Hyper(place) as hyper:
        own = Side("llamero", llamero, "net-0", request("POST", "/debug/stream", body))
        peer = Side("hyper", hyper, "hyper-core", request("GET", query))
        for streams, most in STREAMS_MOST.items():
            what = f"{streams} streams, µs an event"
            costs = alternate(report, own, peer, what, lambda side: stream_cost(side, streams))
            report.at_most(f"core's CPU time per token event over hyper's, {streams} streams", *verdict(costs, most))
        loadtest = place.loadtest()
        for side in (own, peer):
            small_cost(loadtest, place, side)
        costs = alternate(report, own, peer, "µs a small request", lambda side: small_cost(loadtest, place, side))
        what = f"core's CPU time per /api/version over hyper's, {SMALL_CONNECTIONS} connections"
        report.at_most(what, *verdict(costs, SMALL_MOST))


def alternate(report, own, peer, what, cost):
    """Costs of both sides, round by round."""
    costs = []
    for number in range(ROUNDS):
        order = (own, peer) if number % 2 == 0 else (peer, own)
        found = {side.name: cost(side) for side in order}
        report.note(f"{what}: llamero {found['llamero']:.2f}, hyper {found['hyper']:.2f}")
        costs.append((found["llamero"], found["hyper"]))
    return costs


def verdict(costs, most):
    own, peer = (statistics.median(side) for side in zip(*costs))
    ratio = statistics.median(mine / its for mine, its in costs)
    return ratio, most, f" ({own:.2f} and {peer:.2f} µs)"


def stream_cost(side, streams):
    """CPU microseconds for each event while this many streams run."""
    with Streams(side, streams) as running:
        running.read_for(WARM_SECONDS)
        before, events, size = side.cpu(), running.events, running.bytes
        running.read_for(MEASURE_SECONDS)
        spent, events, size = side.cpu() - before, running.events - events, running.bytes - size
    expected = streams * EVENTS_PER_SECOND * MEASURE_SECONDS
    if abs(events - expected) > expected * SIZE_TOLERANCE:
        raise RuntimeError(f"{side.name}: {events} events came, {expected} were due")
    if abs(size / events - 120) > 120 * SIZE_TOLERANCE:
        raise RuntimeError(f"{side.name}: {size / events:.1f} bytes an event")
    return spent * 1e6 / events


class Streams:
    """Many streams, read by one thread that only counts."""

    def __init__(self, side, count):
        self.side = side
        self.events = self.bytes = 0
        self.poll = select.epoll()
        self.connections = []
        for _ in range(count):
            connection = Connection(side.server.address)
            self.connections.append(connection)
            connection.send(side.stream_request)
            connection.socket.setblocking(False)
            self.poll.register(connection.socket.fileno(), select.EPOLLIN)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.poll.close()
        for connection in self.connections:
            connection.close()
        if self.side.name == "llamero":
            await_idle(self.side.server)

    def read_for(self, seconds):
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for descriptor, _ in self.poll.poll(left):
                data = os.read(descriptor, 65536)
                if not data:
                    raise RuntimeError(f"{self.side.name} closed a stream")
                # Each event has one opening brace, wherever a read cuts it.
                self.events += data.count(b"{")
                self.bytes += len(data)


def await_idle(server):
    deadline = time.monotonic() + CLEAR_SECONDS
    while time.monotonic() < deadline:
        if server.count()["running"] == 0:
            return
        time.sleep(0.05)
    raise RuntimeError("streams run on after their clients have gone")


def small_cost(loadtest, place, side):
    """CPU microseconds for each small request."""
    path = place.folder("load") / "result.json"
    before = side.cpu()
    done = subprocess.run(
        [loadtest, "run", "--url", url(side.server), "--api", "http", "--path", "/api/version",
         "--concurrency", str(SMALL_CONNECTIONS), "--requests", str(SMALL_REQUESTS), "--json", str(path)],
        capture_output=True, text=True, timeout=120, check=False,
    )
    spent = side.cpu() - before
    if done.returncode != 0:
        raise RuntimeError(f"llamero-loadtest: {done.stderr or done.stdout}")
    return spent * 1e6 / json.loads(path.read_text())["requests"]
