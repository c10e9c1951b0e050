"""Point 8: runs that come out the same alone and beside 15 others, on both servers.

A batch of another shape, or KV cells in other places, add up the same numbers in another order. Quantised weights make
one changed bit grow to some hundredths of a logit, so that a close choice of a token turns out differently. That is
nobody's mistake, but more of it than llama-server has would be ours.
"""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import machine
import throughput
from place import NotRun
from servers import LlamaServer, Llamero
from web import call_ok

LLAMITA = "llamita"
AT_ONCE = 16
RUNS_PER_MODEL = 100
MAX_TOKENS = 48
CONTEXT = 1024
POINTS_BELOW = 3.0
GREEDY = {"temperature": 0}
# All that both servers know of sampling is said, because their defaults differ.
SEEDED = {
    "temperature": 0.8,
    "top_k": 40,
    "top_p": 0.9,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repeat_last_n": 64,
    "repeat_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}


@dataclass
class Run:
    """One prompt, as the model reads it, and how its tokens are chosen."""

    prompt: str
    kind: str
    sampling: dict


def run(place, report):
    own, other, absent = {}, {}, None
    for model, gguf, prompts in ((LLAMITA, llamita, llamita_prompts), (throughput.MODEL, demo, demo_prompts)):
        path = gguf(place)
        with Llamero(place) as llamero:
            llamero.has(model, path)
            llamero.load(model)
            runs = of_both_kinds(prompts(place, llamero))
            own |= same(lambda one: ask_llamero(llamero.address, model, one), model, runs)
        try:
            with LlamaServer(place, path, AT_ONCE, CONTEXT, machine.cpus()) as server:
                other |= same(lambda one: ask_peer(server.address, one), model, runs)
        except NotRun as why:
            absent = why
    what = f"runs that come out the same alone and beside {AT_ONCE - 1} others"
    report.told(f"{what}, llamero", told(own))
    if absent:
        report.not_run(f"{what}, against llama-server", absent)
        return
    report.told(f"{what}, llama-server", told(other))
    points = share(own) - share(other)
    figure = f"{points:+.1f} percentage points"
    bound = f"at most {POINTS_BELOW:.0f} points below"
    report.check(f"{what}, llamero's share against llama-server's", figure, bound, points >= -POINTS_BELOW)


# ---- the runs


def llamita(place):
    return place.llamita("llamita-f16.gguf")


def demo(place):
    return place.demo_model()


def llamita_prompts(place, _):
    """The recorded prompts, then the same again with a line in front that makes others of them."""
    recorded = [record["prompt"] for record in json.loads(place.llamita("prompts.json").read_text())]
    rounds = range(-(-RUNS_PER_MODEL // len(recorded)))
    varied = [front(number) + prompt for number in rounds for prompt in recorded]
    return varied[:RUNS_PER_MODEL]


def front(number):
    return f"<|im_start|>system\nThis is day {number}.<|im_end|>\n" if number else ""


def demo_prompts(_, llamero):
    draw = random.Random(8)
    questions = [throughput.question(draw, number) for number in range(RUNS_PER_MODEL)]
    return [throughput.rendered(llamero, text) for text in questions]


def of_both_kinds(prompts):
    """Every other run is greedy; each of the rest has its own seed."""
    return [
        Run(prompt, "seeded", {**SEEDED, "seed": 1000 + number}) if number % 2 else Run(prompt, "greedy", GREEDY)
        for number, prompt in enumerate(prompts)
    ]


# ---- asking


def ask_llamero(address, model, one):
    options = {**one.sampling, "num_predict": MAX_TOKENS}
    body = {"model": model, "prompt": one.prompt, "raw": True, "stream": False, "options": options}
    return call_ok(address, "POST", "/api/generate", body)["response"]


def ask_peer(address, one):
    body = {"prompt": one.prompt, "stream": False, "max_tokens": MAX_TOKENS, **one.sampling}
    return call_ok(address, "POST", "/v1/completions", body)["choices"][0]["text"]


def same(ask, model, runs):
    """How many runs of each kind give the same text both times, and how many there are."""
    alone = [ask(one) for one in runs]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # As one ends the next joins, so that prompts are computed beside answers. The first runs come once more to
        # keep the last ones company; these are not counted.
        together = list(pool.map(ask, [*runs, *runs[: AT_ONCE - 1]]))[: len(runs)]
    found = {}
    for one, first, second in zip(runs, alone, together):
        count, total = found.get((model, one.kind), (0, 0))
        found[model, one.kind] = (count + (first == second), total + 1)
    return found


def totals(found):
    return [sum(column) for column in zip(*found.values())]


def share(found):
    """In percent."""
    count, total = totals(found)
    return 100 * count / total


def told(found):
    parts = ", ".join(f"{model} {kind} {count} of {total}" for (model, kind), (count, total) in found.items())
    return "{} of {} ({})".format(*totals(found), parts)
