"""Point 2: output tokens per second of 16 clients on the demo model, beside llama-server and `llamero bench`."""

import json
import random
import statistics
import subprocess

import machine
from place import NotRun
from servers import LlamaServer, Llamero, url
from web import call_ok

MODEL = "smollm2:135m"
CLIENTS = 16
ROUNDS = 3
# Waves of 16 in one round.
WAVES = 3
ALONE = 4
MAX_TOKENS = 64
CONTEXT = 512
# With the question and the model's own chat frame around them these make prompts of about 85 tokens.
WORDS_PER_PROMPT = 17
WORDS = """river garden window mountain winter bread market bridge letter candle forest island doctor farmer ship
morning summer village kitchen mirror paper stone horse cloud silver music painter school train basket lemon
teacher brother ocean valley castle storm blanket feather ladder wagon barn orchard harbor lantern pocket""".split()
LOAD_SECONDS = 600
PEER_LEAST = 0.93
BENCH_LEAST = 0.95


def run(place, report):
    gguf = place.demo_model()
    loadtest = place.loadtest()
    with Llamero(place) as llamero:
        llamero.has(MODEL, gguf)
        llamero.load(MODEL)
        if place.gpu:
            check_gpu(llamero, report)
        asked = Asked(place, llamero)
        own = Side(loadtest, llamero, ["--api", "generate", "--model", MODEL], asked.prompts, place)
        try:
            with LlamaServer(place, gguf, CLIENTS, CONTEXT, machine.cpus()) as peer:
                completions = ["--api", "openai-completions", "--model", MODEL]
                other = Side(loadtest, peer, completions, asked.rendered, place)
                against_peer(report, own, other)
        except NotRun as why:
            report.not_run("against llama-server with 16 slots", why)
        against_bench(place, report, own, gguf)


def check_gpu(llamero, report):
    models = call_ok(llamero.address, "GET", "/api/ps")["models"]
    size, on_gpu = models[0]["size"], models[0].get("size_vram", 0)
    report.check("the model lies on the GPU", f"size_vram {on_gpu / 1e6:.0f} of {size / 1e6:.0f} MB", "above 0", on_gpu > 0)


class Asked:
    """The questions, as files: as llamero is asked, and as its template renders them, for a server that gets them raw."""

    def __init__(self, place, llamero):
        draw = random.Random(4)
        questions = [question(draw, number) for number in range(CLIENTS * WAVES)]
        folder = place.folder("prompts")
        self.prompts, self.rendered = folder / "prompts.json", folder / "rendered.json"
        self.prompts.write_text(json.dumps(questions))
        self.rendered.write_text(json.dumps([rendered(llamero, text) for text in questions]))


def question(draw, number):
    words = ", ".join(draw.choices(WORDS, k=WORDS_PER_PROMPT))
    return f"Story {number}. Write a long story with these words: {words}."


def rendered(llamero, prompt):
    body = {"model": MODEL, "prompt": prompt, "stream": False, "_debug_render_only": True}
    return call_ok(llamero.address, "POST", "/api/generate", body)["_debug_info"]["rendered_template"]


class Side:
    """A server and how the load client asks it. Keeps what each round found."""

    def __init__(self, loadtest, server, flags, prompts, place):
        self.command = [loadtest, "run", "--url", url(server), *flags, "--prompts", str(prompts)]
        self.json = place.folder("load") / "result.json"
        self.rounds = []
        self.alone = []
        self.load(CLIENTS, CLIENTS, 8)

    def load(self, clients, requests, max_tokens=MAX_TOKENS):
        numbers = ["--concurrency", str(clients), "--requests", str(requests), "--max-tokens", str(max_tokens)]
        done = subprocess.run(
            [*self.command, *numbers, "--json", str(self.json)],
            capture_output=True, text=True, timeout=LOAD_SECONDS, check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"llamero-loadtest: {done.stderr or done.stdout}")
        return json.loads(self.json.read_text())

    def round(self):
        self.rounds.append(self.load(CLIENTS, CLIENTS * WAVES))
        self.alone.append(self.load(1, ALONE))

    def rate(self):
        return statistics.median(found["output_tokens_per_second"] for found in self.rounds)

    def rate_alone(self):
        return statistics.median(found["output_tokens_per_second"] for found in self.alone)

    def first_ms(self, rounds):
        return statistics.median(found["ttft_ms"]["p50"] for found in rounds)

    def lengths(self):
        """Tokens of a prompt and of an answer, on average."""
        requests = sum(found["requests"] for found in self.rounds)
        return tuple(sum(found[key] for found in self.rounds) / requests for key in ("prompt_tokens", "output_tokens"))


def against_peer(report, own, other):
    for number in range(ROUNDS):
        # Who comes first changes, so that a machine that slows down wrongs neither.
        for side in (own, other) if number % 2 == 0 else (other, own):
            side.round()
        rates = [f"{side.rounds[-1]['output_tokens_per_second']:.1f}" for side in (own, other)]
        report.note(f"round {number + 1}: llamero {rates[0]}, llama-server {rates[1]} tokens/s")
    for name, side in (("llamero", own), ("llama-server", other)):
        prompt, output = side.lengths()
        report.note(f"{name}: {prompt:.1f} tokens a prompt, {output:.1f} an answer")
    ratio = statistics.median(
        mine["output_tokens_per_second"] / its["output_tokens_per_second"] for mine, its in zip(own.rounds, other.rounds)
    )
    detail = f" ({own.rate():.1f} and {other.rate():.1f} tokens/s)"
    report.at_least("16 clients, tokens/s over those of llama-server with 16 slots", ratio, PEER_LEAST, detail)
    rates = f"{own.rate_alone():.1f} tokens/s; llama-server {other.rate_alone():.1f}"
    report.told("one client after another", rates)
    for what, rounds in (("16 clients", "rounds"), ("one client", "alone")):
        times = [side.first_ms(getattr(side, rounds)) for side in (own, other)]
        report.told(f"time to first token, {what}", f"{times[0]:.0f} ms; llama-server {times[1]:.0f} ms")


def against_bench(place, report, own, gguf):
    """The engine alone does the same work, in turns with the server."""
    ratios, bench_rates = [], []
    for _ in range(ROUNDS):
        own.rounds.append(own.load(CLIENTS, CLIENTS * WAVES))
        prompt, output = own.lengths()
        bench = bench_rate(place, gguf, round(prompt), round(output))
        bench_rates.append(bench)
        ratios.append(own.rounds[-1]["output_tokens_per_second"] / bench)
    detail = f" (bench: {statistics.median(bench_rates):.1f} tokens/s, prompts counted)"
    report.at_least("16 clients, tokens/s over those of `llamero bench`", statistics.median(ratios), BENCH_LEAST, detail)


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
