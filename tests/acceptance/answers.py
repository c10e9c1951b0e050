"""Point 4: the recorded prompts, sent raw, give their recorded answers, one and sixteen at a time."""

import json
from concurrent.futures import ThreadPoolExecutor

from servers import Llamero
from web import call

MODEL = "llamita"
AT_ONCE = 16
# An answer that ends by itself may not be cut short by the limit.
SPARE_TOKENS = 64
DONE_REASONS = {"eos": "stop", "limit": "length"}


def run(place, report):
    records = json.loads(place.llamita("prompts.json").read_text())
    with Llamero(place) as llamero:
        llamero.has(MODEL, place.llamita("llamita-f16.gguf"))
        for at_once in (1, AT_ONCE):
            with ThreadPoolExecutor(at_once) as pool:
                failures = list(filter(None, pool.map(lambda record: differs(llamero.address, record), records)))
            report.none_of(f"recorded answers, {at_once} at a time", failures, len(records), f"all {len(records)}")


def body(record):
    tokens = record["tokens"] if record["stop"] == "limit" else record["tokens"] + SPARE_TOKENS
    options = {"temperature": 0, "num_predict": tokens}
    return {"model": MODEL, "prompt": record["prompt"], "raw": True, "stream": False, "options": options}


def differs(address, record):
    """What is wrong with the answer, or nothing."""
    status, answer = call(address, "POST", "/api/generate", body(record))
    if status != 200:
        return f"{record['id']}: {status} {answer}"
    found = (answer.get("response"), answer.get("done_reason"))
    wanted = (record["text"], DONE_REASONS[record["stop"]])
    return None if found == wanted else f"{record['id']}: {found}, recorded {wanted}"
