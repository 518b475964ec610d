"""GGUF files taken apart and put together again with one key or one tensor's entry replaced by an awkward value."""

import math
import struct


class Gguf:
    """A GGUF file (little-endian, version 3) as a list of keys with type and bytes, of tensors, and of the data behind them."""

    SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def __init__(self, raw):
        self.raw, self.at = raw, 24
        tensors, keys = struct.unpack_from("<QQ", raw, 8)
        self.keys = [(self.text(), kind := self.number("<I"), self.skip(kind)) for _ in range(keys)]
        self.tensors = []
        for _ in range(tensors):
            name, dims = self.text(), self.number("<I")
            shape = [self.number("<Q") for _ in range(dims)]
            self.tensors.append((name, shape, self.number("<I"), self.number("<Q")))
        self.data = raw[-(-self.at // 32) * 32:]

    def number(self, form):
        value = struct.unpack_from(form, self.raw, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def text(self):
        length = self.number("<Q")
        self.at += length
        return self.raw[self.at - length:self.at]

    def skip(self, kind):
        began = self.at
        if kind == 8:
            self.text()
        elif kind == 9:
            inner, count = self.number("<I"), self.number("<Q")
            for _ in range(count):
                self.skip(inner)
        else:
            self.at += self.SIZES[kind]
        return self.raw[began:self.at]

    @staticmethod
    def write(keys, tensors, data):
        parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(keys))]
        for name, kind, value in keys:
            parts += [struct.pack("<Q", len(name)), name, struct.pack("<I", kind), value]
        for name, shape, kind, offset in tensors:
            parts += [struct.pack("<Q", len(name)), name, struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)]
        head = b"".join(parts)
        return head + bytes(-len(head) % 32) + data


def gguf_text(text):
    return struct.pack("<Q", len(text)) + text


def gguf_array(inner, count, values):
    return struct.pack("<IQ", inner, count) + values


GGUF_AWKWARD = [
    *((4, struct.pack("<I", n)) for n in (0, 1, 7, 10**9, 2**31, 2**32 - 1)), (5, struct.pack("<i", -1)),
    (10, struct.pack("<Q", 2**63)), (10, struct.pack("<Q", 2**64 - 1)),
    *((6, struct.pack("<f", x)) for x in (0.0, -1.0, 1e-38, 3e38, math.nan, math.inf)), (7, b"\1"), (7, b"\2"),
    (8, gguf_text(b"")), (8, gguf_text(b"x" * 10_000)), (8, gguf_text(b"\xff\0")), (8, struct.pack("<Q", 2**62)),
    (9, gguf_array(8, 0, b"")), (9, gguf_array(4, 3, struct.pack("<3I", 1, 0, 2**32 - 1))),
    (9, gguf_array(6, 2, struct.pack("<2f", math.nan, 1e30))), (9, gguf_array(9, 1, gguf_array(9, 1, gguf_array(4, 0, b"")))),
    (9, gguf_array(0, 2**61, b"")), (9, gguf_array(8, 2, gguf_text(b"a") * 2)), (13, b""), (2**31, b""),
]
GGUF_NUMBERS = [0, 1, 3, 2**31, 2**32 - 1, 2**61, 2**64 - 1]


def gguf_mutants(raw):
    """Name and bytes of each mutant: a key's value replaced, doubled or left out, a tensor's shape, type, place or name."""
    file = Gguf(raw)
    for at, (name, kind, value) in enumerate(file.keys):
        before, after = file.keys[:at], file.keys[at + 1:]
        if kind == 9:
            # Of an array, the elements themselves: cut, and told to be fewer or more than they are.
            inner, count = struct.unpack_from("<IQ", value)
            for claimed in (0, count - 1, count + 1, 10**9, 2**61):
                yield f"{name} of {claimed}", Gguf.write([*before, (name, 9, gguf_array(inner, claimed, value[12:])), *after], file.tensors, file.data)
        for kind, new in GGUF_AWKWARD:
            yield f"{name} = {kind}: {new[:16]}", Gguf.write([*before, (name, kind, new), *after], file.tensors, file.data)
        yield f"{name} left out", Gguf.write([*before, *after], file.tensors, file.data)
        yield f"{name} twice", Gguf.write([*file.keys, file.keys[at]], file.tensors, file.data)
    for at, (name, shape, kind, offset) in enumerate(file.tensors):
        def put(new, at=at):
            return Gguf.write(file.keys, [*file.tensors[:at], *new, *file.tensors[at + 1:]], file.data)
        for number in GGUF_NUMBERS:
            yield f"{name}: first size {number}", put([(name, [number, *shape[1:]], kind, offset)])
            yield f"{name}: last size {number}", put([(name, [*shape[:-1], number], kind, offset)])
            yield f"{name}: offset {number}", put([(name, shape, kind, number)])
            yield f"{name}: type {number}", put([(name, shape, number % 2**32, offset)])
        for new in ([], shape[::-1] + [1], shape * 3, shape * 40):
            yield f"{name}: shape {new}"[:80], put([(name, new, kind, offset)])
        yield f"{name} left out", put([])
        yield f"{name} twice", put([(name, shape, kind, offset)] * 2)
        yield f"{name} renamed", put([(b"x" * 10_000, shape, kind, offset)])
