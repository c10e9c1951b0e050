"""Point 2: tokens per second of 8 clients whose answers are held to a schema, beside the same without one."""

import statistics
import threading
import time

from servers import Llamero
from throughput import MODEL, question
from web import call_ok

import random

STREAMS = 8
TOKENS = 128
ROUNDS = 3
LEAST = 0.85
# Long enough that no answer ends before its tokens are used up.
MANY = 1000
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "mood": {"enum": ["happy", "sad", "curious"]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
    },
    "required": ["name", "age", "mood", "tags"],
}
VISIT = {
    "type": "object",
    "properties": {
        "at": {"type": "string", "format": "date-time"},
        "who": {"type": "string", "format": "email"},
        "code": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"},
        "note": {"type": "string", "minLength": 5, "maxLength": 80},
    },
    "required": ["at", "who", "code", "note"],
}
SCHEMAS = {"strings, numbers, enums": PERSON, "formats, patterns, lengths": VISIT}


def run(place, report):
    gguf = place.demo_model()
    with Llamero(place) as llamero:
        llamero.has(MODEL, gguf)
        llamero.load(MODEL)
        prompts = long_winded(llamero)
        for name, items in SCHEMAS.items():
            schema = {"type": "array", "items": items, "minItems": MANY}
            compare(report, llamero, prompts, name, schema)
        half_and_half(report, llamero, prompts)


def long_winded(llamero):
    """Prompts that the model answers with all its tokens when nothing holds it."""
    draw, found, number = random.Random(9), [], 0
    while len(found) < STREAMS:
        prompt = question(draw, number)
        number += 1
        if ask(llamero, prompt, None)["eval_count"] == TOKENS:
            found.append(prompt)
        if number > 20 * STREAMS:
            raise RuntimeError("the model's answers are too short to be measured")
    return found


def ask(llamero, prompt, schema):
    options = {"temperature": 0, "num_predict": TOKENS}
    body = {"model": MODEL, "prompt": prompt, "stream": False, "options": options}
    if schema is not None:
        body["format"] = schema
    return call_ok(llamero.address, "POST", "/api/generate", body)


def wave(llamero, prompts, schemas):
    """All prompts at once. Gives each answer's decoded tokens and seconds of decoding, and the rate of all together."""
    answers = [None] * len(prompts)

    def one(place):
        answers[place] = ask(llamero, prompts[place], schemas[place])

    threads = [threading.Thread(target=one, args=(place,)) for place in range(len(prompts))]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begun
    if None in answers:
        raise RuntimeError("an answer failed")
    tokens = sum(answer["eval_count"] for answer in answers)
    if tokens != TOKENS * len(prompts):
        raise RuntimeError(f"{tokens} tokens came instead of {TOKENS * len(prompts)}")
    return answers, tokens / seconds


def compare(report, llamero, prompts, name, schema):
    """Rounds with and without the schema, in turns."""
    wave(llamero, prompts, [schema] * STREAMS)
    rates = {"free": [], "held": []}
    for number in range(ROUNDS):
        order = ("free", "held") if number % 2 == 0 else ("held", "free")
        for side in order:
            schemas = [None if side == "free" else schema] * STREAMS
            rates[side].append(wave(llamero, prompts, schemas)[1])
    free, held = statistics.median(rates["free"]), statistics.median(rates["held"])
    detail = f" ({held:.1f} of {free:.1f} tokens/s)"
    report.at_least(f"{STREAMS} streams held to a schema ({name}), tokens/s over those of free ones", held / free, LEAST, detail)


def half_and_half(report, llamero, prompts):
    """Free answers beside held ones are not slower than among themselves."""
    schema = {"type": "array", "items": VISIT, "minItems": MANY}
    mixed = [schema if place % 2 else None for place in range(STREAMS)]

    def rate(answers):
        free = answers[::2]
        return sum(answer["eval_count"] for answer in free) / max(answer["eval_duration"] for answer in free) * 1e9

    pairs = [(rate(wave(llamero, prompts, mixed)[0]), rate(wave(llamero, prompts, [None] * STREAMS)[0])) for _ in range(ROUNDS)]
    ratio = statistics.median(beside / among for beside, among in pairs)
    report.at_least("free streams beside as many held ones, tokens/s over those among themselves", ratio, LEAST)
