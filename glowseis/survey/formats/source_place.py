"""Where a shot was fired, by the trace headers of its gather, in degrees, metres or feet as the file has them."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from segyio import TraceField

from glowseis.survey.formats.segy_headers import FEET_M, are_angles, coordinate_scale, values

Unit = Literal["degrees", "feet", "metres"]

SECONDS_OF_ARC, DEGREES, DEGREES_MINUTES_SECONDS = 2, 3, 4
"""CoordinateUnits that are angles: seconds of arc, degrees, and degrees, minutes and seconds as DDDMMSS.ss."""


@dataclass(frozen=True)
class Place:
    """A source's position.

    Attributes:
        x: Longitude or easting.
        y: Latitude or northing.
        unit: `degrees`; `feet` if the file header says so, otherwise `metres`.
    """

    x: float
    y: float
    unit: Unit


def place_in_headers(headers: np.ndarray, order: str, unit_m: float = 1.0) -> Place | None:
    """A gather's source position by its trace headers.

    Args:
        headers: Their bytes, uint8 `[trace, 240]`.
        order: Byte order, `>` or `<`.
        unit_m: Unit of lengths by the file header, in metres.

    Returns:
        The position of the first trace that has one; None if none has, or it is no place on earth.
    """
    both = np.stack([values(headers, field, order) for field in (TraceField.SourceX, TraceField.SourceY)])
    placed = np.flatnonzero(both.any(axis=0))
    if not len(placed):
        return None
    first = headers[placed[:1]]
    x, y = (float(value) for value in both[:, placed[0]] * coordinate_scale(first, order))
    if not are_angles(first, order, np.array([[x], [y]])):
        return Place(x, y, "feet" if unit_m == FEET_M else "metres")
    unit = int(values(first, TraceField.CoordinateUnits, order)[0])
    x, y = _degrees(x, unit), _degrees(y, unit)
    return Place(x, y, "degrees") if abs(x) <= 360 and abs(y) <= 90 else None


def _degrees(value: float, unit: int) -> float:
    """An angle of a CoordinateUnits in degrees."""
    if unit == SECONDS_OF_ARC:
        return value / 3600
    if unit == DEGREES:
        return value
    size = abs(value)
    minutes_seconds = size % 10_000
    degrees = size // 10_000 + minutes_seconds // 100 / 60 + minutes_seconds % 100 / 3600
    return math.copysign(degrees, value)
