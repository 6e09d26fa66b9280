"""Words of SEG-Y's trace headers: where they are, and the geometry of a gather that they give.

Byte numbers are segyio's `TraceField`, which count from 1 as the standard does (SEG Technical Standards Committee,
"SEG-Y_r1.0", 2002; "SEG-Y_r2.0", 2017). Seismic Unix has the same words under different names.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from segyio import TraceField
from segyio.su import words as seismic_unix_words

from glowseis.errors import InputError

TRACE_HEADER_BYTES = 240

FEET_M = 0.3048

CABLE, SAIL_LINE = TraceField.UnassignedInt1, TraceField.UnassignedInt2
"""Where our own files keep what the standard has no word for; the text header says so."""

MARK = "GLOWSEIS: CABLE IN BYTES 233-236, SAIL LINE IN BYTES 237-240"

ANGLES = {2: 1_296_000, 3: 360, 4: 3_600_000}
"""CoordinateUnits that are not lengths, with their full circle: seconds of arc, degrees, degrees minutes seconds.
Some field files, such as the Viking Graben's, use them for metres too: values beyond the circle are lengths."""

FARTHEST_M = 30_000.0
"""Largest distance between source and receiver that stands in for an offset."""

TIME_SCALARS = (1, 10, 100, 1000, 10_000)
"""Allowed values of bytes 215-216, or of their negative."""


class Word(NamedTuple):
    """A word of the trace header: its name, its first byte, counted from 1, and its NumPy type without byte order."""

    name: str
    byte: int
    kind: str


def named_bytes(words: object) -> dict[str, int]:
    """Byte numbers by name, of a class or module that lists them; Python's own attributes are left out."""
    # Since Python 3.13 every class has its first line's number.
    return {
        name: int(value) for name, value in vars(words).items() if isinstance(value, int) and not name.startswith("_")
    }


FIELDS = named_bytes(TraceField)
"""Byte numbers by segyio's names."""

NAMED = {name: byte for name, byte in named_bytes(seismic_unix_words).items() if byte in FIELDS.values()} | FIELDS
"""Byte numbers by segyio's and by Seismic Unix names."""

_STARTS = sorted(set(NAMED.values()))
_SIZES = {here: after - here for here, after in itertools.pairwise([*_STARTS, TRACE_HEADER_BYTES + 1])}
_UNSIGNED = (TraceField.TRACE_SAMPLE_COUNT, TraceField.TRACE_SAMPLE_INTERVAL)


def header_word(name: str | int) -> Word:
    """Find a word of the trace header.

    Args:
        name: segyio's name, such as `FieldRecord`, the Seismic Unix name, such as `fldr`, or a byte number from 1 to
            237. If no word of the standard begins there, four bytes are read as a signed integer.

    Returns:
        The word.

    Raises:
        InputError: There is no such word.
    """
    text = str(name)
    byte = NAMED.get(text, int(text) if text.isascii() and text.isdecimal() and len(text) <= 3 else 0)
    if not 1 <= byte <= TRACE_HEADER_BYTES - 3:
        raise InputError(
            f"trace header {name!r} is unknown; give a name such as FieldRecord or a byte number such as 9"
        )
    return Word(text, byte, "u2" if byte in _UNSIGNED else f"i{_SIZES.get(byte, 4)}")


def values(headers: np.ndarray, name: str | int | Word, order: str) -> np.ndarray:
    """Read one word of several trace headers.

    Args:
        headers: Their bytes, uint8 `[trace, 240]`.
        name: The word, or its name or byte number.
        order: `>` for big-endian, `<` for little-endian.

    Returns:
        Its values, int64 `[trace]`.
    """
    word = name if isinstance(name, Word) else header_word(int(name) if isinstance(name, int) else name)
    start = word.byte - 1
    return headers[:, start : start + int(word.kind[1])].view(order + word.kind)[:, 0].astype(np.int64)


