"""From recorded amplitudes to an 8-bit image and back."""

import dataclasses
import math
from collections.abc import Iterator, Mapping

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.amplitudes.measured import CLIPPED_FRACTION, Measured, constant_traces, measure
from glowseis.survey.amplitudes.mending import MENDINGS
from glowseis.survey.gather import Gather, Geometry, Picture, Recording

ZERO_LEVEL = 128
"""Grey level of zero amplitude and of padding, exactly."""

GUESSED_FROM = 4096
"""Samples from which a gather's clip is first guessed."""

TRACES_AT_ONCE = 128
"""Traces that are rendered at once: 128 traces of 900 samples are half a megabyte."""

FLOAT_MAX = np.finfo(np.float32).max

FITS = ("pad", "crop", "resize")
"""Ways to bring a gather to the survey's size."""


def render(
    gather: Recording | Picture, height: int, width: int, fit: str = "pad", zero_level: float | None = None
) -> Gather:
    """Turn a gather of any source into an image of a survey's size; see `render_recording` and `render_picture`."""
    if isinstance(gather, Picture):
        return render_picture(gather, height, width, fit)
    return render_recording(gather, height, width, fit, zero_level)


def render_recording(
    recording: Recording, height: int, width: int, fit: str = "pad", zero_level: float | None = None
) -> Gather:
    """Turn a recording into an image of a survey's size.

    Zero is measured, and samples without signal become zero, as `amplitudes.measured.measure` explains. The clip c is
    the amplitude that 4 % of the absolute values about zero exceed, ignoring wild and dead traces, and
    `level = 128 + 128 a / c`, rounded and kept within 0..255, so that zero is 128 whatever the clip. Rows and columns
    beyond the recording are 128. A trace with a NaN or infinite sample is broken: all of it becomes zero.

    Args:
        recording: Amplitudes `[time, trace]` and their geometry.
        height: Rows of the image, in samples.
        width: Columns of the image, in traces.
        fit: `pad`: the recording must fit. `crop`: the window of the first samples and traces is kept. `resize`: the
            amplitudes are resampled to the image's size by Lanczos' filter, which prevents aliasing.
        zero_level: Zero in the recording's units, if it is known; measured when None.

    Returns:
        The image with its clip and zero amplitudes, its valid region, the number of its dead and broken traces, and
        what was mended. Without a live trace it is 128 everywhere.

    Raises:
        InputError: The recording has no samples or traces, does not fit, or its middle is not a zero.
        ValueError: `fit` is unknown.
    """
    fit = _checked_fit(recording, recording.amplitude.shape, (height, width), fit)
    sums, broken = _sums_and_broken(recording.amplitude)
    dead = broken | constant_traces(recording.amplitude)
    inside = np.s_[:, :] if fit == "resize" else np.s_[:height, :width]
    measured = measure(
        recording.amplitude[inside],
        broken[inside[1]],
        dead[inside[1]],
        zero_level,
        sums if fit != "crop" else None,
        one_zero=recording.one_zero,
        middle=recording.middle,
    )
    check_middle(measured, recording, zero_level)
    amplitude = measured.amplitude
    if fit == "resize":
        amplitude = _resized(amplitude, (height, width))
    counted = amplitude
    if measured.is_loud is not None:
        counted = amplitude[:, ~(measured.is_loud if fit != "resize" else _is_near(measured.is_loud, width))]
    clip_amplitude = _clip_amplitude(counted, float(dead[inside[1]].mean()))
    image = np.full((height, width), ZERO_LEVEL, np.uint8)
    samples, traces = amplitude.shape
    for part in _parts(traces):
        # Division first: 128 a may exceed the largest float32, but a / c does so only where the image is white anyway.
        with np.errstate(over="ignore"):
            level = amplitude[:, part] / clip_amplitude
            level *= ZERO_LEVEL
            level += ZERO_LEVEL
        np.rint(level, out=level)
        np.clip(level, 0, 255, out=level)
        image[:samples, part] = level.astype(np.uint8)
    gather = _gather(recording, image, amplitude.shape, fit, recording.amplitude.shape)
    return dataclasses.replace(
        gather,
        clip_amplitude=float(clip_amplitude),
        zero_amplitude=measured.zero,
        dead_traces=int(dead.sum()),
        broken_traces=int(broken.sum()),
        mended=_together(recording.mended, measured.mended),
    )


