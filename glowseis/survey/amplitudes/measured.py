"""The signal in a recording: its zero is measured and subtracted, and everything that is not signal is set to zero."""

import math
from dataclasses import dataclass

import numpy as np

from glowseis.survey.amplitudes.fill_values import Sample, held, judge, places, repeated
from glowseis.survey.amplitudes.loudness import is_of_two_scales, loudness, wild_traces
from glowseis.survey.amplitudes.trace_zeros import AGREED_LEVELS, LARGE, TRACE, are_constants, trace_zeros

CLIPPED_FRACTION = 0.04
"""Share of the samples beyond the clip: 2 % of them black and 2 % white, as in the published gathers."""

MEASURED_FROM = 256
"""Gathers with fewer samples are assumed to have zero at 0, because a median of so few says little."""

NO_LEVELS = 0.2
"""Grey levels by which a gather's middle may differ from 0 and still count as 0."""

TOLD_LEVELS = 0.5
"""Grey levels from which the removal of a constant is reported: less is invisible."""

MEDIAN = 1.25
"""Standard error of a median, relative to that of a mean of as many values."""

SOME = 64
"""Samples of a trace from which its noise and loudness are estimated."""

PILED, PILED_APART = 2.7, 1.5
"""For samples piled up at one end: its largest distance in mean deviations, and how much farther the other end is."""

PILED_SHARE = 0.75
"""Share of such traces from which a gather counts as one-sided."""

OUTSIDE = 0.1
"""Fraction of the range of a gather's values by which a given zero may lie outside it."""

PILED_TRACES, PILED_SAMPLES = 24, 128
"""Traces, and samples of each, that are checked for this."""

JUDGED_FROM = 4096
"""Fewest samples of a gather for which its zero must be a middle."""

FLOAT_MAX = np.finfo(np.float32).max


@dataclass(frozen=True)
class Measured:
    """A measured recording.

    Attributes:
        amplitude: Amplitudes about zero, float32 `[time, trace]`; zero where there is no signal. It is the given array
            if nothing had to be changed.
        zero: What was subtracted from each trace, float32 `[trace]`; a scalar 0, `[]`, if nothing was.
        is_loud: Traces to ignore when the clip is measured, bool `[trace]`; None if there are none.
        is_one_sided: Whether zero is not a middle: nearly all samples lie on one side of it, or, if it was given, all
            of them, and far away.
        mended: What was mended, by the names of `glowseis.survey.amplitudes.mending.MENDINGS`.
    """

    amplitude: np.ndarray
    zero: np.ndarray
    is_loud: np.ndarray | None
    is_one_sided: bool
    mended: dict[str, int]


