#!/usr/bin/env python3
"""A small client on asyncio, against which the load client is held: N streams at a time for some seconds.

    stream_client.py HOST PORT STREAMS SECONDS TOKENS

Prints JSON: events a second, and the median time to the first event in milliseconds.
"""

import asyncio
import json
import statistics
import sys
import time


async def stream(host, port, request, found, end):
    """One client: asks again when it was answered. Each event is a line with an opening brace."""
    reader, writer = await asyncio.open_connection(host, port)
    while time.monotonic() < end:
        asked = time.monotonic()
        writer.write(request)
        first = True
        while (line := await reader.readline()) != b"0\r\n":
            if not line:
                raise ConnectionError("the server closed a stream")
            if not line.startswith(b"{"):
                continue
            now = time.monotonic()
            if first:
                found["first_ms"].append((now - asked) * 1000)
                first = False
            if now < end and b'"done":false' in line:
                found["events"] += 1
        await reader.readline()
    writer.close()


async def main(host, port, streams, seconds, tokens):
    body = json.dumps({"model": "fake", "prompt": "hello", "options": {"num_predict": tokens}}).encode()
    head = f"POST /api/generate HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    found = {"events": 0, "first_ms": []}
    end = time.monotonic() + seconds
    await asyncio.gather(*(stream(host, port, head + body, found, end) for _ in range(streams)))
    return {"events_per_second": found["events"] / seconds, "ttft_ms": statistics.median(found["first_ms"])}


if __name__ == "__main__":
    host, *numbers = sys.argv[1:]
    print(json.dumps(asyncio.run(main(host, *map(int, numbers)))))