def render_picture(picture: Picture, height: int, width: int, fit: str = "pad") -> Gather:
    """Bring one of our own pictures, whose zero is 128, to a survey's size.

    Args:
        picture: Grey levels and what is known of their geometry.
        height: Rows of the image, in samples.
        width: Columns of the image, in traces.
        fit: As for `render_recording`.

    Returns:
        The image with clip amplitude 128, so that an amplitude is its grey level minus 128; a trace that is 128
        throughout counts as dead.

    Raises:
        InputError: It has no samples or traces, or does not fit.
        ValueError: `fit` is unknown.
    """
    fit = _checked_fit(picture, picture.image.shape, (height, width), fit)
    level = picture.image[:height, :width]
    if fit == "resize":
        resized = _resized(picture.image.astype(np.float32) - ZERO_LEVEL, (height, width))
        level = np.clip(np.rint(ZERO_LEVEL + resized), 0, 255)
    dead = (picture.image == ZERO_LEVEL).all(axis=0)
    image = np.full((height, width), ZERO_LEVEL, np.uint8)
    image[: level.shape[0], : level.shape[1]] = level
    gather = _gather(picture, image, level.shape, fit, picture.image.shape)
    return dataclasses.replace(gather, dead_traces=int(dead.sum()), mended=picture.mended)


def check_middle(measured: Measured, recording: Recording, zero_level: float | None) -> None:
    """Make sure that a gather's zero lies in the middle of its samples.

    Args:
        measured: What was measured.
        recording: The gather.
        zero_level: The given zero; None if it was measured.

    Raises:
        InputError: It does not.
    """
    if not measured.is_one_sided:
        return
    where = f"gather {recording.gather_id} of {recording.source}"
    if zero_level is None:
        raise InputError(
            f"{where}: its samples lie on one side of their middle, like absolute values or envelopes; give "
            "amplitudes, or give zero with --zero-level"
        )
    raise InputError(
        f"{where}: all of its samples lie far on one side of --zero-level {zero_level:g}; give the value of zero "
        "amplitude, or leave it out to have it measured"
    )


