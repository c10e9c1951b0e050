"""Asks a server as a user of the official Python client would, and prints each answer as one JSON object."""

import json
import sys

import ollama

host, model = sys.argv[1:]
client = ollama.Client(host=host)
options = {"temperature": 0, "num_predict": 64}
prompt = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
messages = [{"role": "user", "content": "Hello"}]

whole = client.generate(model=model, prompt=prompt, raw=True, options=options)
parts = list(client.generate(model=model, prompt=prompt, raw=True, options=options, stream=True))
last = parts[-1]
chat = client.chat(model=model, messages=messages, options=options)
chat_parts = list(client.chat(model=model, messages=messages, options=options, stream=True))
try:
    client.generate(model="nope", prompt="x")
    error = None
except ollama.ResponseError as refused:
    error = [refused.status_code, refused.error]

print(
    json.dumps(
        {
            "generate": whole.response,
            "generate streamed": "".join(part.response for part in parts),
            "generate events": len(parts),
            "generate done": [whole.done, whole.done_reason, last.done, last.done_reason],
            "chat": chat.message.content,
            "chat streamed": "".join(part.message.content for part in chat_parts),
            "chat events": len(chat_parts),
            "chat role": chat.message.role,
            "counts": (whole.prompt_eval_count, whole.eval_count) == (last.prompt_eval_count, last.eval_count),
            "list": [entry.model for entry in client.list().models],
            "ps": [entry.model for entry in client.ps().models],
            "error": error,
        }
    )
)
