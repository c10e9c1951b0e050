#!/usr/bin/env python3
"""What the load client has to show: that it measures what is so, and how much it can ask.

    loadtest.py --binaries target/release [--only 1,3] [--markdown FILE] [--html FILE]

Points 1 to 3 need no model and no peer but wrk (Debian's package); point 4 makes the report of llamero beside
llama-server and needs PEERS. Wants a machine that does nothing else. Ends with 1 unless every demanded line was met.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

sys.dont_write_bytecode = True

import machine
import serve
from place import NotRun, Place
from report import Report
from servers import LlamaServer, Llamero, Process, url
from web import call_ok

DELAYS_MS = (5, 20, 200)
SPREADS = ("constant", "exponential")
PERCENTILES = ("p50", "p95", "p99")
TIMES = ("ttft_ms", "itl_ms", "e2e_ms")
STREAMS = 64
MANY_STREAMS = 4000
EVENTS_PER_SECOND = 20
# Within this share of what is known, and of what others measure.
ACCURACY = 0.03
# Whatever else the machine does makes times longer, never shorter: the best of so many tries is the client's own.
TRIES = 3
AGREEMENT = 0.05
# One core is full at 1; above this the client itself says that its figures are doubtful.
OWN_CORE_MOST = 0.85
PLAIN_DELAY_MS = 5
ROUNDS = 3
SECONDS = 8
LOAD_SECONDS = 600
MODEL = "smollm2:135m"
SCENARIO = "configs/loadtest/streams.toml"
MOST_STREAMS_OF_REPORT = 64
CONTEXT = 512


class Fake(Process):
    """The load client's own server, whose delays are known."""

    def __init__(self, place, *flags):
        super().__init__(place, "fake", [place.loadtest(), "fake", *map(str, flags)])
        self.address = self.wait_until(self.address_of_url, "the fake server does not start")

    def address_of_url(self):
        found = re.search(r"listening on http://([0-9.]+):(\d+)", self.text())
        return found and (found.group(1), int(found.group(2)))

    def truth(self):
        """What it meant to do."""
        return call_ok(self.address, "GET", "/fake/truth")


def load(place, command, *flags):
    """Carries out a command of the load client and returns its JSON result."""
    path = place.folder("load") / "result.json"
    done = subprocess.run(
        [place.loadtest(), command, *map(str, flags), "--quiet", "--json", str(path)],
        capture_output=True, text=True, timeout=LOAD_SECONDS, check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"llamero-loadtest {command}: {done.stderr or done.stdout}")
    return json.loads(path.read_text())