def measure(
    amplitude: np.ndarray,
    broken: np.ndarray,
    dead: np.ndarray,
    zero: float | None = None,
    sums: np.ndarray | None = None,
    *,
    one_zero: bool = False,
    middle: float = 0.0,
) -> Measured:
    """Measure a recording and remove everything that is not signal.

    1. Broken and dead traces become zero.
    2. Fill values are found (see `glowseis.survey.amplitudes.fill_values`).
    3. The zero of the gather is the value of mutes, or the median of the means of its traces; or the median of samples
       if the two differ, or the steps between values are coarse. A trace of 64 samples or more whose mean is more than
       a grey level away from that has its own zero, a mean that spikes hardly affect.
    4. Zeros are subtracted, and fill values set to zero.
    5. Wild traces are found (see `loudness` in this package), so that the clip can be measured without them.

    Args:
        amplitude: Amplitudes `[time, trace]`, of any real type; not changed.
        broken: Traces with a NaN or infinite sample, bool `[trace]`.
        dead: Traces that are broken or have one value throughout, bool `[trace]`.
        zero: The zero of all traces, if known; measured when None.
        sums: Sums of its traces, `[trace]`, if known.
        one_zero: Whether all traces share the gather's zero.
        middle: The value of zero if no constant was added, such as mid-grey in a picture.

    Returns:
        The measured recording. A gather of fewer than 256 samples is not changed.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        own = amplitude.astype(np.float64 if amplitude.dtype == np.float64 else np.float32, copy=False)
        if broken.any():
            own = np.where(broken, own.dtype.type(0), own)
        if dead.all() or own.size < MEASURED_FROM:
            zeros = np.where(dead & ~broken, own[0], zero or 0.0)
            constant = int((dead & ~broken & (zeros != 0)).sum())
            about = _about(own, zeros, dead, None)
            return Measured(about, _kept(zeros), None, False, _some({"constant": constant}))
        found = _find(own, dead, zero, None if broken.any() else sums, one_zero)
        zeros = np.where(dead & ~broken, own[0], found.zeros)
        apart = np.abs(zeros - found.zeros) > TOLD_LEVELS * found.level
        constant = int((dead & apart & (zeros != 0)).sum())
        own = _about(own, zeros, dead, found.fill)
        level = loudness(own[_some_samples(own)])
        is_loud = wild_traces(level)
        least = TOLD_LEVELS * found.level
        is_moved = ~dead & (np.abs(zeros - middle) >= least)
        if is_moved.any() and abs(found.zero - middle) < max(least, _chance(found.error[~dead])):
            is_moved &= are_constants(own, found.fill, zeros - middle, found.error)
        mended = {
            "fill": found.filled,
            "constant": constant,
            "zero_level": int(is_moved.sum()),
            "two_scales" if is_of_two_scales(level) else "wild": int(is_loud.sum()),
        }
        return Measured(
            own,
            _kept(zeros),
            is_loud if is_loud.any() else None,
            own.size >= JUDGED_FROM
            and (_is_outside(own, dead) if zero is not None else not found.is_even and is_one_sided(own, dead)),
            _some(mended),
        )


def constant_traces(amplitude: np.ndarray) -> np.ndarray:
    """Find the traces that have one value throughout, zero or another.

    Args:
        amplitude: Amplitudes `[time, trace]`.

    Returns:
        Which do, bool `[trace]`; in a gather of fewer than 256 samples, or with one per trace, those of zeros.
    """
    first, samples = amplitude[0], len(amplitude)
    if amplitude.size < MEASURED_FROM or samples == 1:
        return np.asarray(~amplitude.any(axis=0))
    same = np.asarray((first == amplitude[-1]) & (first == amplitude[samples // 2]))
    same[same] = (amplitude[:, same] == first[same]).all(axis=0)
    return same


@dataclass(frozen=True)
class _Found:
    """Zeros `[trace]` and the gather's, a grey level, what noise can cause, and where no signal is `[time, trace]`.

    That includes mutes; `filled` is how many traces have fill values.
    """

    zeros: np.ndarray
    zero: float
    level: float
    error: np.ndarray
    is_even: bool
    fill: np.ndarray | None
    filled: int


def _find(own: np.ndarray, dead: np.ndarray, given: float | None, sums: np.ndarray | None, one_zero: bool) -> _Found:
    """Find the zeros and fill values of a gather with a live trace."""
    place = places(np.flatnonzero(~dead), len(own))
    values = own[place]
    sample = judge(values, CLIPPED_FRACTION, given)
    if sample.is_away(own[0, dead]).any():
        own = np.where(dead, own.dtype.type(sample.zero), own)
    mean = _means(own, None, sums)
    error = _error(own, sample)
    suspect = ~dead & ~(np.abs(mean - sample.zero) <= np.maximum(sample.clip / 128, error))
    fill = repeated(own, suspect, sample)
    if fill is not None and fill[place].all():
        # Values that are everywhere are the gather itself, for example if it is black and white.
        fill = None
    filled: np.ndarray | None = None
    if fill is not None:
        fill[:, dead] = False
        filled = fill
        sample = judge(values[~fill[place]], CLIPPED_FRACTION, given)
    mean = mean if fill is None else _means(own, fill)
    mutes = held(own, mean, ~dead, sample)
    if mutes is not None and (mutes if fill is None else mutes | fill)[place].all():
        mutes = None
    if mutes is not None:
        # A mute is set to zero like a fill value, but does not count as one.
        away = mutes & sample.is_away(own)
        filled = away if filled is None else filled | away
        fill = mutes if fill is None else fill | mutes
        sample = judge(values[~fill[place]], CLIPPED_FRACTION, given)
        mean = _means(own, fill)
    values, columns = (values, place[1]) if fill is None else (values[~fill[place]], place[1][~fill[place]])
    level = _level(values - mean[columns])
    live = ~dead
    zero = sample.zero
    if not sample.is_exact:
        zero = _middle(own, fill, mean, live, sample, level)
        zero = zero if abs(zero) > NO_LEVELS * level else 0.0
    zeros = np.full(len(dead), zero, np.float64)
    if given is None and not one_zero and len(own) >= TRACE:
        signal = len(own) if fill is None else (~fill).sum(axis=0)
        off = np.flatnonzero(live & ~(np.abs(mean - zero) <= level) & (signal >= TRACE))
        found = trace_zeros(own, fill, mean, off, np.abs(mean[off] - zero) > error[off], level)
        # With coarse steps nothing smaller can be resolved.
        apart = np.abs(found - zero) > max(level / 2, 1.5 * sample.step)
        zeros[off[apart]] = found[apart]
    traces = int(filled.any(axis=0).sum()) if filled is not None else 0
    return _Found(zeros, zero, level, error, sample.is_even, fill, traces)


def _chance(errors: np.ndarray) -> float:
    """How far the median of the means of traces may be from zero by chance, given how far each of them may be."""
    return MEDIAN * float(np.median(errors)) / math.sqrt(len(errors))


def _middle(
    own: np.ndarray, fill: np.ndarray | None, mean: np.ndarray, live: np.ndarray, sample: Sample, level: float
) -> float:
    """The zero of a gather: the median of its traces' means (sound has no mean), if that agrees with its median.

    For values in steps as coarse as grey levels it is the median itself, one of them.
    """
    if sample.step >= level / 2:
        signal = live & np.ones_like(own, bool) if fill is None else live & ~fill
        values = np.sort(own[signal])
        return float(values[len(values) // 2])
    middle = float(np.median(mean[live]))
    return middle if len(own) >= TRACE and abs(middle - sample.zero) <= AGREED_LEVELS * level else sample.zero


def is_one_sided(amplitude: np.ndarray, dead: np.ndarray | None = None) -> bool:
    """Whether a gather is not amplitudes about a middle but absolute values, an envelope, or ink on white paper.

    That is the case if in three of four traces the samples are piled up at the same end: it is less than 2.7 mean
    deviations away from the mean, and the other end more than 1.5 times as far. For noise both ends are 3.4 or more
    away; for a saturated wave both are close.

    Args:
        amplitude: Amplitudes or grey levels `[time, trace]`.
        dead: Traces to ignore, bool `[trace]`.
    """
    live = np.arange(amplitude.shape[1]) if dead is None else np.flatnonzero(~dead)
    some = amplitude[:: max(1, len(amplitude) // PILED_SAMPLES), live[:: max(1, len(live) // PILED_TRACES)]]
    away = np.ascontiguousarray(some.T, np.float64)
    away -= away.mean(axis=1, keepdims=True)
    spread = np.abs(away).mean(axis=1)
    away, spread = away[spread > 0], spread[spread > 0]
    if not len(spread):
        return False
    below, above = -away.min(axis=1) / spread, away.max(axis=1) / spread
    piled = [((near < PILED) & (far > PILED_APART * near)).mean() for near, far in ((below, above), (above, below))]
    return bool(max(piled) >= PILED_SHARE)


def _is_outside(own: np.ndarray, dead: np.ndarray) -> bool:
    """Whether zero lies outside a gather's values; samples that were set to zero do not count."""
    some = own[_some_samples(own)][:, ~dead]
    some = some[some != 0]
    if not len(some):
        return False
    low, high = float(some.min()), float(some.max())
    return max(low, -high) > OUTSIDE * (high - low)


