"""Point 3: the prompts and answers that Ollama's own code made of thousands of inputs are ours, row for row."""

import os
import re
import subprocess

import cargo
from place import NotRun

# What Ollama's own code was asked, a file for each kind; the checkout's tests add files of their own.
KINDS = ("templates", "generic", "renderers", "parsers", "jinja", "modelfiles", "names", "durations", "params")
# A file may have one exception for each hundred rows.
ROWS_PER_EXCEPTION = 100
SCRIPT_SECONDS = 900


def run(place, report):
    folder = goldens(place)
    templates = jinja_templates(place, report)
    settings = {"GOLDENS_DIR": str(folder), "JINJA_TEMPLATES_DIR": str(templates)}
    arguments = ("test", "--release", "--test", "goldens", "golden", "--", "--nocapture", "--test-threads", "1")
    code, text = cargo.run(place, arguments, settings)
    counts = {name: (int(equal), int(rows)) for name, equal, rows in re.findall(r"(\w+\.jsonl): (\d+) of (\d+) equal", text)}
    excused = re.findall(r"(\w+\.jsonl): excused (.+)$", text, re.MULTILINE)
    for name in sorted({f"{kind}.jsonl" for kind in KINDS} | set(counts)):
        judge(report, name, counts.get(name), [why for file, why in excused if file == name])
    report.check("`cargo test --release golden`", f"exit {code}", "exit 0", code == 0)


def judge(report, name, count, excused):
    """Every row is equal but the exceptions, which are shown with their reasons."""
    if count is None:
        report.missed(name, "its rows were not run")
        return
    equal, rows = count
    for why in excused:
        report.note(f"excused: {why}")
    allowed = -(-rows // ROWS_PER_EXCEPTION)
    met = equal + len(excused) == rows and len(excused) <= allowed
    bound = f"all but excused ones, of these at most {allowed}"
    report.check(name, f"{equal} of {rows} equal, {len(excused)} excused", bound, met)


def goldens(place):
    """The recorded rows: the shared ones if they are there, else the checkout's copy, which also holds rows of its own."""
    named = os.environ.get("GOLDENS_DIR")
    if named:
        return place.existing(named)
    shared = place.shared / "goldens"
    return shared if shared.is_dir() else place.root / "tests" / "data" / "goldens"


def jinja_templates(place, report):
    """The folder of the model templates that the rows of jinja.jsonl name; fetched where nobody did so before."""
    named = os.environ.get("JINJA_TEMPLATES_DIR")
    if named:
        return place.existing(named)
    if place.peers is None:
        raise NotRun("neither JINJA_TEMPLATES_DIR nor PEERS says where the model templates are")
    folder = place.peers / "templates"
    if not any(folder.glob("*.jinja")):
        script = place.program(place.shared / "peers" / "templates.sh")
        report.note(f"fetching the model templates into {folder}")
        subprocess.run([script, str(folder)], check=True, timeout=SCRIPT_SECONDS)
    return folder
