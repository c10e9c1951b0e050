"""Runs the points of a script one after the other and shows what they came to."""

import argparse
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

from place import NotRun, Place
from report import Report


def arguments(description, known):
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    add = parser.add_argument
    binaries, demo = Path("target/release"), Path("target/demo")
    add("--binaries", type=Path, default=binaries, help="where llamero and llamero-loadtest lie")
    add("--llamero", type=Path, help="another llamero than the one of --binaries")
    add("--demo", type=Path, default=demo, help="where the demo's model lies or is fetched to")
    add("--only", help="points to run, as in 1,2")
    add("--gpu", action="store_true", help="the build is for a GPU")
    add("--markdown", type=Path, help="write the table to this file instead of the terminal")
    options = parser.parse_args()
    options.only = [int(number) for number in options.only.split(",")] if options.only else list(known)
    return options


def run_point(number, points, place, report):
    """Runs one point. What goes wrong in it is a missed line: the others go on."""
    title, module = points[number]
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


def interrupted(*_):
    raise KeyboardInterrupt


def main(description, points):
    options = arguments(description, points)
    # As Ctrl-C does, a request to end passes through every `finally`, so that no server is left behind.
    signal.signal(signal.SIGTERM, interrupted)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="llamero-accept-") as folder:
        place = Place(options, Path(folder), os.environ)
        report.begin(place)
        for number in options.only:
            place.point_begins()
            run_point(number, points, place, report)
    report.write(options.markdown)
    sys.exit(0 if report.all_met() else 1)
