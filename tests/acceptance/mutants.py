"""Damaged GGUFs: each is made from a good one by a few seeded changes at places that a reader has to look at.

`Layout` finds these places. It reads good files only and checks nothing.
"""

import random
import struct

# Bytes of each type of value (the GGUF specification); 8 is a string, 9 an array.
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY, FLOATS = 8, 9, (6, 12)
MAGIC_BYTES, COUNTS_AT, DEFAULT_ALIGNMENT = 4, 8, 32
NUMBERS = [
    0, 1, 2, 3, 5, 7, 31, 32, 33, 63, 64, 65, 127, 255, 256, 257, 511, 513, 1023, 4097, 65535, 65536, 1 << 20, (1 << 24) + 1,
    (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 32, 1 << 40, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 32,
    (1 << 64) - 1,
]
BITS_OF_FLOATS = [0, 0x80000000, 0x3F800000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x00000001, 0x7F7FFFFF, 0xBF800000]
# Some for each other.
TEXTS = [b"", b"\0", b"\xff\xfe", b"../../etc/passwd", b"%s%n%x", b"{{", b"{% for %}", b"llama", b"bert", b"clip", b"mamba", b"gpt2"]


class Layout:
    """Where things lie in a GGUF. Each place is the offset and the length of a number in the file."""

    def __init__(self, data):
        self.data, self.at = data, COUNTS_AT
        self.counts, self.lengths, self.kinds, self.values, self.texts = [], [], [], [], []
        self.dimensions, self.ranks, self.types, self.offsets, self.names = [], [], [], [], []
        tensors, keys = self.number(8, self.counts), self.number(8, self.counts)
        alignment = DEFAULT_ALIGNMENT
        for _ in range(keys):
            key = self.text(self.names)
            kind = self.number(4, self.kinds)
            begins = self.at
            self.value(kind)
            if key == b"general.alignment":
                alignment = int.from_bytes(data[begins:self.at], "little")
        for _ in range(tensors):
            self.text(self.names)
            for _ in range(self.number(4, self.ranks)):
                self.number(8, self.dimensions)
            self.number(4, self.types)
            self.number(8, self.offsets)
        self.header_ends = self.at
        self.weights_begin = -(-self.at // alignment) * alignment

    def number(self, size, places):
        places.append((self.at, size))
        self.at += size
        return int.from_bytes(self.data[self.at - size:self.at], "little")

    def text(self, places):
        length = self.number(8, self.lengths)
        places.append((self.at, length))
        self.at += length
        return self.data[self.at - length:self.at]

    def value(self, kind):
        if kind == STRING:
            self.text(self.texts)
        elif kind == ARRAY:
            inner = self.number(4, self.kinds)
            for _ in range(self.number(8, self.lengths)):
                self.value(inner)
        else:
            self.values.append((self.at, SIZES[kind], kind))
            self.at += SIZES[kind]


class Mutants:
    """Damaged files by number: the same number gives the same file."""

    def __init__(self, good):
        self.good, self.layout = good, Layout(good)
        # Arrays have thousands of elements: what stands alone should be met as often.
        self.settings = [place for place in self.layout.values if self.stands_alone(place)]
        self.ways = [
            self.counts, self.length, self.kind, self.setting, self.setting, self.setting, self.element, self.dimension,
            self.dimension, self.type, self.offset, self.rank, self.text, self.name, self.twin, self.truncated, self.flips,
            self.header_flips, self.weights, self.weights, self.magic,
        ]

    def stands_alone(self, place):
        """Whether a value is a key's own: the type of one stands right before it."""
        return int.from_bytes(self.good[place[0] - 4:place[0]], "little") == place[2]

    def make(self, number):
        """The file, and what was done to it."""
        self.draw = random.Random(1000 + number)
        self.file = bytearray(self.good)
        done = [self.ways[number % len(self.ways)]]
        if self.draw.random() < 0.25:
            done.append(self.draw.choice(self.ways))
        said = [f"{way.__name__}{way()}" for way in done]
        # Same bytes would be the good file.
        if self.file == self.good:
            self.file += b"\0"
        return bytes(self.file), " and ".join(said)

    def put(self, place, value):
        at, size = place[:2]
        self.file[at:at + size] = (value % (1 << 8 * size)).to_bytes(size, "little")
        return f" at {at}: {value % (1 << 8 * size)}"

    def near(self, place):
        """A number for this place: a famous one, or one beside what is there."""
        at, size = place[:2]
        if self.draw.random() < 0.3:
            return int.from_bytes(self.good[at:at + size], "little") + self.draw.choice((-32, -2, -1, 1, 2, 32))
        return self.draw.choice(NUMBERS)

    def any_of(self, places):
        place = self.draw.choice(places)
        return self.put(place, self.near(place))

    def counts(self):
        return self.any_of(self.layout.counts)

    def length(self):
        return self.any_of(self.layout.lengths)

    def kind(self):
        return self.put(self.draw.choice(self.layout.kinds), self.draw.randrange(16))

    def set(self, place):
        if place[2] in FLOATS and place[1] == 4:
            return self.put(place, self.draw.choice(BITS_OF_FLOATS))
        return self.put(place, self.near(place))

    def setting(self):
        return self.set(self.draw.choice(self.settings))

    def element(self):
        return self.set(self.draw.choice(self.layout.values))

    def dimension(self):
        return self.any_of(self.layout.dimensions)

    def type(self):
        return self.put(self.draw.choice(self.layout.types), self.draw.randrange(45))

    def offset(self):
        return self.any_of(self.layout.offsets)

    def rank(self):
        return self.put(self.draw.choice(self.layout.ranks), self.draw.choice((0, 1, 2, 3, 4, 5, 1 << 31)))

    def text(self):
        return self.overwrite(self.draw.choice(self.layout.texts))

    def name(self):
        return self.overwrite(self.draw.choice(self.layout.names))

    def overwrite(self, place):
        """Other bytes in the length that is there."""
        at, length = place
        text = self.draw.choice(TEXTS) if self.draw.random() < 0.5 else self.draw.randbytes(min(length, 64))
        text = text[:length]
        begins = at + self.draw.randrange(length - len(text) + 1)
        self.file[begins:begins + len(text)] = text
        return f" at {begins}: {text!r}"

    def twin(self):
        """Two names that are the same."""
        by_length = {}
        for at, length in self.layout.names:
            by_length.setdefault(length, []).append(at)
        length, places = self.draw.choice([(length, places) for length, places in by_length.items() if len(places) > 1])
        one, two = self.draw.sample(places, 2)
        self.file[two:two + length] = self.good[one:one + length]
        return f" at {two} as at {one}"

    def truncated(self):
        ends = self.draw.choice((self.layout.header_ends, self.layout.weights_begin, len(self.good)))
        length = self.draw.randrange(ends + 1)
        del self.file[length:]
        return f" after {length}"

    def flips(self):
        return self.flip(len(self.file))

    def header_flips(self):
        return self.flip(min(self.layout.header_ends, len(self.file)))

    def flip(self, below):
        if below == 0:
            return " nothing"
        places = [self.draw.randrange(below) for _ in range(self.draw.randrange(1, 9))]
        for at in places:
            self.file[at] ^= 1 << self.draw.randrange(8)
        return f" at {places}"

    def weights(self):
        """Weights that are no numbers, endless, or random."""
        begins = self.draw.randrange(self.layout.weights_begin, len(self.good))
        length = self.draw.choice((2, 64, 4096, 1 << 18))
        unit = self.draw.choice((b"\0\x7e", b"\0\x7c", b"\0\xfc", b"\xff\x7b", b"\xff\xff", self.draw.randbytes(2)))
        room = max(min(length, len(self.file) - begins) // 2, 0)
        self.file[begins:begins + 2 * room] = unit * room
        return f" at {begins}: {unit!r} {room} times"

    def magic(self):
        if self.draw.random() < 0.5:
            self.file[:MAGIC_BYTES] = self.draw.choice((b"GGML", b"FUGG", b"\0\0\0\0", b"GGUf"))
            return ""
        self.file[MAGIC_BYTES:COUNTS_AT] = struct.pack("<I", self.draw.choice((0, 1, 2, 4, 255, 1 << 24)))
        return " version"
