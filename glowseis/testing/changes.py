"""Changes of a recording that say nothing about its noise, and one that adds noise.

Each takes a recording, a source of randomness and an empty folder of its own, and gives what a reader would give of the
changed gather; None where it cannot be made, as of a gather whose sample interval is unknown.
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
        make: Makes it.
        worsens: Whether grades must become worse; they must stay otherwise.
    """

    make: Make
    worsens: bool = False


def clip_of(amplitude: np.ndarray, share: float = CLIPPED_FRACTION) -> float:
    """The size about zero that a share of the finite samples exceed; the largest where that is 0, 1 where all are 0.

    Args:
        amplitude: Amplitudes, `[time, trace]`, about any zero.
        share: Share of the samples.
    """
    size = np.abs(amplitude[np.isfinite(amplitude)].astype(np.float64) - zero_of(amplitude))
    return (float(np.quantile(size, 1 - share)) or float(size.max())) if size.any() else 1.0


def zero_of(amplitude: np.ndarray) -> float:
    """The zero level of a gather: the median of its finite samples, 0 where there are none.

    Args:
        amplitude: Amplitudes, `[time, trace]`; grey levels have their zero far from 0.
    """
    finite = amplitude[np.isfinite(amplitude)]
    return float(np.median(finite)) if finite.size else 0.0


def about_zero(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """The amplitudes of a recording about its zero, as rendering measures it.

    Args:
        recording: The recording.

    Returns:
        Amplitudes, float32 `[time, trace]`, where broken and dead traces and what else is no signal are zero; and the
        traces that the clip is measured by, bool `[trace]`: the live ones that are not wild, all if there are none.
    """
    broken, silent = trace_states(recording.amplitude)
    dead = silent | constant_traces(recording.amplitude)
    measured = measure(recording.amplitude, broken, dead, one_zero=recording.one_zero, middle=recording.middle)
    counted = ~dead if measured.is_loud is None else ~(dead | measured.is_loud)
    return measured.amplitude, counted if counted.any() else ~counted


def in_single_precision(recording: Recording) -> Recording:
    """A recording of float32, for files that hold no more: one of float64 about its zero, and otherwise as it is.

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
    """Add a constant to every trace, normally distributed about zero with a part of the clip."""

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording:
        added = part * clip_of(recording.amplitude) * random.standard_normal(recording.amplitude.shape[1])
        # Of a picture all traces have one zero; what has several is none.
        return dataclasses.replace(with_amplitude(recording, recording.amplitude + added), one_zero=False)

    return make


def gain(factor: float) -> Make:
    """Multiply every sample; not where the products leave the range of the recording's precision."""

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording | None:
        with np.errstate(over="ignore", invalid="ignore"):
            made = with_amplitude(recording, recording.amplitude.astype(np.float64) * factor)
        lost = np.isfinite(made.amplitude) != np.isfinite(recording.amplitude)
        level = clip_of(recording.amplitude) * abs(factor) / ZERO_LEVEL
        return None if lost.any() or level < np.finfo(made.amplitude.dtype).tiny else made

    return make


def dead_traces(part: float) -> Make:
    """Let a part of the traces be zero, one at least."""

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording:
        traces = recording.amplitude.shape[1]
        amplitude = recording.amplitude.copy()
        amplitude[:, random.choice(traces, max(1, round(part * traces)), replace=False)] = 0
        return with_amplitude(recording, amplitude)

    return make


def trace_order(*, offsets: bool) -> Make:
    """Turn the order of the traces; their offsets go with them, or are known of neither."""

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
    """Let events come later, or earlier where negative; what comes in is the mirror image of what is there.

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
    """Sample a whole number of times as often, by a filter that lets all pass that was recorded."""

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Recording | None:
        from scipy.signal import resample_poly

        interval_s = recording.geometry.sample_interval_s
        if not interval_s > 0:
            return None
        # Scaled, for tiny or huge amplitudes have no place between a filter's sums; about zero, as beyond the ends, and
        # without what is no signal, which a filter would spread.
        signal, _ = about_zero(recording)
        clip, zero = clip_of(signal), zero_of(recording.amplitude)
        amplitude = resample_poly(signal.astype(np.float64) / clip, factor, 1, axis=0) * clip + zero
        amplitude[:, trace_states(recording.amplitude)[0]] = np.nan
        last = (len(recording.amplitude) - 1) * factor + 1
        return with_amplitude(recording, amplitude[:last], sample_interval_s=interval_s / factor)

    return make


def clip_share(share: float) -> Make:
    """Render it so that another share of the samples is beyond the clip, as a picture that somebody else made.

    As where we render it, broken and dead traces are mid-grey, and the share is one of the traces that tell the clip.
    """

    def make(recording: Recording, random: np.random.Generator, folder: Path) -> Picture:
        amplitude, counted = about_zero(recording)
        level = np.rint(ZERO_LEVEL + amplitude.astype(np.float64) / clip_of(amplitude[:, counted], share) * ZERO_LEVEL)
        image = np.clip(level, 0, 255).astype(np.uint8)
        return Picture(recording.gather_id, image, recording.label, recording.geometry, recording.source)

    return make


SWELL_PART, SWELL_TRACES = 0.1, 0.3
"""Root mean square of the swell noise that is added, as a part of the clip, and the part of the traces that has it."""


def swell(part: float = SWELL_PART, traces: float = SWELL_TRACES) -> Make:
    """Add swell noise to a band of traces, somewhere on the cable.

    Args:
        part: Its root mean square on these traces, as a part of the gather's clip.
        traces: The part of the traces that has it.
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
    """Swell noise of the simulator, its root mean square 1, float32 `[time, trace]`."""
    from glowseis.survey.simulate import Acquisition
    from glowseis.survey.simulate.noise import swell as swell_noise
    from glowseis.survey.simulate.plan import Band

    acquisition = dataclasses.replace(
        Acquisition.of_size(64, 64), samples=samples, most_traces=traces, sample_interval_s=interval_s
    )
    return swell_noise(Band(0, traces, 1.0), acquisition, random).T


def with_amplitude(recording: Recording, amplitude: np.ndarray, **geometry: Any) -> Recording:
    """A recording with other amplitudes, and other values of its geometry.

    Args:
        recording: The recording.
        amplitude: What becomes `[time, trace]` of the recording's precision: float64 where 32 bits would lose the
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
    """A recording as it is; of a picture, one whose amplitudes are grey levels about zero."""
    if isinstance(gather, Recording):
        return gather
    amplitude = gather.image.astype(np.float32) - ZERO_LEVEL
    return Recording(gather.gather_id, amplitude, gather.label, gather.geometry, gather.source, gather.origin)


def has_interval(geometry: Geometry) -> bool:
    """Whether the sample interval is known and can stand in a SEG-Y header, in whole microseconds."""
    interval_us = geometry.sample_interval_s * 1e6
    return math.isfinite(interval_us) and interval_us >= 1 and abs(interval_us - round(interval_us)) < 1e-3
