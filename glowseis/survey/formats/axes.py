"""Gathers in arrays that others wrote: which axis is which, and geometry where there is none."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.formats.plausible import check_gathers, check_sides
from glowseis.survey.formats.source import ReadOptions, file_stem
from glowseis.survey.gather import Geometry, Recording, source_text
from glowseis.survey.wording import number_of

AXES = {3: ("gather", "trace", "time"), 2: ("trace", "time")}
"""The axes' names, by the number of axes."""


SAMPLED = 4096
"""Numbers that decide whether 32 bits are enough."""

STEPS = 1000
"""Fewest float32 steps that the middle four fifths of the amplitudes must span."""

FLOAT_MAX = np.finfo(np.float32).max


@dataclass(frozen=True)
class Axes:
    """How gathers lie in an array.

    Attributes:
        names: The name of each axis.
        shape: The array's shape.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def gathers(self) -> int:
        """Number of gathers."""
        return self.shape[self.names.index("gather")] if "gather" in self.names else 1

    @property
    def samples_and_traces(self) -> tuple[int, int]:
        """Samples and traces of a gather."""
        return self.shape[self.names.index("time")], self.shape[self.names.index("trace")]

    def read(self, array: Any, number: int) -> np.ndarray:
        """Read one gather.

        Args:
            array: The array.
            number: Which gather, from 0.

        Returns:
            Amplitudes `[time, trace]`, float32; float64 if a large constant would hide them in 32 bits. Numbers too
            large for 32 bits become infinite.
        """
        place = tuple(number if name == "gather" else slice(None) for name in self.names)
        amplitude = narrowed(np.asarray(array[place]))
        inner = [name for name in self.names if name != "gather"]
        return np.ascontiguousarray(amplitude if inner == ["time", "trace"] else amplitude.T)


def narrowed(values: np.ndarray) -> np.ndarray:
    """Convert numbers to 32 bits, unless these are too few: large constants hide amplitudes that 64 bits still show.

    Args:
        values: Real numbers of any kind.

    Returns:
        The numbers as float32, or as float64.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = values.astype(np.float32)
        if values.dtype.itemsize <= 2 or values.dtype == np.float32:
            return narrow
        sample = values.ravel()[:: max(1, values.size // SAMPLED)].astype(np.float64)
        sample = sample[np.isfinite(sample)]
        if not len(sample):
            return narrow
        low, middle, high = np.quantile(sample, [0.1, 0.5, 0.9])
        is_lost = np.spacing(np.float32(abs(middle))) > (high - low) / STEPS
        return values.astype(np.float64) if is_lost and abs(middle) < FLOAT_MAX else narrow


def array_axes(path: Path, shape: Sequence[int], names: str | None, what: str) -> Axes:
    """Match the axes that a user names with an array's shape.

    Args:
        path: The file.
        shape: The array's shape.
        names: Names of the axes, such as `gather,trace,time`.
        what: The array's name in messages.

    Returns:
        The axes.

    Raises:
        InputError: They are missing, unknown or not as many as the array's, or no gathers have such sides.
    """
    sides = "x".join(map(str, shape))
    if len(shape) not in AXES:
        raise InputError(f"{source_text(path)}: {what} has {len(shape)} axes ({sides}); gathers have 2 or 3")
    wanted = AXES[len(shape)]
    if not names:
        raise InputError(f"{source_text(path)}: {what} has the shape {sides}; name its axes: {_choices(shape)}")
    given = tuple(name.strip().lower() for name in names.split(","))
    if sorted(given) != sorted(wanted):
        raise InputError(
            f"--axes {names}: {what} of {source_text(path)} has the shape {sides}; name its axes in their order: "
            f"{_choices(shape)}"
        )
    axes = Axes(given, tuple(map(int, shape)))
    if not axes.gathers:
        raise InputError(f"{source_text(path)}: {what} has no gathers (its shape is {sides}); leave it out")
    check_gathers(path, axes.gathers)
    check_sides(path, *axes.samples_and_traces)
    return axes


def _choices(shape: Sequence[int]) -> str:
    """The likely orders of the axes, each with what the sides would be, in words."""
    *gathers, first, last = shape
    if not gathers:
        return (
            f"--axes trace,time if these are {first} traces of {last} samples, --axes time,trace if they are {last} "
            f"traces of {first} samples"
        )
    (count,) = gathers
    what = number_of(count, "gather")
    return (
        f"--axes gather,trace,time if these are {what} of {first} traces with {last} samples, --axes gather,time,trace "
        f"if they are {what} of {last} traces with {first} samples, or another order of these names"
    )


def array_recordings(
    path: Path, axes: Axes, interval_s: float, options: ReadOptions, read: Callable[[int], np.ndarray]
) -> Iterator[Recording]:
    """Read the gathers of an array one after another, with unknown geometry.

    Args:
        path: The file.
        axes: How gathers lie in it.
        interval_s: Time between two samples, in seconds.
        options: Options whose label every gather gets.
        read: Reads a gather by its number, from 0.

    Yields:
        Recordings named `STEM-gatherNUMBER` from 1. The shot is that number, the cable is 1, line 0, channels count
        from 1; offsets and coordinates are NaN.
    """
    _, traces = axes.samples_and_traces
    for number in range(axes.gathers):
        geometry = unknown_geometry(number + 1, traces, interval_s)
        name = f"{file_stem(path)}-gather{number + 1}"
        yield Recording(name, read(number), options.label, geometry, source_text(path))


def unknown_geometry(shot: int, traces: int, interval_s: float) -> Geometry:
    """Geometry of a gather whose source has none.

    Args:
        shot: Its running number.
        traces: Number of its traces.
        interval_s: Time between two samples, in seconds; NaN if that is unknown too.
    """
    nowhere = np.full(traces, np.nan)
    return Geometry(
        sail_line=0,
        shot=shot,
        cable=1,
        sample_interval_s=interval_s,
        channel=np.arange(1, traces + 1, dtype=np.int32),
        offset_m=nowhere.astype(np.float32),
        source_x_m=np.nan,
        source_y_m=np.nan,
        receiver_x_m=nowhere,
        receiver_y_m=nowhere.copy(),
    )


def amplitude_kind(dtype: np.dtype) -> bool:
    """Whether numbers of a type can be amplitudes: integers and floats of any size.

    Args:
        dtype: The type.
    """
    return dtype.kind in "iuf"
