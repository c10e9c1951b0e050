"""What a store holds: models that have to be there, whole, whatever went wrong; and blobs that are what they are named."""

import hashlib
import os
import time

from servers import Llamero, upload_head
from web import Connection, Cut, call, call_ok

LLAMITA = "llamita"
MARIO = "mario"
COPY = "copies/llamita:v1"
SYSTEM = "You are Mario from Super Mario Bros."
PROMPT = {"prompt": "Hello", "stream": False, "options": {"temperature": 0, "num_predict": 16}}
# A server that was killed a moment ago lets go of its locks as it is taken apart.
GONE_SECONDS = 5


def on_store(place, store, *arguments, program=None):
    """A server on this folder of models."""
    return Llamero(place, arguments, {"OLLAMA_MODELS": str(store)}, program)


def fill(server, place):
    """Three models, by the routes: of a file, of a model, and a copy."""
    server.has(LLAMITA, place.llamita("llamita-f16.gguf"))
    texts = {"system": SYSTEM, "license": ["one", "two"], "parameters": {"num_ctx": 512, "stop": ["<|im_end|>"]}}
    create(server, MARIO, **{"from": LLAMITA}, **texts)
    call_ok(server.address, "POST", "/api/copy", {"source": MARIO, "destination": COPY})


def create(server, model, **request):
    return call_ok(server.address, "POST", "/api/create", {"model": model, "stream": False, **request})


def listed(server):
    return {model["name"]: model for model in call_ok(server.address, "GET", "/api/tags")["models"]}


def answer(server, name):
    return call_ok(server.address, "POST", "/api/generate", {"model": name, **PROMPT})["response"]


def state(server, name):
    """What can be seen of a model: its digest, what `show` says, and an answer."""
    shown = call_ok(server.address, "POST", "/api/show", {"model": name})
    shown.pop("modified_at")
    return listed(server)[name]["digest"], shown, answer(server, name)


class Kept:
    """Models as they were, to be compared with what is there after a fault."""

    def __init__(self, server):
        self.models = {name: state(server, name) for name in listed(server)}

    def lost(self, server, may_differ=()):
        """A sentence for each model that is not as it was. Those that may differ have to be there and answer."""
        lost = []
        for name, was in self.models.items():
            try:
                now = state(server, name)
            except (RuntimeError, KeyError, Cut, OSError) as error:
                lost.append(f"{name} is lost: {error!r}")
                continue
            if now != was and name not in may_differ:
                lost.append(f"{name} is another than before")
        return lost


def blobs(store):
    return sorted(os.listdir(store / "blobs"))


def left_over(store):
    """Temporary files, wherever they lie."""
    return [str(path.relative_to(store)) for path in store.rglob(".llamero-*")]


def broken_blobs(store):
    """Files under a final name that have other bytes than it says."""
    return [path.name for path in (store / "blobs").glob("sha256-*") if f"sha256-{hash_of(path)}" != path.name]


def hash_of(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def path_of(store, digest):
    return store / "blobs" / digest.replace(":", "-")


def upload(server, data, digest=None):
    """Status and body of a whole upload, also where the server answers before it has read all of it."""
    with Connection(server.address) as connection:
        try:
            connection.send(upload_head(digest or digest_of(data), len(data)) + data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # Its answer came first.
        status, _, body = connection.answer()
    return status, body.decode(errors="replace")


def until(holds, seconds=GONE_SECONDS):
    """Whether it holds within a few seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def refusal(server, method, path, body):
    """The sentence with which a request is refused; what else came, where it was not."""
    status, value = call(server.address, method, path, body)
    if status == 500 and isinstance(value, dict) and set(value) == {"error"}:
        return value["error"]
    return f"{status} {value}"
