"""Writes schemas.jsonl: 300 schemas of the kinds that people send, 30 of each kind, the same on every run.

Of each kind 25 are bounded: every string, list and object has an end, so that an answer has one, well within 600 tokens.
The other five leave something open.
"""

import json
import random
from pathlib import Path

BOUNDED, UNBOUNDED = 25, 5
TOPICS = {
    "book": ["title", "author", "publisher", "genre", "language"],
    "person": ["name", "city", "job", "hobby", "nickname"],
    "recipe": ["dish", "cuisine", "course", "tool", "note"],
    "product": ["brand", "model", "color", "material", "label"],
    "film": ["title", "director", "studio", "country", "mood"],
    "trip": ["from", "to", "carrier", "hotel", "remark"],
    "order": ["customer", "item", "shop", "carrier", "comment"],
    "animal": ["species", "habitat", "diet", "color", "sound"],
    "song": ["title", "artist", "album", "key", "style"],
    "meeting": ["subject", "room", "host", "team", "agenda"],
}
NUMBERS = ["count", "rating", "price", "year", "score", "size", "weight", "level"]
CHOICES = {
    "status": ["open", "closed", "pending"],
    "size": ["S", "M", "L", "XL"],
    "priority": ["low", "medium", "high", "urgent"],
    "unit": ["kg", "g", "lb"],
    "sentiment": ["positive", "negative", "neutral"],
    "grade": ["A", "B", "C", "D"],
    "answer": ["yes", "no", "not sure"],
    "weekday": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
}
FORMATS = ["date", "time", "date-time", "email", "ipv4", "ipv6", "uuid", "hostname", "duration", "uri"]
PATTERNS = [
    "^[A-Z]{3}-[0-9]{4}$",
    "^[0-9]{5}(-[0-9]{4})?$",
    "^#[0-9a-f]{6}$",
    "^\\+[0-9]{7,12}$",
    "^(red|green|blue)-(light|dark)$",
    "^v[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}$",
    "^[a-z][a-z0-9_]{2,11}$",
    "^[A-Z][a-z]{2,9}( [A-Z][a-z]{2,9})?$",
    "^(0[1-9]|1[0-2])/[0-9]{2}$",
    "^[^\\s@\"\\\\]{2,8}@example\\.(com|org)$",
]


