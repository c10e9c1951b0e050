"""Point 2: output tokens per second of 16 clients on the demo model, beside llama-server and `llamero bench`."""

import json
import random
import statistics
import subprocess
from dataclasses import dataclass

import machine
from place import NotRun
from servers import LlamaServer, Llamero, url
from web import call_ok

MODEL = "smollm2:135m"
CLIENTS = 16
ROUNDS = 3
# Waves of 16 in one round. Each has new connections, because llama-server closes one after each stream.
WAVES = 3
ALONE = 4
MAX_TOKENS = 64
WARM_TOKENS = 8
CONTEXT = 512
# With the question and the model's own chat frame around them these make prompts of about 85 tokens.
WORDS_PER_PROMPT = 21
WORDS = """river garden window mountain winter bread market bridge letter candle forest island doctor farmer ship
morning summer village kitchen mirror paper stone horse cloud silver music painter school train basket lemon
teacher brother ocean valley castle storm blanket feather ladder wagon barn orchard harbor lantern pocket""".split()
LOAD_SECONDS = 600
PEER_LEAST = 0.93
BENCH_LEAST = 0.95


def run(place, report):
    gguf = place.demo_model()
    with Llamero(place) as llamero:
        llamero.has(MODEL, gguf)
        llamero.load(MODEL)
        if place.gpu:
            check_gpu(llamero, report)
        questions = Questions(place, llamero)
        own = Side(place, llamero, ["--api", "generate", "--model", MODEL], 0)
        warm(own, questions)
        try:
            with LlamaServer(place, gguf, CLIENTS, CONTEXT, machine.cpus()) as server:
                peer = Side(place, server, ["--api", "openai-completions", "--model", MODEL], 1)
                warm(peer, questions)
                against_peer(report, questions, own, peer)
        except NotRun as why:
            report.not_run("against llama-server with 16 slots", why)
        against_bench(place, report, questions, own, gguf)


def warm(side, questions):
    side.wave(questions.next_set(CLIENTS), CLIENTS, WARM_TOKENS)


def check_gpu(llamero, report):
    models = call_ok(llamero.address, "GET", "/api/ps")["models"]
    size, on_gpu = models[0]["size"], models[0].get("size_vram", 0)
    figure = f"size_vram {on_gpu / 1e6:.0f} of {size / 1e6:.0f} MB"
    report.check("the model lies on the GPU", figure, "above 0", on_gpu > 0)


class Questions:
    """Files of questions, each set used once: as llamero is asked, and as its template renders them for llama-server.

    The peer gets the rendered text as it is, so that both models read the same tokens.
    """

    def __init__(self, place, llamero):
        self.draw = random.Random(4)
        self.folder = place.folder("prompts")
        self.llamero = llamero
        self.asked = 0

    def next_sets(self, count, size):
        return [self.next_set(size) for _ in range(count)]

    def next_set(self, size):
        """The files of a new set of so many questions, first llamero's."""
        numbers = range(self.asked, self.asked + size)
        self.asked = numbers.stop
        texts = [question(self.draw, number) for number in numbers]
        files = tuple(self.folder / f"{name}-{numbers.start}.json" for name in ("asked", "rendered"))
        files[0].write_text(json.dumps(texts))
        files[1].write_text(json.dumps([rendered(self.llamero, text) for text in texts]))
        return files


def question(draw, number):
    words = ", ".join(draw.choices(WORDS, k=WORDS_PER_PROMPT))
    return f"Story {number}. Write a long story with these words: {words}."


def rendered(llamero, prompt):
    body = {"model": MODEL, "prompt": prompt, "stream": False, "_debug_render_only": True}
    return call_ok(llamero.address, "POST", "/api/generate", body)["_debug_info"]["rendered_template"]


