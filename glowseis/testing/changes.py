"""Changes of a recording that say nothing about its noise, and one that adds noise.

Each takes a recording, a random generator and an empty folder of its own, and returns what a reader would return for
the changed gather; None if the change cannot be made, for example because the sample interval is unknown.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glowseis.survey.amplitudes.measured import CLIPPED_FRACTION, constant_traces, measure
from glowseis.survey.gather import Geometry, Picture, Recording
from glowseis.survey.render import ZERO_LEVEL, trace_states

Make = Callable[[Recording, np.random.Generator, Path], Recording | Picture | None]


@dataclass(frozen=True)
class Change:
    """A change of gathers, and what it must do to their grades.

    Attributes:
        make: The function that makes it.
        worsens: Whether grades must become worse; otherwise they must stay the same.
    """

    make: Make
    worsens: bool = False


def clip_of(amplitude: np.ndarray, share: float = CLIPPED_FRACTION) -> float:
    """The distance from zero that a share of the finite samples exceeds; the largest if that is 0, and 1 if all are 0.

    Args:
        amplitude: Amplitudes, `[time, trace]`, about any zero.
        share: Share of the samples.
    """
    size = np.abs(amplitude[np.isfinite(amplitude)].astype(np.float64) - zero_of(amplitude))
    return (float(np.quantile(size, 1 - share)) or float(size.max())) if size.any() else 1.0


def zero_of(amplitude: np.ndarray) -> float:
    """The zero level of a gather: the median of its finite samples, 0 if there are none.

    Args:
        amplitude: Amplitudes, `[time, trace]`; the zero of grey levels is far from 0.
    """
    finite = amplitude[np.isfinite(amplitude)]
    return float(np.median(finite)) if finite.size else 0.0


def about_zero(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """The amplitudes of a recording about its zero, as rendering measures it.

    Args:
        recording: The recording.

    Returns:
        Amplitudes, float32 `[time, trace]`, with zeros in place of broken and dead traces and of anything else that is
        not signal; and the traces that the clip is measured on, bool `[trace]`: live and not wild, or all if none is.
    """
    broken, silent = trace_states(recording.amplitude)
    dead = silent | constant_traces(recording.amplitude)
    measured = measure(recording.amplitude, broken, dead, one_zero=recording.one_zero, middle=recording.middle)
    counted = ~dead if measured.is_loud is None else ~(dead | measured.is_loud)
    return measured.amplitude, counted if counted.any() else ~counted


def in_single_precision(recording: Recording) -> Recording:
    """A recording in float32, for files that cannot hold float64: float64 ones are shifted to zero, others unchanged.

    Args:
        recording: The recording; its broken traces stay broken.
    """
    if recording.amplitude.dtype != np.float64:
        return recording
    amplitude = np.where(trace_states(recording.amplitude)[0], np.float32(np.nan), about_zero(recording)[0])
    return dataclasses.replace(recording, amplitude=amplitude)


def constant(part: float) -> Make:
    """Add a part of the clip to every sample."""

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording:
        return with_amplitude(recording, recording.amplitude + part * clip_of(recording.amplitude))

    return make


def constant_by_trace(part: float) -> Make:
    """Add a constant to every trace, normally distributed about zero; its standard deviation is a part of the clip."""

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording:
        added = part * clip_of(recording.amplitude) * random.standard_normal(recording.amplitude.shape[1])
        # All traces of a picture share one zero; a recording with several is not one.
        return dataclasses.replace(with_amplitude(recording, recording.amplitude + added), one_zero=False)

    return make


def gain(factor: float) -> Make:
    """Multiply every sample, unless the products leave the range of the recording's precision."""

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording | None:
        with np.errstate(over="ignore", invalid="ignore"):
            made = with_amplitude(recording, recording.amplitude.astype(np.float64) * factor)
        lost = np.isfinite(made.amplitude) != np.isfinite(recording.amplitude)
        level = clip_of(recording.amplitude) * abs(factor) / ZERO_LEVEL
        return None if lost.any() or level < np.finfo(made.amplitude.dtype).tiny else made

    return make


def dead_traces(part: float) -> Make:
    """Set a part of the traces to zero, at least one."""

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording:
        traces = recording.amplitude.shape[1]
        amplitude = recording.amplitude.copy()
        amplitude[:, random.choice(traces, max(1, round(part * traces)), replace=False)] = 0
        return with_amplitude(recording, amplitude)

    return make


def trace_order(*, offsets: bool) -> Make:
    """Reverse the order of the traces; their offsets are reversed too, or unknown."""

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording:
        names = ("channel", "offset_m", "receiver_x_m", "receiver_y_m")
        by_trace = {name: getattr(recording.geometry, name) for name in names}
        if offsets:
            by_trace = {name: value[::-1].copy() for name, value in by_trace.items()}
        else:
            by_trace |= {name: np.full_like(by_trace[name], np.nan) for name in names[1:]}
        return with_amplitude(recording, recording.amplitude[:, ::-1], **by_trace)

    return make


