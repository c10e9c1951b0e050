"""The servers that are asked: llamero and its peers. Each listens on loopback and ends with its `with` block."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import time

from web import Connection, call_ok

START_SECONDS = 120
STOP_SECONDS = 40
READ_BYTES = 1 << 20


class Process:
    """A server process whose log goes to a file."""

    def __init__(self, place, name, command, environment=None):
        self.log = place.log(name)
        # What this terminal has set for a server of its own is not for this one.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OLLAMA_", "LLAMERO_"))}
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**inherited, **(environment or {})}
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_until(self, ready, what):
        """Waits for a true value of `ready` and returns it."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if value := ready():
                return value
            time.sleep(0.02)
        raise RuntimeError(f"{what}: {self.text()[-1000:]}")

    def address_in_log(self):
        found = re.search(r"listening on ([0-9.]+):(\d+)", self.text())
        return found and (found.group(1), int(found.group(2)))

    def kill(self):
        """Ends it in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Asks it to end, and makes it. Returns its exit code."""
        self.ask_to_end()
        return self.ended()

    def ask_to_end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def ended(self):
        """Exit code of a process that was asked to end, and is killed if it does not."""
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Llamero(Process):
    """`llamero serve` with an empty store and the diagnostic routes."""

    def __init__(self, place, arguments=(), environment=None, program=None):
        """`program`: the binary, or the words of a command that runs it."""
        environment = environment or {}
        settings = {
            "OLLAMA_HOST": "127.0.0.1:0",
            "OLLAMA_MODELS": environment.get("OLLAMA_MODELS") or str(place.folder("models")),
            "OLLAMA_KEEP_ALIVE": "1h",
            "NO_COLOR": "1",
        }
        command = [*(program or [place.serving()]), "serve", "--diagnostics", *arguments]
        super().__init__(place, "llamero", command, {**settings, **environment})
        try:
            self.address = self.wait_until(self.address_in_log, "llamero does not start")
        except BaseException:
            self.stop()
            raise

    def count(self):
        """What the engine holds."""
        return call_ok(self.address, "GET", "/debug/engine")

    def engine_pid(self):
        return self.wait_until(lambda: engine_pid(self.address), "the engine does not start")

    def has(self, name, gguf):
        """Puts a GGUF into the store by the routes, as clients do."""
        with gguf.open("rb") as file:
            digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        with Connection(self.address) as connection, gguf.open("rb") as file:
            connection.send(upload_head(digest, gguf.stat().st_size))
            while block := file.read(READ_BYTES):
                connection.send(block)
            status, _, body = connection.answer()
        if status not in (200, 201):
            raise RuntimeError(f"the blob of {name}: {status} {body.decode(errors='replace')}")
        call_ok(self.address, "POST", "/api/create", {"model": name, "files": {gguf.name: digest}, "stream": False})

    def load(self, name):
        call_ok(self.address, "POST", "/api/generate", {"model": name})


def upload_head(digest, size):
    return f"POST /api/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode()


def engine_pid(address):
    try:
        return call_ok(address, "GET", "/debug/engine").get("engine_pid")
    except (RuntimeError, OSError):
        return None


class Hyper(Process):
    """The peer of the network core."""

    def __init__(self, place):
        super().__init__(place, "peer-hyper", [place.hyper(), "127.0.0.1:0"])
        try:
            self.address = self.wait_until(self.address_in_log, "peer-hyper does not start")
        except BaseException:
            self.stop()
            raise


class Ollama(Process):
    """A real Ollama on a folder of models."""

    def __init__(self, place, store):
        self.address = ("127.0.0.1", free_port())
        # It looks for its key and settings in the home folder, and prunes nothing: others look at the store, too.
        environment = {
            "OLLAMA_HOST": f"127.0.0.1:{self.address[1]}",
            "OLLAMA_MODELS": str(store),
            "OLLAMA_NOPRUNE": "1",
            "HOME": str(place.folder("home")),
        }
        super().__init__(place, "ollama", [place.ollama(), "serve"], environment)
        try:
            self.wait_until(self.answers, "Ollama does not start")
        except BaseException:
            self.stop()
            raise

    def answers(self):
        try:
            return call_ok(self.address, "GET", "/api/version")
        except (RuntimeError, OSError):
            return None


class LlamaServer(Process):
    """The peer of the engine: llama.cpp's own server, a slot and a stream of KV memory for each client."""

    def __init__(self, place, gguf, slots, context, threads):
        self.address = ("127.0.0.1", free_port())
        # Nothing of an earlier prompt is used again: every round asks the same of both servers.
        command = [
            *(place.llama_server(), "-m", str(gguf), "--host", "127.0.0.1", "--port", str(self.address[1])),
            *("-np", str(slots), "-c", str(slots * context), "--no-kv-unified"),
            *("--no-cache-prompt", "--cache-ram", "0"),
            *("-t", str(threads), "-tb", str(threads)),
        ]
        if place.gpu:
            command += ["-ngl", "999"]
        super().__init__(place, "llama-server", command)
        try:
            self.wait_until(self.is_healthy, "llama-server does not start")
        except BaseException:
            self.stop()
            raise

    def is_healthy(self):
        try:
            return call_ok(self.address, "GET", "/health")
        except (RuntimeError, OSError):
            return None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def url(server):
    host, port = server.address
    return f"http://{host}:{port}"