class Side:
    """A server and how the load client asks it. Keeps what each round found."""

    def __init__(self, place, server, flags, which):
        self.command = [place.loadtest(), "run", "--url", url(server), *flags]
        self.which = which
        self.json = place.folder("load") / "result.json"
        self.rounds = []
        self.alone = []

    def wave(self, prompts, clients, max_tokens=MAX_TOKENS):
        """So many clients, each with one question."""
        numbers = ["--concurrency", str(clients), "--requests", str(clients), "--max-tokens", str(max_tokens)]
        done = subprocess.run(
            [*self.command, "--prompts", str(prompts[self.which]), *numbers, "--json", str(self.json)],
            capture_output=True, text=True, timeout=LOAD_SECONDS, check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(self.command[:6])}: {done.stderr}{done.stdout}")
        return json.loads(self.json.read_text())

    def round(self, sets):
        self.rounds.append(together([self.wave(prompts, CLIENTS) for prompts in sets]))

    def round_alone(self, sets):
        self.alone.append(together([self.wave(prompts, 1) for prompts in sets]))

    def lengths(self):
        """Tokens of a prompt and of an answer, on average."""
        requests = sum(found.requests for found in self.rounds)
        prompts, outputs = (sum(getattr(found, key) for found in self.rounds) for key in ("prompts", "outputs"))
        return prompts / requests, outputs / requests


@dataclass
class Found:
    """What a round found."""

    requests: int
    prompts: int
    outputs: int
    rate: float
    first_ms: float


def together(waves):
    def total(key):
        return sum(wave[key] for wave in waves)

    first_ms = statistics.median(wave["ttft_ms"]["p50"] for wave in waves)
    rate = total("output_tokens") / total("wall_seconds")
    return Found(total("requests"), total("prompt_tokens"), total("output_tokens"), rate, first_ms)


def median_of(rounds, key):
    return statistics.median(getattr(found, key) for found in rounds)


def against_peer(report, questions, own, other):
    for number in range(ROUNDS):
        # Who comes first changes, so that a machine that slows down wrongs neither.
        order = (own, other) if number % 2 == 0 else (other, own)
        sets, alone = questions.next_sets(WAVES, CLIENTS), questions.next_sets(ALONE, 1)
        for side in order:
            side.round(sets)
        for side in order:
            side.round_alone(alone)
        rates = (own.rounds[-1].rate, other.rounds[-1].rate)
        report.note("round {}: llamero {:.1f}, llama-server {:.1f} tokens/s".format(number + 1, *rates))
    for name, side in (("llamero", own), ("llama-server", other)):
        report.note("{}: {:.1f} tokens a prompt, {:.1f} an answer".format(name, *side.lengths()))
    ratio = statistics.median(mine.rate / its.rate for mine, its in zip(own.rounds, other.rounds))
    rates = [median_of(side.rounds, "rate") for side in (own, other)]
    detail = " ({:.1f} and {:.1f} tokens/s)".format(*rates)
    report.at_least("16 clients, tokens/s over those of llama-server with 16 slots", ratio, PEER_LEAST, detail)
    rates = [median_of(side.alone, "rate") for side in (own, other)]
    report.told("one client after another", "{:.1f} tokens/s; llama-server {:.1f}".format(*rates))
    for what, pair in (("16 clients", (own.rounds, other.rounds)), ("one client", (own.alone, other.alone))):
        times = [median_of(rounds, "first_ms") for rounds in pair]
        report.told(f"time to first token, {what}", "{:.0f} ms; llama-server {:.0f} ms".format(*times))


def against_bench(place, report, questions, own, gguf):
    """The engine alone does the same work, in turns with the server."""
    pairs = []
    for number in range(ROUNDS):
        own.round(questions.next_sets(WAVES, CLIENTS))
        prompt, output = own.lengths()
        pairs.append((own.rounds[-1].rate, bench_rate(place, gguf, round(prompt), round(output))))
        report.note("round {}: llamero {:.1f}, its bench {:.1f} tokens/s".format(number + 1, *pairs[-1]))
    ratio = statistics.median(served / alone for served, alone in pairs)
    detail = " ({:.1f} and {:.1f} tokens/s)".format(*(statistics.median(side) for side in zip(*pairs)))
    report.at_least("16 clients, tokens/s over those of `llamero bench`", ratio, BENCH_LEAST, detail)


def bench_rate(place, gguf, prompt, output):
    """Output tokens over the time of prefill and decode together, as a client sees them."""
    path = place.folder("bench") / "bench.json"
    lengths = ["--prompt-tokens", str(prompt), "--max-tokens", str(output)]
    done = subprocess.run(
        [place.serving(), "bench", str(gguf), "--streams", str(CLIENTS), *lengths, "--json", str(path)],
        capture_output=True, text=True, timeout=LOAD_SECONDS, check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"llamero bench: {done.stderr or done.stdout}")
    rows = json.loads(path.read_text())
    return next(row for row in rows if row["streams"] == CLIENTS)["output_tokens_per_second"]
