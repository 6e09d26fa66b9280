"""The binary header of a SEG-Y file.

Byte positions count from 1, as in the standard (see `glowseis.survey.formats.segy`).
"""

import math
import struct

from segyio import BinField

from glowseis.survey.formats.segy_writer import BINARY_BYTES, TEXT_BYTES

HEAD_BYTES = TEXT_BYTES + BINARY_BYTES
"""The text header and the binary header, which begin a file."""


class BinaryHeader:
    """Words of the binary header in one byte order."""

    def __init__(self, head: bytes, order: str):
        self.head, self.order = head, order
        major, minor = head[BinField.SEGYRevision - 1 : BinField.SEGYRevision + 1]
        # Little-endian writers of revision 1 swap its two bytes.
        if order == "<" and not major:
            major, minor = minor, 0
        self.revision = major if major in (1, 2) else 0
        self.minor = minor

    def word(self, byte: int, kind: str) -> int:
        """An integer that begins at a byte, as `struct` calls its type."""
        return int(struct.unpack_from(self.order + kind, self.head, int(byte) - 1)[0])

    @property
    def samples(self) -> int:
        """Samples of a trace."""
        extended = self.word(BinField.ExtSamples, "I") if self.revision == 2 else 0
        return extended or self.word(BinField.Samples, "H")

    @property
    def interval_us(self) -> float:
        """Time between two samples, 0 if it is not given."""
        if self.revision == 2:
            extended = float(struct.unpack_from(f"{self.order}d", self.head, 3272)[0])
            if math.isfinite(extended) and 1e-3 <= extended <= 1e9:
                return extended
        return float(self.word(BinField.Interval, "H"))

    @property
    def further_headers(self) -> int:
        """240-byte headers of a trace after the first."""
        if self.revision < 2:
            return 0
        # Revision 2.1 uses half of the word for the type of survey.
        return self.word(3507, "H") if self.minor else self.word(3507, "I")