def known_delays(place, report):
    for delay in DELAYS_MS:
        for spread in SPREADS:
            tokens = max(10, 1000 // delay)
            # Each client starts at its own time, as people do: 64 answers at one moment are a load of another kind.
            compare_with_truth(place, report, delay, spread, STREAMS, STREAMS * (6 if delay > 100 else 12), tokens)
    delay = DELAYS_MS[-1]
    for spread in SPREADS:
        compare_with_truth(place, report, delay, spread, MANY_STREAMS, 2 * MANY_STREAMS, 20)


def compare_with_truth(place, report, delay, spread, streams, requests, tokens):
    offs = []
    while len(offs) < TRIES and (not offs or min(offs)[0] > ACCURACY):
        offs.append(distance(place, delay, spread, streams, requests, tokens))
    off, where = min(offs)
    what = f"{delay} ms, {spread}, {streams} streams: farthest percentile from the truth"
    tries = "" if len(offs) == 1 else f", the best of {len(offs)} tries"
    report.at_most(what, off, ACCURACY, f" ({where}{tries})")


def distance(place, delay, spread, streams, requests, tokens):
    """How far the farthest percentile is from the truth, as a share, and which it is."""
    times = ["--ttft", f"{delay}ms", "--gap", f"{delay}ms", "--spread", spread, "--tokens", tokens]
    # Few streams leave the server time to spin, and then it keeps its delays to some microseconds.
    with Fake(place, *times, *(["--spin"] if streams <= STREAMS else [])) as fake:
        span = f"{max(delay, streams // 4)}ms"
        flags = ["--concurrency", streams, "--ramp-up", span, "--requests", requests, "--max-tokens", tokens]
        found = load(place, "run", "--url", url(fake), *flags)
        truth = fake.truth()
    if found["requests"] != truth["answers"]:
        raise RuntimeError(f"{found['requests']} answers counted, {truth['answers']} sent")
    off = {
        f"{time} {percentile}": abs(found[time][percentile] / truth[time][percentile] - 1)
        for time in TIMES
        for percentile in PERCENTILES
    }
    worst = max(off, key=off.get)
    return off[worst], f"{worst}; the server itself {truth['late_ms']['p99']:.2f} ms late, p99"


def many_streams(place, report):
    """How much one core can ask: events that came over events that were due, and the core's time."""
    gap, answer_seconds, seconds = 1000 // EVENTS_PER_SECOND, 5, 10
    tokens = EVENTS_PER_SECOND * answer_seconds
    # The first event takes as long as any other: then a stream brings the same number each second.
    with Fake(place, "--ttft", f"{gap}ms", "--gap", f"{gap}ms", "--tokens", tokens) as fake:
        span = f"{answer_seconds}s"
        flags = ["--concurrency", MANY_STREAMS, "--ramp-up", span, "--warmup", span, "--max-tokens", tokens]
        found = load(place, "run", "--url", url(fake), *flags, "--duration", f"{seconds}s", "--drain", "1s")
    share = found["events_per_second"] / (MANY_STREAMS * EVENTS_PER_SECOND)
    report.at_least(f"{MANY_STREAMS} streams of {EVENTS_PER_SECOND} events/s: share of the events that came", share, 0.97)
    report.at_most("the client's core meanwhile", found["client_cpu_share"], OWN_CORE_MOST)


def against_wrk(place, report):
    wrk = shutil.which("wrk")
    if wrk is None:
        raise NotRun("wrk is not installed (Debian's package wrk)")
    with Fake(place, "--delay", f"{PLAIN_DELAY_MS}ms") as fake:
        ratios = []
        for number in range(ROUNDS):
            sides = [lambda: own_rate(place, fake), lambda: wrk_rate(wrk, fake)]
            rates = [side() for side in sides] if number % 2 == 0 else [side() for side in reversed(sides)][::-1]
            report.note("round {}: {:.0f} requests/s, wrk {:.0f}".format(number + 1, *rates))
            ratios.append(rates[0] / rates[1])
    ratio = statistics.median(ratios)
    what = f"closed loop, {STREAMS} connections, a delay of {PLAIN_DELAY_MS} ms: requests/s beside wrk's"
    report.check(what, f"{ratio:.3f}", f"within {AGREEMENT:.0%} of 1", abs(ratio - 1) <= AGREEMENT)


def own_rate(place, fake):
    flags = ["--api", "http", "--concurrency", STREAMS, "--duration", f"{SECONDS}s"]
    return load(place, "run", "--url", url(fake), *flags)["requests_per_second"]


def wrk_rate(wrk, fake):
    command = [wrk, "-t", "1", "-c", str(STREAMS), "-d", f"{SECONDS}s", f"{url(fake)}/api/version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_SECONDS, check=True)
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout).group(1))