class Maker:
    def __init__(self, draw, bounded):
        self.draw = draw
        self.bounded = bounded
        self.topic = draw.choice(sorted(TOPICS))

    def names(self, count):
        return self.draw.sample(TOPICS[self.topic], count)

    def string(self, most=24):
        if not self.bounded:
            return {"type": "string"}
        return {"type": "string", "maxLength": self.draw.randint(8, most)}

    def integer(self):
        if self.draw.random() < 0.5:
            return {"type": "integer"}
        low = self.draw.choice([0, 1, -10, 1900])
        return {"type": "integer", "minimum": low, "maximum": low + self.draw.choice([5, 99, 150])}

    def boolean(self):
        return {"type": "boolean"}

    def choice(self):
        return {"type": "string", "enum": CHOICES[self.draw.choice(sorted(CHOICES))]}

    def scalar(self):
        return self.draw.choice([self.string, self.integer, self.boolean, self.choice])()

    def fields(self, count):
        """Some properties of the topic, and a number."""
        found = {name: self.scalar() for name in self.names(count - 1)}
        found[self.draw.choice(NUMBERS)] = self.integer()
        return found

    def array(self, items, most=4):
        schema = {"type": "array", "items": items}
        if self.bounded:
            schema["maxItems"] = self.draw.randint(2, most)
        if self.draw.random() < 0.5:
            schema["minItems"] = self.draw.randint(1, 2)
        return schema

    def closed(self, properties, required=None):
        """An object; now and then it says itself that nothing else may be in it."""
        schema = {"type": "object", "properties": properties}
        schema["required"] = list(properties) if required is None else required
        if self.draw.random() < 0.5:
            schema["additionalProperties"] = False
        return schema

    def nested(self):
        inner = self.closed(self.fields(2))
        for name in self.draw.sample(["details", "origin", "place", "owner"], self.draw.randint(1, 2)):
            inner = self.closed({**{self.names(1)[0]: self.scalar()}, name: inner})
        return inner

    def arrays(self):
        way = self.draw.randrange(4)
        if way == 0:
            return self.closed({"items": self.array(self.closed(self.fields(2)), 3)})
        if way == 1:
            return self.closed({"tags": self.array(self.string(16)), self.names(1)[0]: self.scalar()})
        if way == 2:
            pair = {"type": "array", "prefixItems": [self.string(12), self.integer()], "items": False, "minItems": 2}
            return self.closed({"pair": pair, "rows": self.array(self.array(self.integer(), 3), 3)})
        return self.array(self.scalar())

    def enums(self):
        properties = {name: {"enum": CHOICES[name]} for name in self.draw.sample(sorted(CHOICES), 2)}
        properties["version"] = {"const": self.draw.choice([1, 2.5, "v1", True, None])}
        properties["mixed"] = {"enum": self.draw.sample([0, 1, -7, 2.5, "none", "all", None, False, [1, 2], {"a": 1}], 4)}
        if not self.bounded:
            properties["reason"] = self.string()
        return self.closed(properties)

    def refs(self):
        word = self.draw.choice(["$defs", "definitions"])
        definitions = {"Place": self.closed(self.fields(2)), "Name": self.string(16)}
        reference = {name: {"$ref": f"#/{word}/{name}"} for name in definitions}
        properties = {"name": reference["Name"], "place": reference["Place"], "count": self.integer()}
        if self.draw.random() < 0.5:
            properties["places"] = self.array(reference["Place"], 2)
        if not self.bounded:
            # A list that is linked: as long as it likes.
            link = {"type": "object", "properties": {"name": reference["Name"], "next": {"anyOf": [{"$ref": f"#/{word}/Link"}, {"type": "null"}]}}}
            definitions["Link"] = {**link, "required": ["name", "next"]}
            properties["chain"] = {"$ref": f"#/{word}/Link"}
        schema = self.closed(properties)
        return {**schema, word: definitions}

    def any_of(self):
        tagged = [
            self.closed({"kind": {"const": kind}, **self.fields(2)})
            for kind in self.draw.sample(["circle", "square", "line", "point"], 2)
        ]
        word = self.draw.choice(["anyOf", "oneOf"])
        either = {"anyOf": [self.string(16), self.integer(), {"type": "null"}]}
        return self.closed({"shape": {word: tagged}, "value": either, "note": {"type": ["string", "null"], "maxLength": 20}
                            if self.bounded else {"type": ["string", "null"]}})

    def formats(self):
        properties = {name.replace("-", "_"): {"type": "string", "format": name} for name in self.draw.sample(FORMATS, 3)}
        for schema in properties.values():
            if self.bounded and schema["format"] in ("email", "hostname", "uri"):
                schema["maxLength"] = 40
        return self.closed({**properties, **({} if self.bounded else {"text": self.string()})})

    def patterns(self):
        properties = {f"code_{number}": {"type": "string", "pattern": pattern}
                      for number, pattern in enumerate(self.draw.sample(PATTERNS, 2))}
        loose = {"type": "string", "pattern": self.draw.choice(["^[a-z ]+$", "[0-9]", "^The "])}
        if self.bounded:
            loose["maxLength"] = 30
        return self.closed({**properties, "loose": loose})

    def min_max(self):
        properties = {
            "stars": {"type": "integer", "minimum": 1, "maximum": self.draw.choice([5, 10])},
            "share": {"type": "number", "minimum": 0, "maximum": 1},
            "above": {"type": "number", "exclusiveMinimum": self.draw.choice([0, -1.5, 10])},
            "below": {"type": "integer", "exclusiveMaximum": self.draw.choice([0, 100, -5])},
            "steps": {"type": "integer", "minimum": 0, "maximum": 100, "multipleOf": self.draw.choice([5, 10, 25])},
            "halves": {"type": "number", "minimum": 0, "maximum": 20, "multipleOf": 0.5},
            "word": {**self.string(20), "minLength": self.draw.randint(1, 6)},
            "few": {**self.array(self.integer(), 4), "minItems": 2},
        }
        chosen = self.draw.sample(sorted(properties), 4)
        if not self.bounded:
            chosen[0] = "word"
        return self.closed({name: properties[name] for name in chosen})

    def additional(self):
        way = self.draw.randrange(3) if self.bounded else 3
        if way == 0:
            return {**self.closed(self.fields(3)), "additionalProperties": False}
        if way == 1:
            # Names are bounded by a pattern, and their number by maxProperties.
            names = {"^[a-z]{1,8}$": self.draw.choice([self.integer(), self.boolean(), self.string(12)])}
            most = self.draw.randint(2, 4)
            return {"type": "object", "patternProperties": names, "additionalProperties": False, "maxProperties": most}
        if way == 2:
            inner = {"type": "object", "additionalProperties": False, "patternProperties": {"^x_[a-z]{1,5}$": self.integer()},
                     "properties": {"id": self.integer()}, "required": ["id"], "maxProperties": 3}
            return self.closed({"labels": inner, self.names(1)[0]: self.scalar()})
        extra = self.draw.choice([True, {"type": "integer"}, {"type": "string"}])
        return {"type": "object", "properties": self.fields(2), "additionalProperties": extra}

    def optional(self):
        properties = self.fields(5)
        if not self.bounded:
            properties["story"] = self.string()
        required = self.draw.sample(sorted(properties), self.draw.randint(0, 2))
        return self.closed(properties, required)


KINDS = {
    "nested": Maker.nested,
    "arrays": Maker.arrays,
    "enums": Maker.enums,
    "refs": Maker.refs,
    "anyOf": Maker.any_of,
    "formats": Maker.formats,
    "patterns": Maker.patterns,
    "minMax": Maker.min_max,
    "additionalProperties": Maker.additional,
    "optional": Maker.optional,
}


def rows():
    for kind, make in KINDS.items():
        for number in range(BOUNDED + UNBOUNDED):
            bounded = number < BOUNDED
            name = f"{kind}-{number:02}"
            # A seed for each, so that one kind can change without the others.
            maker = Maker(random.Random(f"schemas {name}"), bounded)
            schema = make(maker)
            prompt = f"Write a JSON text about a {maker.topic}. Answer with nothing else."
            yield {"id": name, "kind": kind, "bounded": bounded, "prompt": prompt, "schema": schema}


if __name__ == "__main__":
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())
    Path(__file__).with_name("schemas.jsonl").write_text(text)
