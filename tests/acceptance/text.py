#!/usr/bin/env python3
"""What text in and out has to show, measured on this machine.

    text.py --binaries target/release [--only 1] [--markdown FILE]

Prints a line for each demand with its figure and its bound, then a table in Markdown, and ends with 1 unless every
demanded line was run and met. Point 1 wants the Python package jsonschema, point 3 the model templates
(JINJA_TEMPLATES_DIR, or PEERS and SHARED to fetch them), points 3, 4 and 6 cargo.
"""

import sys

sys.dont_write_bytecode = True

import constrained_rate
import goldens
import llamita
import parsers
import points
import structured
import transcripts

POINTS = {
    1: ("answers held to 300 schemas", structured),
    2: ("tokens per second of answers that are held to a schema", constrained_rate),
    3: ("Ollama's own prompts and answers", goldens),
    4: ("what Ollama answered in generate and chat", transcripts),
    5: ("what is on record of llamita", llamita),
    6: ("the parsers of answers", parsers),
}

if __name__ == "__main__":
    points.main(__doc__, POINTS)
