#!/usr/bin/env python3
"""What `llamero serve` has to show, measured on this machine.

    serve.py --binaries target/release [--only 2,3] [--markdown FILE]

Prints a line for each demand with its figure and its bound, then a table in Markdown, and ends with 1 unless every
demanded line was run and met. SHARED names the folder of models and records (default: `shared` beside the checkout),
PEERS the folder with lbuild/bin/llama-server; ACCEPT_TARGET_DIR a target folder for the builds of point 1.
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path

sys.dont_write_bytecode = True

import answers
import clean_clone
import clients
import core_cost
import faults
import refusals
import sameness
import throughput
from place import NotRun, Place
from report import Report

POINTS = {
    1: ("from a clean clone", clean_clone),
    2: ("tokens per second at 16 clients", throughput),
    3: ("CPU time of the network core", core_cost),
    4: ("recorded answers", answers),
    5: ("a killed engine, clients that leave", faults),
    6: ("refused and slow requests, drain", refusals),
    7: ("the official clients", clients),
    8: ("the same alone and beside others", sameness),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    binaries, demo = Path("target/release"), Path("target/demo")
    add("--binaries", type=Path, default=binaries, help="where llamero, llamero-loadtest and examples/peer-hyper lie")
    add("--llamero", type=Path, help="another llamero than the one of --binaries")
    add("--demo", type=Path, default=demo, help="where the demo's model lies or is fetched to")
    add("--only", help="points to run, as in 2,3")
    add("--gpu", action="store_true", help="the build is for a GPU: it has to be used")
    add("--markdown", type=Path, help="write the table to this file instead of the terminal")
    options = parser.parse_args()
    try:
        options.only = [int(number) for number in options.only.split(",")] if options.only else list(POINTS)
    except ValueError:
        parser.error("--only wants numbers, as in 2,3")
    if not set(options.only) <= set(POINTS):
        parser.error(f"there are points {', '.join(map(str, POINTS))}")
    return options


def run_point(number, place, report):
    """Runs one point. What goes wrong in it is a missed line: the others go on."""
    title, module = POINTS[number]
    report.point(number, title)
    try:
        module.run(place, report)
    except NotRun as why:
        report.not_run(title, why)
    # demo.py, whose way to the model is used here, reports by leaving.
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        place.show_logs()
        report.missed(title, f"broke off: {error}")


def raise_limits():
    """A thousand streams need as many descriptors, here and in the servers that inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    options = arguments()
    # As Ctrl-C does, a request to end passes through every `finally`, so that no server is left behind.
    signal.signal(signal.SIGTERM, interrupted)
    raise_limits()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="llamero-accept-") as folder:
        place = Place(options, Path(folder), os.environ)
        report.begin(place)
        for number in options.only:
            place.point_begins()
            run_point(number, place, report)
    report.write(options.markdown)
    return 0 if report.all_met() else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("serve.py: interrupted; what it started has been ended")
