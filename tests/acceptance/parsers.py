"""Point 6: what the parsers of answers take for one token."""

import re

import cargo

MOST_MICROSECONDS = 5.0
LINE = r"^parsers, (.+): (\d+) pieces; us for each: .*?p99 ([\d.]+), .*; (.+)$"


def run(place, report):
    code, text = cargo.run(place, ("bench", "--profile", "release", "--bench", "parsers"))
    found = re.findall(LINE, text, re.MULTILINE)
    for name, pieces, p99, processor in found:
        report.at_most(f"us that 99 of 100 {name} take at most", float(p99), MOST_MICROSECONDS, f" ({pieces} pieces, {processor})")
    report.check("the parsers' bench, by tokens and by characters", f"{len(found)} parts, exit {code}", "2 parts, exit 0", code == 0 and len(found) == 2)