def shift(seconds: float) -> Make:
    """Move events later, or earlier if negative; the gap is filled by mirroring.

    Broken traces stay broken, though what broke them may be shifted out.
    """

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording | None:
        interval_s = recording.geometry.sample_interval_s
        if not interval_s > 0:
            return None
        count = max(1, round(abs(seconds) / interval_s))
        if count >= len(recording.amplitude):
            return None
        if seconds > 0:
            moved = np.pad(recording.amplitude, ((count, 0), (0, 0)), mode="reflect")[:-count]
        else:
            moved = np.pad(recording.amplitude, ((0, count), (0, 0)), mode="reflect")[count:]
        moved = np.where(trace_states(recording.amplitude)[0], np.nan, moved)
        return with_amplitude(recording, moved)

    return make


def finer(factor: int) -> Make:
    """Sample a whole number of times as often, by a filter that passes everything that was recorded."""

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording | None:
        from scipy.signal import resample_poly

        interval_s = recording.geometry.sample_interval_s
        if not interval_s > 0:
            return None
        # Scaled, so that tiny or huge amplitudes do not underflow or overflow in the filter; about zero, as beyond the
        # ends; and without what is not signal, which a filter would spread.
        signal, _ = about_zero(recording)
        clip, zero = clip_of(signal), zero_of(recording.amplitude)
        amplitude = resample_poly(signal.astype(np.float64) / clip, factor, 1, axis=0) * clip + zero
        amplitude[:, trace_states(recording.amplitude)[0]] = np.nan
        last = (len(recording.amplitude) - 1) * factor + 1
        return with_amplitude(recording, amplitude[:last], sample_interval_s=interval_s / factor)

    return make


def clip_share(share: float) -> Make:
    """Render it with another share of the samples beyond the clip, like a picture from another source.

    As in our own rendering, broken and dead traces are mid-grey, and the share counts the traces that set the clip.
    """

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Picture:
        amplitude, counted = about_zero(recording)
        level = np.rint(ZERO_LEVEL + amplitude.astype(np.float64) / clip_of(amplitude[:, counted], share) * ZERO_LEVEL)
        image = np.clip(level, 0, 255).astype(np.uint8)
        return Picture(recording.gather_id, image, recording.label, recording.geometry, recording.source)

    return make


SWELL_PART, SWELL_TRACES = 0.1, 0.3
"""Root mean square of the swell noise that is added, as a part of the clip, and the part of the traces that get it."""


def swell(part: float = SWELL_PART, traces: float = SWELL_TRACES) -> Make:
    """Add swell noise to a band of traces, somewhere on the cable.

    Args:
        part: Its root mean square on these traces, as a part of the gather's clip.
        traces: The part of the traces that get it.
    """

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording | None:
        interval_s = recording.geometry.sample_interval_s
        if not interval_s > 0:
            return None
        samples, there = recording.amplitude.shape
        count = max(2, round(traces * there))
        if there < count:
            return None
        first = int(random.integers(there - count + 1))
        noisy = recording.amplitude.copy()
        level = part * clip_of(recording.amplitude)
        noisy[:, first : first + count] += level * _swell_noise(samples, count, interval_s, random)
        return with_amplitude(recording, noisy)

    return make


def _swell_noise(samples: int, traces: int, interval_s: float, random: np.random.Generator) -> np.ndarray:
    """The simulator's swell noise, of root mean square 1, float32 `[time, trace]`."""
    from glowseis.survey.simulate import Acquisition
    from glowseis.survey.simulate.noise import swell as swell_noise
    from glowseis.survey.simulate.plan import Band

    acquisition = dataclasses.replace(
        Acquisition.of_size(64, 64), samples=samples, most_traces=traces, sample_interval_s=interval_s
    )
    return swell_noise(Band(0, traces, 1.0), acquisition, random).T


def with_amplitude(recording: Recording, amplitude: np.ndarray, **geometry: Any) -> Recording:
    """A recording with other amplitudes, and other values in its geometry.

    Args:
        recording: The recording.
        amplitude: Amplitudes, `[time, trace]`. They get the recording's precision: float64 if 32 bits would lose the
            signal beside a constant, otherwise float32.
        geometry: Values of `glowseis.survey.gather.Geometry` that change.
    """
    return dataclasses.replace(
        recording,
        amplitude=np.ascontiguousarray(amplitude, _precision(recording)),
        geometry=dataclasses.replace(recording.geometry, **geometry),
    )


def _precision(recording: Recording) -> type[np.floating]:
    return np.float64 if recording.amplitude.dtype == np.float64 else np.float32


def as_recording(gather: Recording | Picture) -> Recording:
    """A recording unchanged; for a picture, a recording whose amplitudes are its grey levels about zero."""
    if isinstance(gather, Recording):
        return gather
    amplitude = gather.image.astype(np.float32) - ZERO_LEVEL
    return Recording(gather.gather_id, amplitude, gather.label, gather.geometry, gather.source, gather.origin)


def has_interval(geometry: Geometry) -> bool:
    """Whether the sample interval is known and is whole microseconds, as a SEG-Y header needs."""
    interval_us = geometry.sample_interval_s * 1e6
    return math.isfinite(interval_us) and interval_us >= 1 and abs(interval_us - round(interval_us)) < 1e-3
