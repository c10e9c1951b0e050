"""Point 1: `make demo` and `make test` from a clean clone."""

import os
import subprocess
import time

from place import NotRun

DEMO_SECONDS = 3600
TEST_SECONDS = 5400
TAIL_LINES = 15


def run(place, report):
    clone = clean_clone(place, report)
    environment = dict(os.environ)
    # Without a folder of its own the clone would build into the checkout's, and not be clean.
    environment.pop("CARGO_TARGET_DIR", None)
    # What the outer make was told is not for the inner one.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    if place.target:
        environment["CARGO_TARGET_DIR"] = place.target
    for target, limit in (("demo", DEMO_SECONDS), ("test", TEST_SECONDS)):
        code, seconds, tail = make(clone, target, environment, limit)
        if code != 0:
            print("\n".join(tail), flush=True)
        report.check(f"`make {target}` from a clean clone", f"exit {code} after {seconds:.0f} s", "exit 0", code == 0)


def clean_clone(place, report):
    """A clone of what is committed, with the shared folder beside it as it is beside the checkout."""
    folder = place.folder("clone")
    clone = folder / "llamero"
    made = subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(place.root), str(clone)], check=False)
    if made.returncode != 0:
        raise NotRun(f"{place.root} cannot be cloned")
    changes = subprocess.run(["git", "status", "--porcelain"], cwd=place.root, capture_output=True, check=False).stdout
    if changes:
        report.note("the checkout has changes that are not committed: the clone does not have them")
    if place.shared.exists():
        (folder / "shared").symlink_to(place.shared.resolve())
    return clone


def make(clone, target, environment, limit):
    """Exit code (124 past the limit), seconds and the last lines of the output."""
    began = time.monotonic()
    with (clone.parent / f"make-{target}.txt").open("w+", errors="replace") as out:
        try:
            code = subprocess.run(
                ["make", target], cwd=clone, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                timeout=limit, check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = 124
        out.seek(0)
        tail = out.read().splitlines()[-TAIL_LINES:]
    return code, time.monotonic() - began, tail
