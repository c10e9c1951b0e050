"""Runs cargo over the checkout for the points that its tests and benches answer."""

import os
import subprocess

LIMIT_SECONDS = 3600
TAIL_LINES = 15
NO_EXIT = 124


def run(place, arguments, settings=None):
    """Exit code and everything that was printed; the end of it is shown when the code is not 0.

    Builds into the folder that the binaries lie in, where most of it is built already.
    """
    environment = {**os.environ, "CARGO_TARGET_DIR": str(place.binaries.parent), **(settings or {})}
    log = place.log("cargo")
    with log.open("wb") as out:
        try:
            code = subprocess.run(
                ["cargo", *arguments], cwd=place.root, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                timeout=LIMIT_SECONDS, check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = NO_EXIT
    text = log.read_text(errors="replace")
    if code != 0:
        print("\n".join(text.splitlines()[-TAIL_LINES:]), flush=True)
    return code, text
