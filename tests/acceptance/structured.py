"""Point 1: every answer to a bounded schema ends and is valid; of the others what ends is valid, what is cut may go on."""

import json
import statistics
from concurrent.futures import ThreadPoolExecutor

import json_prefix
from place import NotRun
from servers import Llamero
from web import call

MODEL = "smollm2:135m"
CLIENTS = 8
BOUNDED_TOKENS = 600
UNBOUNDED_TOKENS = 200
SEED = 7
# Greedy, and hot enough that a small model says whatever it is let say.
TEMPERATURES = {"greedy": 0, "temperature 1.5": 1.5}
# What a value that is not complete need not have yet.
LATER = ("required", "minItems", "minProperties", "minLength")
UNSUPPORTED = {
    "not": {},
    "if": {},
    "contains": {},
    "uniqueItems": True,
    "propertyNames": {},
    "dependentRequired": {},
    "dependentSchemas": {},
    "unevaluatedProperties": False,
    "unevaluatedItems": False,
}
PATIENCE_SECONDS = 900


def run(place, report):
    try:
        import jsonschema
    except ImportError as error:
        raise NotRun("the Python package jsonschema is not there") from error
    rows = [json.loads(line) for line in (place.root / "tests/data/schemas/schemas.jsonl").open()]
    gguf = place.demo_model()
    with Llamero(place) as llamero:
        llamero.has(MODEL, gguf)
        llamero.load(MODEL)
        for name, temperature in TEMPERATURES.items():
            with ThreadPoolExecutor(CLIENTS) as clients:
                answers = list(clients.map(lambda row: ask(llamero, row, temperature), rows))
            judge(report, name, list(zip(rows, answers)), jsonschema)
        refusals(report, llamero)


def ask(llamero, row, temperature):
    """Status and body of the answer to a row."""
    limit = BOUNDED_TOKENS if row["bounded"] else UNBOUNDED_TOKENS
    options = {"temperature": temperature, "num_predict": limit, "seed": SEED}
    body = {"model": MODEL, "prompt": row["prompt"], "format": row["schema"], "stream": False, "options": options}
    return call(llamero.address, "POST", "/api/generate", body)


def judge(report, name, pairs, jsonschema):
    bounded = [pair for pair in pairs if pair[0]["bounded"]]
    open_ended = [pair for pair in pairs if not pair[0]["bounded"]]
    wrong = [why for row, answer in bounded if (why := fault(row, answer, jsonschema, True))]
    report.none_of(f"bounded schemas, {name}: ended with stop and valid", wrong, len(bounded), "all")
    wrong = [why for row, answer in open_ended if (why := fault(row, answer, jsonschema, False))]
    report.none_of(f"open schemas, {name}: valid, or cut and valid so far", wrong, len(open_ended), "all")
    tokens = [answer["eval_count"] for _, (status, answer) in bounded if status == 200]
    if tokens:
        figure = f"{statistics.median(tokens):.0f} in the middle, at most {max(tokens)}"
        report.told(f"tokens of an answer, bounded schemas, {name}", figure)


def fault(row, answer, jsonschema, must_end):
    """What is wrong with an answer; None: nothing."""
    status, body = answer
    if status != 200:
        return f"{row['id']}: {status} {body}"
    text, reason = body["response"], body["done_reason"]
    if reason != "stop" and (must_end or reason != "length"):
        return f"{row['id']}: ended with {reason}: {text[-60:]!r}"
    try:
        value, complete = json_prefix.read(text)
        if reason == "stop":
            check(json.loads(text), row["schema"], jsonschema)
        elif not complete and value is not None:
            check(value, without_later(row["schema"]), jsonschema)
    except ValueError as error:
        return f"{row['id']}: {error}: {text[-60:]!r}"
    except jsonschema.ValidationError as error:
        return f"{row['id']}: {error.message}: {text[-60:]!r}"
    return None


def check(value, schema, jsonschema):
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    kind(schema, format_checker=kind.FORMAT_CHECKER).validate(value)


def without_later(schema):
    """The schema for a value that may still grow."""
    if isinstance(schema, list):
        return [without_later(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: part for key, part in schema.items() if key not in LATER or isinstance(part, dict)}
    return {key: without_later(part) if key not in ("enum", "const") else part for key, part in kept.items()}


def refusals(report, llamero):
    """Keywords that no grammar follows are refused by name."""
    wrong = []
    for keyword, value in UNSUPPORTED.items():
        row = {"prompt": "x", "bounded": True, "schema": {"type": "object", "properties": {"a": {keyword: value}}}}
        status, body = ask(llamero, row, 0)
        if status != 400 or f'"{keyword}"' not in body.get("error", ""):
            wrong.append(f"{keyword}: {status} {body}")
    report.none_of("unsupported keywords refused by name", wrong, len(UNSUPPORTED), "all")
