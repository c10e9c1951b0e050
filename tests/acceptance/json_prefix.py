"""Reads the beginning of a JSON text (RFC 8259): what is complete in it, and whether more could follow.

`read` gives the value with whatever is not complete left out of its arrays and objects, and whether the text was cut.
Text that no JSON begins with raises ValueError.
"""

import json
import re

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
NUMBER_BEGUN = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:(?<=[0-9])[eE][+-]?[0-9]*)?)?")
STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
STRING_BEGUN = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*(?:\\(?:u[0-9a-fA-F]{0,3})?)?')
WORDS = {"true": True, "false": False, "null": None}
NOTHING = object()


class Reader:
    def __init__(self, text):
        self.text = text
        self.at = 0

    def blank(self):
        while self.text[self.at : self.at + 1] in (" ", "\n", "\t", "\r"):
            self.at += 1

    def next(self):
        """The next byte that means something; empty at the end."""
        self.blank()
        return self.text[self.at : self.at + 1]

    def refuse(self):
        raise ValueError(f"no JSON at {self.at}: {self.text[self.at:][:40]!r}")

    def value(self):
        """A value and whether it is complete."""
        first = self.next()
        if first == "":
            return NOTHING, False
        if first == "{":
            return self.members({}, "}", self.pair)
        if first == "[":
            return self.members([], "]", self.element)
        if first == '"':
            return self.scalar(STRING, STRING_BEGUN)
        if first.isdigit() or first == "-":
            return self.scalar(NUMBER, NUMBER_BEGUN)
        return self.word()

    def scalar(self, whole, begun):
        found = begun.match(self.text, self.at)
        if found and found.end() == len(self.text):
            # A number at the end may go on.
            return NOTHING, False
        found = whole.match(self.text, self.at)
        if not found:
            self.refuse()
        self.at = found.end()
        return json.loads(found.group()), True

    def word(self):
        rest = self.text[self.at :]
        for word, value in WORDS.items():
            if rest.startswith(word):
                self.at += len(word)
                return value, True
            if word.startswith(rest):
                return NOTHING, False
        return self.refuse()

    def members(self, values, end, member):
        self.at += 1
        if self.next() == end:
            self.at += 1
            return values, True
        while True:
            if not member(values):
                return values, False
            mark = self.next()
            if mark == "":
                return values, False
            if mark not in (",", end):
                self.refuse()
            self.at += 1
            if mark == end:
                return values, True

    def element(self, values):
        value, complete = self.value()
        if value is not NOTHING:
            values.append(value)
        return complete

    def pair(self, values):
        if self.next() not in ("", '"'):
            self.refuse()
        name, complete = self.value()
        if not complete:
            return False
        if self.next() not in ("", ":"):
            self.refuse()
        self.at += 1
        value, complete = self.value()
        if value is not NOTHING:
            values[name] = value
        return complete


def read(text):
    """The value as far as it goes, and whether it is complete."""
    reader = Reader(text)
    value, complete = reader.value()
    if complete and reader.next() != "":
        reader.refuse()
    return (None if value is NOTHING else value), complete
