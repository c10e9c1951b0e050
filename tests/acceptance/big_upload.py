"""Point 2: what an upload of 2 GB costs, beside its parts and beside Ollama, and what streams notice of it."""

import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import machine
from core_cost import await_idle
from kept import hash_of, on_store
from place import NotRun
from servers import Ollama
from web import Connection, Cut

GIGABYTES = 2
BYTES = GIGABYTES * 1_000_000_000 // (1 << 20) * (1 << 20)
ROUNDS = 3
COST_MOST = 1.15
MEMORY_MIB = 16
STREAMS = 8
INTERVAL_MS = 50
QUIET_SECONDS = 10
GROWS_MOST_MS = 5.0
DRIVERS = ("io_uring", "epoll")
BESIDE = {"events": 1_000_000, "interval_us": INTERVAL_MS * 1000, "text_bytes": 20}
PARTS = Path(__file__).with_name("upload_parts.py")
PART_SECONDS = 300


def run(place, report):
    with big_file(place) as (path, sha):
        alone = parts_alone(place, report, path)
        seconds = {driver: cost(place, report, driver, path, sha, alone) for driver in DRIVERS}
        try:
            beside_ollama(place, report, path, sha, seconds)
        except NotRun as why:
            report.not_run("beside Ollama", why)
        for driver in DRIVERS:
            streams_beside(place, report, driver, path, sha)


@contextmanager
def big_file(place):
    """Random bytes in memory: the sender reads no disk."""
    memory = Path("/dev/shm")
    path = (memory if os.access(memory, os.W_OK) else place.work) / f"llamero-accept-{os.getpid()}"
    try:
        with path.open("wb") as file:
            for _ in range(BYTES >> 20):
                file.write(os.urandom(1 << 20))
        yield path, hash_of(path)
    finally:
        path.unlink(missing_ok=True)


def part(*words):
    return subprocess.Popen([sys.executable, str(PARTS), *map(str, words)], stdout=subprocess.PIPE, text=True)


def ended(process):
    said = process.communicate(timeout=PART_SECONDS)[0]
    if process.returncode != 0:
        raise RuntimeError(f"{process.args[2]} failed")
    return said.strip()


def parts_alone(place, report, path):
    """CPU seconds of hashing, receiving and writing, one after the other; the median of each."""
    found = {"hash": [], "receive": [], "write": []}
    for _ in range(ROUNDS):
        found["hash"].append(float(ended(part("hash", path))))
        receiver = part("receive", BYTES)
        ended(part("send", path, receiver.stdout.readline().strip()))
        found["receive"].append(float(ended(receiver)))
        found["write"].append(float(ended(part("write", path, place.work / "written"))))
    median = {name: statistics.median(values) for name, values in found.items()}
    per_gb = ", ".join(f"{name} {value / GIGABYTES:.3f}" for name, value in median.items())
    report.told("CPU seconds per GB alone", per_gb)
    return sum(median.values())


def upload(server, path, sha):
    """Seconds by the clock."""
    status, seconds = ended(part("post", path, server.address[1], sha)).split()
    if status != "201":
        raise RuntimeError(f"the upload was answered with {status}")
    return float(seconds)


def cost(place, report, driver, path, sha, alone):
    """CPU time and memory of the upload; gives its seconds by the clock, round by round."""
    spent, seconds, grown = [], [], []
    for _ in range(ROUNDS):
        store = place.folder("big")
        with on_store(place, store, "--driver", driver) as server:
            server.engine_pid()
            before, memory = machine.tree_seconds(server.pid), machine.memory_mib(server.pid)
            seconds.append(upload(server, path, sha))
            spent.append(machine.tree_seconds(server.pid) - before)
            grown.append(machine.peak_memory_mib(server.pid) - memory)
        (store / "blobs" / f"sha256-{sha}").unlink()
    each = f" ({statistics.median(spent) / GIGABYTES:.3f} s per GB; {statistics.median(seconds):.2f} s by the clock)"
    what = f"CPU time of an upload of {GIGABYTES} GB over the sum of its parts, {driver}"
    report.at_most(what, statistics.median(spent) / alone, COST_MOST, each)
    report.at_most(f"memory beside it, MiB, {driver}", max(grown), MEMORY_MIB)
    return seconds


def beside_ollama(place, report, path, sha, own):
    seconds = []
    for _ in range(ROUNDS):
        store = place.folder("big")
        with Ollama(place, store) as server:
            seconds.append(upload(server, path, sha))
        (store / "blobs" / f"sha256-{sha}").unlink()
    theirs = statistics.median(seconds)
    for driver, values in own.items():
        ratio, figures = statistics.median(values) / theirs, f" ({statistics.median(values):.2f} and {theirs:.2f} s)"
        report.check(f"seconds by the clock over Ollama's, {driver}", f"{ratio:.3f}{figures}", "below 1", ratio < 1)


def streams_beside(place, report, driver, path, sha):
    """Gaps between the events of streams, without an upload and with one."""
    store = place.folder("big")
    with on_store(place, store, "--driver", driver) as server:
        server.engine_pid()
        with Gaps(server) as gaps:
            time.sleep(QUIET_SECONDS)
            quiet = gaps.take()
            seconds = upload(server, path, sha)
            busy = gaps.take()
        await_idle(server)
    was, now = percentile(quiet), percentile(busy)
    figure = f" ({was:.2f} and {now:.2f} ms of {len(quiet)} and {len(busy)} gaps; longest {max(quiet):.1f} and {max(busy):.1f} ms)"
    what = f"99th percentile of the gap of {STREAMS} streams beside an upload of {seconds:.1f} s, ms more, {driver}"
    report.at_most(what, now - was, GROWS_MOST_MS, figure)
    (store / "blobs" / f"sha256-{sha}").unlink()


def percentile(gaps):
    return sorted(gaps)[min(int(len(gaps) * 0.99), len(gaps) - 1)]


class Gaps:
    """Streams, each read by a thread that notes the milliseconds between events."""

    def __init__(self, server):
        self.gaps, self.connections, self.threads, self.ends = [], [], [], False
        for _ in range(STREAMS):
            connection = Connection(server.address)
            connection.ask("POST", "/debug/stream", BESIDE)
            status, fields = connection.head()
            if status != 200:
                raise RuntimeError(f"a stream was answered with {status}")
            self.connections.append(connection)
            self.threads.append(threading.Thread(target=self.read, args=(connection, fields), daemon=True))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        for connection in self.connections:
            connection.socket.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()

    def read(self, connection, fields):
        last = None
        try:
            for _ in connection.pieces(fields):
                now = time.monotonic()
                if last is not None:
                    self.gaps.append((now - last) * 1000)
                last = now
        except (Cut, OSError, ValueError) as error:
            if not self.ends:
                print(f"         a stream ended: {error!r}", flush=True)

    def take(self):
        """The gaps since the last time."""
        taken, self.gaps = self.gaps, []
        return taken
