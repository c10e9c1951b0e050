"""Point 4: what a real Ollama answered in generate and chat is answered, row for row."""

import re

import cargo

GROUPS = ("generate", "chat")
ROW = r"^(\w+) +passed +(\d+) +failed +(\d+) +not judged yet +(\d+)"


def run(place, report):
    arguments = ("test", "--release", "--test", "conformance", "--", "--nocapture", "--test-threads", "1")
    code, text = cargo.run(place, arguments)
    counts = {group: [int(count) for count in counts] for group, *counts in re.findall(ROW, text, re.MULTILINE)}
    for group in GROUPS:
        passed, failed, waiting = counts.get(group, (0, 0, 0))
        rows = passed + failed + waiting
        figure = f"{passed} of {rows} as recorded, {failed} otherwise, {waiting} not judged"
        report.check(f"recorded requests of {group}", figure, "all", 0 < rows == passed)
    report.check("every recorded request that is judged, of all groups", f"exit {code}", "exit 0", code == 0)
