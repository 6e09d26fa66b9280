"""Samples as SEG-Y files hold them: their formats, and from bytes to float32."""

from typing import NamedTuple

import numpy as np
import segyio._segyio  # tools.native needs it, and segyio loads it only when it opens a file
import segyio.tools

from glowseis.errors import InputError


class SampleFormat(NamedTuple):
    """A sample format: SEG-Y's code, the name in options, NumPy's type without byte order, the name in messages."""

    code: int
    name: str
    kind: str
    text: str

    @property
    def size_bytes(self) -> int:
        """Bytes of a sample."""
        return int(self.kind[1])


FORMATS = tuple(
    SampleFormat(*each)
    for each in (
        (1, "ibm", "u4", "IBM floats"),
        (2, "int32", "i4", "32-bit integers"),
        (3, "int16", "i2", "16-bit integers"),
        (5, "ieee", "f4", "IEEE floats"),
        (6, "float64", "f8", "64-bit IEEE floats"),
        (8, "int8", "i1", "8-bit integers"),
        (9, "int64", "i8", "64-bit integers"),
        (10, "uint32", "u4", "unsigned 32-bit integers"),
        (11, "uint16", "u2", "unsigned 16-bit integers"),
        (12, "uint64", "u8", "unsigned 64-bit integers"),
        (16, "uint8", "u1", "unsigned 8-bit integers"),
    )
)
"""The formats that can be read. Not read: fixed point with gain (4, obsolete) and three-byte integers (7, 15)."""

BY_CODE = {each.code: each for each in FORMATS}
IBM, IEEE = BY_CODE[1], BY_CODE[5]


def sample_format(name: str) -> SampleFormat:
    """Find a sample format.

    Args:
        name: Its name, such as `ibm` or `ieee`, or SEG-Y's code.

    Returns:
        The format.

    Raises:
        InputError: There is no such format.
    """
    wanted = name.strip().lower()
    for each in FORMATS:
        if wanted in (each.name, str(each.code)):
            return each
    raise InputError(f"sample format {name!r} is unknown; choose one of {', '.join(each.name for each in FORMATS)}")


def decode(block: np.ndarray, form: SampleFormat, order: str, out: np.ndarray) -> None:
    """Convert samples to float32. Those too large for it become infinite; rendering reports the trace.

    Args:
        block: Bytes of traces without their headers, uint8 `[trace, samples x size]`; rows may lie apart.
        form: Their format.
        order: `>` or `<`.
        out: The array to fill, float32 `[trace, sample]`, contiguous.
    """
    if form is IBM:
        # segyio needs big-endian words and works in place.
        out.view("u4")[:] = block.view("u4") if order == ">" else block.view("u4").byteswap()
        segyio.tools.native(out.reshape(-1), IBM.code, copy=False)
    else:
        with np.errstate(over="ignore"):
            out[:] = block.view(order + form.kind)
