"""The lines that are shown: each a demand with its figure and its bound, or a figure that is only told."""

import sys
from dataclasses import dataclass

REASON_CHARACTERS = 300
OK, MISSED, NOT_RUN, TOLD = "ok", "MISSED", "not run", "told"


@dataclass
class Line:
    point: int
    what: str
    figure: str
    bound: str
    state: str


class Report:
    """Collects lines and prints each as it comes."""

    def __init__(self):
        self.lines = []
        self.current = 0
        self.machine = ""

    def begin(self, place):
        self.machine = place.machine()
        print(f"llamero on {self.machine}", flush=True)

    def point(self, number, title):
        self.current = number
        print(f"\n== {number}. {title}", flush=True)

    def add(self, what, figure, bound, state):
        line = Line(self.current, what, str(figure), bound, state)
        self.lines.append(line)
        demanded = f" (demanded: {bound})" if bound else ""
        print(f"{state:>7}  {what}: {figure}{demanded}", flush=True)

    def check(self, what, figure, bound, met):
        """A demand: `met` says whether it holds."""
        self.add(what, figure, bound, OK if met else MISSED)

    def at_least(self, what, value, least, detail=""):
        self.check(what, f"{value:.3f}{detail}", f"at least {least}", value >= least)

    def at_most(self, what, value, most, detail=""):
        self.check(what, f"{value:.3f}{detail}", f"at most {most}", value <= most)

    def none_of(self, what, failures, total, bound):
        """A demand on each of `total` cases. The first few failures are printed."""
        for failure in failures[:5]:
            print(f"         {failure}", flush=True)
        self.check(what, f"{total - len(failures)} of {total}", bound, not failures)

    def told(self, what, figure):
        self.add(what, figure, "", TOLD)

    def missed(self, what, why):
        self.add(what, " ".join(why.split())[:REASON_CHARACTERS], "", MISSED)

    def not_run(self, what, why):
        self.add(what, why, "", NOT_RUN)

    def note(self, text):
        """Something to know while it runs, not for the table."""
        print(f"         {text}", flush=True)

    def all_met(self):
        return bool(self.lines) and all(line.state in (OK, TOLD) for line in self.lines)

    def markdown(self):
        def cell(text):
            return " ".join(str(text).split()).replace("|", "\\|")

        rows = [f"On {cell(self.machine)}:", "", "| point | what | figure | demanded | |", "|---|---|---|---|---|"]
        for line in self.lines:
            cells = (line.point, line.what, line.figure, line.bound, line.state)
            rows.append("| " + " | ".join(cell(text) for text in cells) + " |")
        return "\n".join(rows) + "\n"

    def write(self, path):
        states = [line.state for line in self.lines]
        summary = ", ".join(f"{states.count(state)} {state}" for state in (OK, MISSED, NOT_RUN, TOLD))
        print(f"\n{summary}", flush=True)
        if path is None:
            sys.stdout.write("\n" + self.markdown())
        else:
            path.write_text(self.markdown())
