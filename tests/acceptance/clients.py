"""Point 7: the official Python and JavaScript clients, as their users have them."""

import json
import shutil
import subprocess
import sys

from place import NotRun
from servers import Llamero, url

MODEL = "llamita"
PYTHON_CLIENT = "ollama==0.6.3"
JAVASCRIPT_CLIENT = "ollama@0.6.4"
INSTALL_SECONDS = 300
CHECK_SECONDS = 120
ANSWER = "Hello! How can I help you?"
WANTED = {
    "generate": ANSWER,
    "generate streamed": ANSWER,
    "generate done": [True, "stop", True, "stop"],
    "chat": ANSWER,
    "chat streamed": ANSWER,
    "chat role": "assistant",
    "counts": True,
    "list": [f"{MODEL}:latest"],
    "ps": [f"{MODEL}:latest"],
    "error": [404, "model 'nope' not found"],
}
# A stream that comes in one piece is none.
EVENTS_LEAST = 3


def run(place, report):
    with Llamero(place) as llamero:
        llamero.has(MODEL, place.llamita("llamita-f16.gguf"))
        for name, install in (("Python", python_client), ("JavaScript", javascript_client)):
            try:
                check(report, name, install(place), llamero)
            except NotRun as why:
                report.not_run(f"the official {name} client", why)


def check(report, name, command, llamero):
    done = subprocess.run(
        [*command, url(llamero), MODEL], capture_output=True, text=True, timeout=CHECK_SECONDS, check=False
    )
    if done.returncode != 0:
        print(done.stderr, flush=True)
        report.check(f"the official {name} client", f"exit {done.returncode}", "all answers right", False)
        return
    found = json.loads(done.stdout)
    wrong = [key for key, value in WANTED.items() if found.get(key) != value]
    failures = [f"{key}: {found.get(key)!r}, wanted {WANTED[key]!r}" for key in wrong]
    for key in ("generate events", "chat events"):
        if found[key] < EVENTS_LEAST:
            failures.append(f"{key}: {found[key]}")
    what = f"the official {name} client: generate, chat, streams, list, ps, an error"
    report.none_of(what, failures, len(WANTED) + 2, "all answers right")


def python_client(place):
    """The command that runs our script with the client, installed into an environment of its own."""
    venv = place.folder("venv")
    install([sys.executable, "-m", "venv", str(venv)])
    python = venv / "bin" / "python"
    install([str(python), "-m", "pip", "install", "-q", PYTHON_CLIENT])
    return [str(python), str(scripts(place) / "check.py")]


def javascript_client(place):
    if not shutil.which("node") or not shutil.which("npm"):
        raise NotRun("node and npm are not installed")
    folder = place.folder("node")
    # Modules are looked for beside the script that asks for them.
    shutil.copy(scripts(place) / "check.mjs", folder)
    install(["npm", "install", "--silent", "--no-save", "--prefix", str(folder), JAVASCRIPT_CLIENT])
    return ["node", str(folder / "check.mjs")]


def scripts(place):
    return place.root / "tests" / "acceptance" / "official"


def install(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    if done.returncode != 0:
        raise NotRun(f"{' '.join(command[:4])} failed: {done.stderr[-300:]}")
