"""Sizes of images as users write them: samples by traces, such as `896x640`."""

import re
from collections.abc import Iterable

from glowseis.errors import InputError

LARGEST = 32_768
"""Longest side of an image, in samples or traces; more is a typing error, not a gather."""


def parse_size(text: str) -> tuple[int, int]:
    """Read a size such as `896x640`.

    Args:
        text: Height in samples, an `x`, width in traces.

    Returns:
        Height in samples and width in traces.

    Raises:
        InputError: The text is not such a size, or a side is not between 1 and 32768.
    """
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*[xX×]\s*([0-9]{1,9})\s*", text)
    if not match:
        raise InputError(f"size {text!r} is not samples x traces; write it like 896x640")
    height, width = int(match[1]), int(match[2])
    if not (1 <= height <= LARGEST and 1 <= width <= LARGEST):
        raise InputError(f"size {text!r}: each side must be between 1 and {LARGEST}; write it like 896x640")
    return height, width


def size_text(size: object) -> str:
    """A size as users write it.

    Args:
        size: Such text, or height and width; what is neither, `parse_size` refuses.
    """
    return "x".join(map(str, size)) if isinstance(size, Iterable) and not isinstance(size, str) else str(size)


def enclosing_size(shapes: Iterable[tuple[int, int]], multiple: int = 64) -> tuple[int, int]:
    """Smallest size that holds every shape and whose sides are multiples.

    Args:
        shapes: Samples and traces of each gather; at least one.
        multiple: Divisor of both sides; 64 = 2^6 suits a flow of six levels.

    Returns:
        Height in samples and width in traces.

    Raises:
        InputError: There is no shape, or a side is longer than 32768.
    """
    sides = list(zip(*shapes, strict=True))
    if not sides:
        raise InputError("there are no gathers to write; check the sources")
    samples, traces = map(max, sides)
    if max(samples, traces) > LARGEST:
        raise InputError(
            f"gathers of {samples} samples and {traces} traces are larger than {LARGEST}; pass --size and --fit crop"
        )
    return -(-samples // multiple) * multiple, -(-traces // multiple) * multiple
