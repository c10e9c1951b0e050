"""Point 5: what is on record of the small test model is answered: thinking and calls taken apart, gaps filled."""

import json

from servers import Llamero
from web import Connection

MODEL = "llamita"
MANY_TOKENS = 700
PROMPTS = 43


def run(place, report):
    gguf = place.llamita("llamita-f16.gguf")
    rows = json.loads(place.llamita("prompts.json").read_text())
    with Llamero(place) as llamero:
        llamero.has(MODEL, gguf)
        for stream in (False, True):
            wrong = [why for row in rows if (why := fault(llamero, row, stream))]
            kind = "streamed" if stream else "whole"
            report.none_of(f"recorded prompts, {kind}", wrong, len(rows), f"all {PROMPTS}")
    report.check("prompts on record", len(rows), PROMPTS, len(rows) == PROMPTS)
    answers = [expected(row["text"]) for row in rows if "messages" in row["request"]]
    thinking, calls = sum(bool(answer["thinking"]) for answer in answers), sum(bool(answer["calls"]) for answer in answers)
    report.told("conversations among them", f"{len(answers)}: {thinking} with thinking, {calls} with calls of tools")


def fault(llamero, row, stream):
    """What is wrong with the answer to a row; None: nothing."""
    chat = "messages" in row["request"]
    path, body = ("/api/chat", as_chat(row)) if chat else ("/api/generate", as_generate(row))
    limit = row["tokens"] if row["stop"] == "limit" else MANY_TOKENS
    body |= {"model": MODEL, "stream": stream, "options": {"temperature": 0, "num_predict": limit}}
    status, events = ask(llamero.address, path, body)
    if status != 200:
        return f"{row['id']}: {status} {events}"
    last = events[-1]
    got = {
        **(chat_parts(events) if chat else {"content": joined(events, "response")}),
        "reason": last.get("done_reason"),
        "tokens": last.get("eval_count"),
        "ends": [event["done"] for event in events].count(True),
    }
    want = {
        **(expected(row["text"]) if chat else {"content": row["text"]}),
        "reason": "length" if row["stop"] == "limit" else "stop",
        "tokens": row["tokens"],
        "ends": 1,
    }
    return None if got == want else f"{row['id']}: {got} instead of {want}"


def ask(address, path, body):
    """Status and events of an answer, which is one event where it is not streamed."""
    with Connection(address) as connection:
        connection.ask("POST", path, body)
        status, _, data = connection.answer()
    return status, [json.loads(line) for line in data.decode().splitlines()]


def joined(events, field):
    return "".join(event.get(field, "") for event in events)


def chat_parts(events):
    messages = [event["message"] for event in events]
    calls = [call["function"] for message in messages for call in message.get("tool_calls") or []]
    return {
        "thinking": joined(messages, "thinking"),
        "content": joined(messages, "content"),
        "calls": [[call["name"], call["arguments"]] for call in calls],
    }


def expected(text):
    """A recorded text taken apart, as plainly as can be."""
    thinking, rest = "", text
    if text.startswith("<think>"):
        thinking, rest = text.removeprefix("<think>").split("</think>", 1)
    content, *calls = rest.split("<tool_call>")
    calls = [json.loads(call.split("</tool_call>")[0]) for call in calls]
    return {
        "thinking": thinking.strip(),
        "content": content.lstrip(),
        "calls": [[call["name"], call["arguments"]] for call in calls],
    }


def as_chat(row):
    """The recorded request as one for /api/chat: arguments of calls are objects there."""
    request = json.loads(json.dumps(row["request"]))
    for message in request["messages"]:
        for call in message.get("tool_calls") or []:
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    body = {"messages": request["messages"], "tools": request.get("tools")}
    think = request.get("chat_template_kwargs", {}).get("enable_thinking")
    return body if think is None else {**body, "think": think}


def as_generate(row):
    """Text to go on from, or what stands before and behind a gap."""
    if not row["prompt"].startswith("<|fim_prefix|>"):
        return {"prompt": row["prompt"], "raw": True}
    before, behind = row["prompt"].removeprefix("<|fim_prefix|>").split("<|fim_suffix|>")
    return {"prompt": before, "suffix": behind.removesuffix("<|fim_middle|>")}