def places(headers: np.ndarray, order: str, unit_m: float, zero_is_unknown: bool) -> dict[str, Any]:
    """Offsets and coordinates of a gather's traces.

    Args:
        headers: Their bytes, uint8 `[trace, 240]`.
        order: `>` or `<`.
        unit_m: Unit of lengths, in metres.
        zero_is_unknown: Whether a CoordinateUnits of 0 means that there are no coordinates, as in our own files.

    Returns:
        `offset_m`, `source_x_m`, `source_y_m`, `receiver_x_m` and `receiver_y_m` as a Geometry has them. Coordinates
        that are angles are NaN, because nothing here can use them. So are coordinates, those of receivers alone, and
        offsets that are 0 on all of several traces: writers leave unknown values at 0. The source's are those of the
        first trace that has some. Offsets that are 0 on all of several traces of another writer are the distances
        between source and receiver where both are known, if these differ and none exceeds `FARTHEST_M`.
    """
    scale = coordinate_scale(headers, order)
    fields = (TraceField.SourceX, TraceField.SourceY, TraceField.GroupX, TraceField.GroupY)
    coordinates = np.stack([values(headers, field, order) * scale for field in fields])
    # The first traces may be auxiliary ones with blank headers.
    placed = int(np.argmax(coordinates[:2].any(axis=0)))
    first = headers[placed : placed + 1]
    unit = int(values(first, TraceField.CoordinateUnits, order)[0])
    if are_angles(first, order, coordinates) or (unit == 0 and zero_is_unknown):
        coordinates[:] = np.nan
    offset_m = (values(headers, TraceField.offset, order) * unit_m).astype(np.float32)
    if len(headers) > 1:
        for told in (coordinates, coordinates[2:], offset_m):
            if not told.any():
                told[:] = np.nan
        if np.isnan(offset_m).all() and not zero_is_unknown:
            known = coordinates[:2].any(axis=0) & coordinates[2:].any(axis=0)
            distance_m = np.hypot(*(coordinates[2:] - coordinates[:2])) * unit_m
            if known.any() and np.ptp(distance_m[known]) > 0 and distance_m[known].max() <= FARTHEST_M:
                offset_m = np.where(known, distance_m, np.nan).astype(np.float32)
    source_x_m, source_y_m, receiver_x_m, receiver_y_m = coordinates * unit_m
    return {
        "offset_m": offset_m,
        "source_x_m": float(source_x_m[placed]),
        "source_y_m": float(source_y_m[placed]),
        "receiver_x_m": receiver_x_m,
        "receiver_y_m": receiver_y_m,
    }


def coordinate_scale(headers: np.ndarray, order: str) -> np.ndarray:
    """The factors by which SourceGroupScalar multiplies coordinates.

    Args:
        headers: Bytes of trace headers, uint8 `[trace, 240]`.
        order: `>` or `<`.

    Returns:
        A factor for each trace, float64 `[trace]`: a negative scalar divides, a positive one multiplies, 0 means 1.
    """
    scalar = values(headers, TraceField.SourceGroupScalar, order).astype(np.float64)
    return np.where(scalar < 0, 1 / np.where(scalar < 0, -scalar, 1), np.where(scalar > 0, scalar, 1))


def are_angles(headers: np.ndarray, order: str, coordinates: Sequence[np.ndarray] | np.ndarray) -> bool:
    """Whether coordinates are angles, by the first trace's CoordinateUnits.

    Args:
        headers: Bytes of trace headers, uint8 `[trace, 240]`.
        order: `>` or `<`.
        coordinates: Coordinates of these traces, scaled, `[axis, trace]`; one beyond the full circle is a length.
    """
    unit = int(values(headers[:1], TraceField.CoordinateUnits, order)[0])
    return unit in ANGLES and bool(max(np.abs(each).max() for each in coordinates) <= ANGLES[unit])


def delays_ms(headers: np.ndarray, order: str, scaled: bool) -> np.ndarray:
    """Times of first samples, in milliseconds.

    Args:
        headers: Bytes of trace headers, uint8 `[trace, 240]`.
        order: `>` or `<`.
        scaled: Whether bytes 215-216 scale times, as in revision 1 and later.

    Returns:
        DelayRecordingTime, float64 `[trace]`.
    """
    delay_ms = values(headers, TraceField.DelayRecordingTime, order).astype(np.float64)
    if not scaled:
        return delay_ms
    scalar = values(headers, TraceField.ScalarTraceHeader, order)
    known = np.isin(np.abs(scalar), TIME_SCALARS)
    return np.where(known & (scalar < 0), delay_ms / np.maximum(-scalar, 1), delay_ms * np.where(known, scalar, 1))


def field_name(field: int) -> str:
    """The name of a trace header word in segyio and in the standard.

    Args:
        field: Its byte number.

    Returns:
        Its name.
    """
    ours = {CABLE: "cable", SAIL_LINE: "sail line"}
    return ours.get(field) or next(word for word, value in FIELDS.items() if value == field)