def against_asyncio(place, report):
    gap, tokens = 1000 // EVENTS_PER_SECOND, EVENTS_PER_SECOND
    client = Path(__file__).with_name("stream_client.py")
    pairs = []
    with Fake(place, "--ttft", "100ms", "--gap", f"{gap}ms") as fake:
        for _ in range(ROUNDS):
            flags = ["--concurrency", STREAMS, "--duration", f"{SECONDS}s", "--max-tokens", tokens]
            own = load(place, "run", "--url", url(fake), *flags)
            command = [sys.executable, str(client), *map(str, (*fake.address, STREAMS, SECONDS, tokens))]
            done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_SECONDS, check=True)
            pairs.append((own, json.loads(done.stdout)))
    for what, ratios in (
        ("events/s", [own["events_per_second"] / its["events_per_second"] for own, its in pairs]),
        ("median time to the first event", [own["ttft_ms"]["p50"] / its["ttft_ms"] for own, its in pairs]),
    ):
        ratio = statistics.median(ratios)
        what = f"{STREAMS} streams beside a small asyncio client's: {what}"
        report.check(what, f"{ratio:.3f}", f"within {AGREEMENT:.0%} of 1", abs(ratio - 1) <= AGREEMENT)


def against_others(place, report):
    against_wrk(place, report)
    against_asyncio(place, report)


def beside_llama_server(place, report):
    """The report that is committed: llamero and llama-server with 1 to 64 streams."""
    gguf = place.demo_model()
    with Llamero(place, environment={"OLLAMA_NUM_PARALLEL": str(MOST_STREAMS_OF_REPORT)}) as llamero:
        llamero.has(MODEL, gguf)
        llamero.load(MODEL)
        with LlamaServer(place, gguf, MOST_STREAMS_OF_REPORT, CONTEXT, machine.cpus()) as peer:
            page = place.html or place.folder("report") / "report.html"
            servers = ["--url", url(llamero), "--model", MODEL, "--vs", url(peer), "--vs-model", MODEL]
            servers += ["--name", "llamero", "--vs-name", "llama-server"]
            found = load(place, "scenario", place.root / SCENARIO, *servers, "--html", page)
    for step in found["steps"]:
        figures = step["result"]["figures"]["output_tokens_per_second"]
        ratio, low, high = (figures["ratio"][key] for key in ("median", "low", "high"))
        report.told(f"{step['member']}: tokens/s over llama-server's", f"{ratio:.3f} ({low:.3f} to {high:.3f})")
    report.check("steps that failed", found["failed"], "0", found["failed"] == 0)
    report.told("the report", page if place.html else "not kept: --html names a file for it")


POINTS = {
    1: ("known delays", known_delays),
    2: ("thousands of streams from one core", many_streams),
    3: ("the same figures as others find", against_others),
    4: ("llamero beside llama-server", beside_llama_server),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--binaries", type=Path, default=Path("target/release"), help="where llamero and llamero-loadtest lie")
    add("--demo", type=Path, default=Path("target/demo"), help="where the demo's model lies or is fetched to")
    add("--only", help="points to run, as in 2,3")
    add("--markdown", type=Path, help="write the table to this file instead of the terminal")
    add("--html", type=Path, help="keep the report of point 4 as this file")
    options = parser.parse_args()
    try:
        options.only = [int(number) for number in options.only.split(",")] if options.only else list(POINTS)
    except ValueError:
        parser.error("--only wants numbers, as in 2,3")
    if not set(options.only) <= set(POINTS):
        parser.error(f"there are points {', '.join(map(str, POINTS))}")
    options.llamero, options.gpu = None, False
    return options


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, serve.interrupted)
    serve.raise_limits()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="llamero-accept-") as folder:
        place = Place(options, Path(folder), os.environ)
        place.html = options.html
        report.begin(place)
        for number in options.only:
            title, point = POINTS[number]
            report.point(number, title)
            place.point_begins()
            try:
                point(place, report)
            except NotRun as why:
                report.not_run(title, why)
            # demo.py, whose way to the model is used here, reports by leaving.
            except (Exception, SystemExit) as error:
                traceback.print_exc()
                place.show_logs()
                report.missed(title, f"broke off: {error}")
    report.write(options.markdown)
    return 0 if report.all_met() else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("loadtest.py: interrupted; what it started has been ended")