def _some_samples(own: np.ndarray) -> slice:
    """The samples of each trace from which its noise and loudness are estimated."""
    return np.s_[:: max(1, len(own) // SOME)]


def _error(own: np.ndarray, sample: Sample) -> np.ndarray:
    """How far noise without spikes may move the means of traces from zero: three deviations."""
    some = own[_some_samples(own)] - own.dtype.type(sample.zero)
    np.clip(some, -2 * sample.clip, 2 * sample.clip, out=some)
    some *= some
    return 3 * np.sqrt(some.mean(axis=0) / len(own))


def _means(own: np.ndarray, fill: np.ndarray | None, sums: np.ndarray | None = None) -> np.ndarray:
    """Means of traces without their fill values; from their sums, if known, for traces without any."""
    where, count = (True, len(own)) if fill is None else (~fill, np.maximum((~fill).sum(axis=0), 1))
    sums = own.sum(axis=0, where=where) if sums is None or fill is not None else sums
    return (sums if np.isfinite(sums).all() else own.sum(axis=0, dtype=np.float64, where=where)) / count


def _level(values: np.ndarray) -> float:
    """A grey level, from the clip of a sample about the means of its traces."""
    size = np.abs(values)
    size = size[np.isfinite(size)]
    if not len(size):
        return 0.0
    place = int((1 - CLIPPED_FRACTION) * (len(size) - 1))
    return float(np.partition(size, place)[place] or size.max()) / 128


def _about(own: np.ndarray, zeros: np.ndarray, dead: np.ndarray, fill: np.ndarray | None) -> np.ndarray:
    """Amplitudes about the zeros of their traces, in 32 bits, and zero where there is no signal; a copy if changed."""
    if zeros.any():
        about = own - zeros.astype(own.dtype)
        if np.abs(zeros).max() > LARGE:
            np.clip(about, -FLOAT_MAX, FLOAT_MAX, out=about)
    else:
        about = own.copy(order="K") if dead.any() or fill is not None else own
    if dead.any():
        about[:, dead] = 0
    if fill is not None:
        about[fill] = 0
    return about.astype(np.float32, copy=False)


def _kept(zeros: np.ndarray) -> np.ndarray:
    """Zeros as a gather stores them."""
    return zeros.astype(np.float32) if zeros.any() else np.zeros((), np.float32)


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
