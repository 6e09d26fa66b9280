"""Bytes that a compiled XLA program moves through a device's memory, read off its text.

XLA's own cost analysis counts a loop's body once and a library's products not at all. Here every operation that is run
on its own (a fusion, a product, a copy) reads its operands and writes its result once, and loops count as often as they
run. An array stacked over a loop's iterations counts for one slice in each. What a cache answers is counted too.
"""

import math
import re

_BYTES = {"pred": 1, "s8": 0, "u8": 1, "bf16": 2, "f16": 2, "s16": 2, "u16": 2, "f64": 8, "s64": 8, "u64": 8, "c64": 8}
"""Of an element; four for others. Only the work spaces of libraries' products are of signed bytes: not counted."""

_NOTHING_MOVES = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id", "replica-id", "iota",
    "copy-done", "all-reduce-done", "async-done", "async-update", "fusion-done",
}  # fmt: skip

_INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?([\w.\-]+) = (.*?) ([a-z][\w\-]*)\((.*)$")

_ARRAY = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")


def moved_bytes(text: str) -> float:
    """Bytes that one run of a program moves, from the text of its optimised modules (`compiled.as_text()`)."""
    computations: dict[str, list[tuple[str, str, str, str]]] = {}
    entry = current = ""
    for line in text.splitlines():
        head = re.match(r"^(ENTRY )?%?([\w.\-]+) .*\{\s*$", line)
        if head and not line.startswith(" "):
            current = head[2]
            entry = current if head[1] else entry
            computations[current] = []
        elif current and (found := _INSTRUCTION.match(line)):
            computations[current].append((found[1], found[2], found[3], found[4]))
    return _moved_by(computations, entry, 1)


def _moved_by(computations: dict[str, list[tuple[str, str, str, str]]], name: str, trips: int) -> float:
    """Bytes that one run of a computation moves: the program's, or the body of a loop that runs `trips` times."""
    shapes = {result: shape for result, shape, _, _ in computations[name]}
    total = 0.0
    for _, shape, operation, rest in computations[name]:
        if operation in _NOTHING_MOVES:
            continue
        if operation == "while":
            trip_count = re.search(r'"known_trip_count":\{"n":"(\d+)"\}', rest)
            body = re.search(r"body=%?([\w.\-]+)", rest)
            if trip_count is None or body is None:
                raise ValueError("a loop of this program runs an unknown number of times")
            total += int(trip_count[1]) * _moved_by(computations, body[1], int(trip_count[1]))
            continue
        called = re.search(r"to_apply=%?([\w.\-]+)", rest)
        if operation == "call" and called:
            total += _moved_by(computations, called[1], trips)
            continue
        operands = rest.split(")")[0]
        read = sum(_size(shapes[one], trips) for one in re.findall(r"%([\w.\-]+)", operands) if one in shapes)
        total += _size(shape, trips) + read
    return total


def _size(shape: str, trips: int) -> float:
    """Bytes of an array's shape, or of a tuple's; of one slice if it is stacked over `trips` iterations."""
    total = 0.0
    for kind, sides in _ARRAY.findall(shape.split("{", maxsplit=1)[0] if not shape.startswith("(") else shape):
        lengths = [int(side) for side in sides.split(",") if side]
        stacked = len(lengths) > 1 and trips > 1 and lengths[0] == trips
        total += math.prod(lengths[1:] if stacked else lengths) * _BYTES.get(kind, 4)
    return total
