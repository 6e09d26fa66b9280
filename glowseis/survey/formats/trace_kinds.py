"""Kinds of traces by their identification code: a channel, an auxiliary trace, or one that is declared dead.

The codes are bytes 29-30 of the trace header (SEG Technical Standards Committee, "SEG-Y_r2.0", 2017, table 3; Seismic
Unix has the first of them too). Codes that the standard leaves to writers count as channels, because revision 0 had no
other codes for them. A code with swapped bytes, such as 256 for 1, is read as it was meant.
"""

import numpy as np
from segyio import TraceField

from glowseis.survey.formats.segy_headers import values

CHANNEL, AUXILIARY, DEAD, FOREIGN = range(4)
"""A channel; an auxiliary trace; a dead or dummy trace; a code that the standard does not define."""

AUXILIARY_CODES = (*range(4, 11), *range(18, 25), *range(26, 35))
"""Time break, uphole, sweep, timing, water break, near and far gun signatures; vibrators and pairs of times, depths
and velocities; gravity, electric and magnetic fields. 11 to 17 are components of multicomponent channels."""

DEAD_CODES = (2, 3)
"""Dead and dummy."""

KNOWN_CODES = range(-1, 38)

_KINDS = np.full(1 << 16, FOREIGN, np.uint8)
_KINDS[np.array(KNOWN_CODES)] = CHANNEL
_KINDS[list(AUXILIARY_CODES)] = AUXILIARY
_KINDS[list(DEAD_CODES)] = DEAD
_KINDS[256 * np.arange(1, KNOWN_CODES.stop)] = _KINDS[np.arange(1, KNOWN_CODES.stop)]


def trace_codes(headers: np.ndarray, order: str) -> np.ndarray:
    """Read identification codes.

    Args:
        headers: Bytes of trace headers, uint8 `[trace, 240]`.
        order: `>` or `<`.

    Returns:
        TraceIdentificationCode, int64 `[trace]`.
    """
    return values(headers, TraceField.TraceIdentificationCode, order)


def trace_kinds(codes: np.ndarray) -> np.ndarray:
    """The kinds of traces.

    Args:
        codes: Their identification codes, int64 `[trace]`.

    Returns:
        `CHANNEL`, `AUXILIARY`, `DEAD` or `FOREIGN`, uint8 `[trace]`.
    """
    return _KINDS[codes]