def trace_states(amplitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the traces without signal.

    Args:
        amplitude: Amplitudes `[time, trace]`.

    Returns:
        Which traces are broken, with a NaN or infinite sample, and which are dead, zero throughout or broken; bool
        `[trace]` each.
    """
    _, broken = _sums_and_broken(amplitude)
    return broken, broken | ~amplitude.any(axis=0)


def _sums_and_broken(amplitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of traces, and which have a NaN or infinite sample."""
    # A sum is finite only if all its terms are; one that merely grew too large is checked again.
    with np.errstate(over="ignore", invalid="ignore"):
        sums = amplitude.sum(axis=0)
    suspect = ~np.isfinite(sums)
    broken = np.zeros(len(suspect), bool)
    broken[suspect] = ~np.isfinite(amplitude[:, suspect]).all(axis=0)
    return sums, broken


def is_live(gather: Gather) -> bool:
    """Whether any trace of a gather carries a signal.

    Args:
        gather: The gather.
    """
    return bool((gather.image != ZERO_LEVEL).any())


def amplitudes(gather: Gather) -> np.ndarray:
    """Convert an image back to amplitudes, `(level - 128) c / 128 + zero`; clipped samples stay clipped.

    A resized image returns to the shape of its recording, without what the resampling removed. Fill values, broken
    samples and everything else that was mended return as zero.

    Args:
        gather: An image with its clip amplitude, its zero and its valid region.

    Returns:
        Amplitudes in the units of the source, float32 `[valid_samples, valid_traces]`, or `[time, trace]` of the
        recording if it was resized.
    """
    image = gather.image[: gather.valid_samples, : gather.valid_traces]
    # Division by 128 is exact here, while the smallest clips divided by 128 underflow in float32.
    amplitude = (image.astype(np.float32) - ZERO_LEVEL) / ZERO_LEVEL * np.float32(gather.clip_amplitude)
    if gather.fit == "resize" and gather.recorded_shape:
        amplitude = _resized(amplitude, gather.recorded_shape)
    return amplitude + gather.zero_amplitude if np.any(gather.zero_amplitude) else amplitude


def _clip_amplitude(amplitude: np.ndarray, dead: float = 0.0) -> np.float32:
    """Amplitude that 4 % exceed, ignoring the share of dead traces; the largest if that is 0; 1 if all are 0."""
    value = amplitude.ravel(order="K")
    # Dead traces are zero, and those zeros are the first.
    silent = min(round(dead * value.size), value.size - 1)
    # Like np.quantile(np.abs(value), 1 - CLIPPED_FRACTION, method="higher"), which computes the rank in float32.
    rank = silent + int(np.ceil((value.size - silent - 1) * np.float32(1 - CLIPPED_FRACTION)))
    clip_amplitude = _ranked_size(value, min(rank, value.size - 1))
    return np.float32(clip_amplitude or np.abs(value).max() or 1.0)


def _ranked_size(value: np.ndarray, rank: int) -> np.float32:
    """The absolute value at a rank from the smallest, of which few are larger.

    Only values above a guess from a sample are extracted and sorted, which is far faster than partitioning all of them
    and needs no second array as large as the gather.
    """
    above = value.size - rank
    sample = np.abs(value[:: max(1, value.size // GUESSED_FROM)])
    guess = np.partition(sample, place := max(0, int(len(sample) * (1 - 1.25 * above / value.size))))[place]
    is_large = value >= guess
    is_large |= value <= -guess
    tail = value[np.flatnonzero(is_large)]
    tail = np.abs(tail if len(tail) >= above else value)
    return np.partition(tail, len(tail) - above)[len(tail) - above]


def _checked_fit(gather: Recording | Picture, shape: tuple[int, ...], size: tuple[int, int], fit: str) -> str:
    """How to fit a gather; `pad` if it has the size already."""
    if fit not in FITS:
        raise ValueError(f"fit is {fit!r}; choose one of {', '.join(FITS)}")
    samples, traces = shape
    where = f"gather {gather.gather_id} of {gather.source}"
    if not samples or not traces:
        raise InputError(f"{where} has {samples} samples and {traces} traces; leave it out")
    larger = samples > size[0] or traces > size[1]
    if fit == "pad" and larger:
        raise InputError(
            f"{where} has {samples} samples x {traces} traces, more than the size {size[0]}x{size[1]}; "
            "pass --fit crop, --fit resize or a larger --size"
        )
    if fit == "resize":
        return "pad" if (samples, traces) == size else "resize"
    return "crop" if larger else "pad"


def _is_near(is_loud: np.ndarray, width: int) -> np.ndarray:
    """Columns of a resized image within the filter's reach of a loud trace."""
    traces = len(is_loud)
    reach = math.ceil(3 * max(1.0, width / traces))
    column = np.rint((np.flatnonzero(is_loud) + 0.5) * width / traces - 0.5).astype(int)
    near = np.zeros(width, bool)
    near[np.clip(column[:, np.newaxis] + np.arange(-reach, reach + 1), 0, width - 1)] = True
    return near if not near.all() else np.zeros(width, bool)


def _together(*counts: Mapping[str, int]) -> dict[str, int]:
    """What readers and rendering mended, in the order of `MENDINGS`."""
    return {name: total for name in MENDINGS if (total := sum(each.get(name, 0) for each in counts))}


def _resized(amplitude: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Amplitudes resampled to another shape; Pillow's filter widens with the reduction, so that nothing aliases."""
    from PIL import Image

    # A power of two, which is exact: the overshoot of Lanczos' filter must not exceed float32.
    largest = float(np.abs(amplitude).max())
    scale = math.frexp(largest)[1] if largest else 0
    small = np.ldexp(amplitude, -scale)
    made = Image.fromarray(small).resize((shape[1], shape[0]), Image.Resampling.LANCZOS)
    with np.errstate(over="ignore"):
        back = np.ldexp(np.asarray(made), scale)
    return np.clip(back, -FLOAT_MAX, FLOAT_MAX)


def _parts(traces: int) -> Iterator[slice]:
    """Blocks of traces that fit into the processor's cache."""
    for first in range(0, traces, TRACES_AT_ONCE):
        yield slice(first, min(first + TRACES_AT_ONCE, traces))


def _gather(
    gather: Recording | Picture, image: np.ndarray, valid: tuple[int, ...], fit: str, shape: tuple[int, ...]
) -> Gather:
    """A gather from an image whose first `valid` rows and columns are not padding; `shape` is that of its source."""
    valid_samples, valid_traces = valid
    return Gather(
        gather_id=gather.gather_id,
        image=image,
        label=gather.label,
        geometry=gather.geometry if fit == "resize" else _first_traces(gather.geometry, valid_traces),
        source=gather.source,
        clip_amplitude=float(ZERO_LEVEL),
        valid_samples=valid_samples,
        valid_traces=valid_traces,
        fit=fit,
        recorded_shape=(shape[0], shape[1]),
        origin=gather.origin,
    )


def _first_traces(geometry: Geometry, traces: int) -> Geometry:
    return dataclasses.replace(
        geometry,
        channel=geometry.channel[:traces],
        offset_m=geometry.offset_m[:traces],
        receiver_x_m=geometry.receiver_x_m[:traces],
        receiver_y_m=geometry.receiver_y_m[:traces],
    )
