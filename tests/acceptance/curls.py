"""Point 5: the curl commands of the API pages that are about the store, run as printed against llamero.

Only the address and the digest of the example's file are others; the models that they name are made first.
"""

import json
import re
import shlex
import shutil
import subprocess

from kept import LLAMITA, create, digest_of, listed, on_store
from place import NotRun
from web import call, call_ok

ROUTES = ("blobs", "create", "tags", "show", "copy", "delete", "ps", "version")
ADDRESS = "http://localhost:11434"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
COMMAND_LINES_MOST = 60
CURL_SECONDS = 60
# What the commands call models that are there already.
MODELS = ("llama3", "llama3.1", "llama3.2", "llama3.1:8b-instruct-fp16", "llama3.2:3b-instruct-fp16")
MODEL_FILE = "model.bin"


def run(place, report):
    if not shutil.which("curl"):
        raise NotRun("curl is not installed")
    pages = sorted((place.shared / "reference" / "api").glob("*.txt"))
    commands = [command for page in pages for command in commands_of(page.read_text())]
    if not commands:
        raise NotRun(f"there are no pages with curl commands in {place.shared}")
    store, failures, ran = place.folder("curls"), [], []
    with on_store(place, store) as server:
        server.has(LLAMITA, place.llamita("llamita-f16.gguf"))
        folder = place.folder("client")
        shutil.copy(place.llamita("llamita-f16.gguf"), folder / MODEL_FILE)
        for command in commands:
            route = route_of(command)
            if "safetensors" in " ".join(command):
                continue
            ran.append(route)
            for name in MODELS:
                call_ok(server.address, "POST", "/api/copy", {"source": LLAMITA, "destination": name})
            if wrong := try_out(server, folder, command, route):
                failures.append(f"{shlex.join(command)[:120]}: {wrong}")
    report.none_of("curl commands of the API pages, as printed", failures, len(ran), "answered as the pages say")
    report.told("what they ask for", ", ".join(f"{ran.count(route)} {route}" for route in ROUTES))
    place.stores.append(store)


def commands_of(text):
    """The words of each command; one goes on until its quotes are closed."""
    lines = text.splitlines()
    for first, line in enumerate(lines):
        if not line.startswith("curl "):
            continue
        for last in range(first, min(first + COMMAND_LINES_MOST, len(lines))):
            command = "\n".join(lines[first:last + 1])
            if command.endswith("\\"):
                continue
            try:
                # A shell takes a backslash and the end of its line away; `shlex` keeps the latter.
                words = shlex.split(command.replace("\\\n", ""))
            except ValueError:
                continue  # A quote is open still.
            if route_of(words) in ROUTES:
                yield words
            break


def route_of(words):
    found = [word for word in words if word.startswith(f"{ADDRESS}/api/")]
    return found[0].removeprefix(f"{ADDRESS}/api/").split("/")[0] if found else None


def curl(server, folder, words):
    """Runs it against the server: its status and what it printed."""
    host, port = server.address
    words = [word.replace(ADDRESS, f"http://{host}:{port}") for word in words]
    done = subprocess.run(
        [*words, "--silent", "--show-error", "--write-out", "\n%{http_code}"],
        cwd=folder, capture_output=True, text=True, timeout=CURL_SECONDS, check=False,
    )
    text, _, status = done.stdout.rpartition("\n")
    if done.returncode != 0:
        raise RuntimeError(f"curl ended with {done.returncode}: {done.stderr}")
    return int(status), text


def try_out(server, folder, words, route):
    """What is wrong with the answer; nothing, if it is as the page says."""
    try:
        return TRIES[route](server, folder, words)
    except (RuntimeError, ValueError, KeyError, IndexError) as error:
        return repr(error)


def sent(words):
    """The body that a command sends."""
    for flag in ("-d", "--data", "--data-raw"):
        if flag in words:
            return json.loads(words[words.index(flag) + 1])
    return {}


def full(name):
    return name if ":" in name else f"{name}:latest"


def blob(server, folder, words):
    """One that is not there, then it is uploaded, then it is there."""
    data = (folder / MODEL_FILE).read_bytes() + len(words).to_bytes(32, "little")
    (folder / MODEL_FILE).write_bytes(data)
    words = [DIGEST.sub(digest_of(data), word) for word in words]
    status, _ = curl(server, folder, words)
    if "-T" in words:
        return None if status == 201 else f"an upload was answered with {status}"
    if status != 404:
        return f"a blob that is not there: {status}"
    call_ok_upload(server, data)
    status, _ = curl(server, folder, words)
    return None if status == 200 else f"a blob that is there: {status}"


def call_ok_upload(server, data):
    call_ok(server.address, "POST", f"/api/blobs/{digest_of(data)}", data)


def created(server, folder, words):
    body = sent(words)
    for digest in body.get("files", {}).values():
        if DIGEST.fullmatch(digest):
            return with_files(server, folder, words, body)
    return made(server, folder, words, body)


def with_files(server, folder, words, body):
    data = (folder / MODEL_FILE).read_bytes()
    call(server.address, "POST", f"/api/blobs/{digest_of(data)}", data)
    return made(server, folder, [DIGEST.sub(digest_of(data), word) for word in words], body)


def made(server, folder, words, body):
    status, text = curl(server, folder, words)
    last = json.loads(text.splitlines()[-1])
    if status != 200 or last != {"status": "success"}:
        return f"{status} {last}"
    name = full(body.get("model") or body["name"])
    return None if name in listed(server) else f"{name} is not listed"


def copied(server, folder, words):
    status, _ = curl(server, folder, words)
    there = full(sent(words)["destination"]) in listed(server)
    return None if status == 200 and there else f"{status}, listed: {there}"


def deleted(server, folder, words):
    body = sent(words)
    status, _ = curl(server, folder, words)
    there = full(body.get("model") or body["name"]) in listed(server)
    return None if status == 200 and not there else f"{status}, listed: {there}"


def running(server, folder, words):
    call_ok(server.address, "POST", "/api/generate", {"model": "llama3.1"})
    status, text = curl(server, folder, words)
    names = [model["name"] for model in json.loads(text)["models"]]
    return None if status == 200 and "llama3.1:latest" in names else f"{status} {names}"


def tags(server, folder, words):
    status, text = curl(server, folder, words)
    names = {model["name"] for model in json.loads(text)["models"]}
    return None if status == 200 and set(map(full, MODELS)) <= names else f"{status} {names}"


def shown(server, folder, words):
    status, text = curl(server, folder, words)
    lacking = {"modelfile", "template", "details", "model_info", "capabilities"} - json.loads(text).keys()
    return None if status == 200 and not lacking else f"{status}, without {lacking}"


def version(server, folder, words):
    status, text = curl(server, folder, words)
    return None if status == 200 and json.loads(text)["version"] else f"{status} {text}"


TRIES = {
    "blobs": blob,
    "create": created,
    "tags": tags,
    "show": shown,
    "copy": copied,
    "delete": deleted,
    "ps": running,
    "version": version,
}
