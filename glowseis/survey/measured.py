"""What of a recording is signal: its zero is measured and taken away, and what is no signal is set to zero."""

from dataclasses import dataclass

import numpy as np

from glowseis.survey.fill_values import TRACE, Sample, held, judge, places, repeated
from glowseis.survey.loudness import is_of_two_scales, loudness, wild_traces

CLIPPED_FRACTION = 0.04
"""Share of the samples beyond the clip: 2 % of them black and 2 % white, as the published gathers show."""

MEASURED_FROM = 256
"""Samples of a gather below which its zero is taken to be 0, as a median of so few says little."""

NO_LEVELS = 0.05
"""Grey levels that a gather's middle may be away from 0 and still be taken for it."""

TOLD_LEVELS = 0.5
"""Grey levels from which the removal of a constant is told: less does not show."""

PILED, PILED_APART = 2.7, 1.5
"""Mean deviations that the nearer end of samples piled up against it is away, and how much farther the other is."""

PILED_SHARE = 0.75
"""Share of the traces that are so where a gather is."""

PILED_TRACES, PILED_SAMPLES = 32, 256
"""Traces, and samples of each, that tell whether they are so."""

JUDGED_FROM = 4096
"""Samples of a gather from which its zero must be a middle."""

FLOAT_MAX = np.finfo(np.float32).max

AGREED_LEVELS = 4
"""Grey levels that a mean and a median may be apart: more is the work of spikes."""

REACH_LEVELS = 256
"""Grey levels beyond which a sample counts as a spike, where mean and median are apart."""

LARGE = 1e30
"""Zeros whose removal may leave the range of 32 bits: smaller ones are lost in amplitudes that come near its end."""


@dataclass(frozen=True)
class Measured:
    """A recording, measured.

    Attributes:
        amplitude: Amplitudes about zero, float32 `[time, trace]`; zero where there is no signal.
        zero: What was taken from each trace, float32 `[trace]`; 0 alone, `[]`, where nothing was.
        is_loud: Which traces the clip is not to be measured by, bool `[trace]`; None where there are none.
        without_signal: Share of the samples that were set to zero, in dead traces and as fill values.
        is_one_sided: Whether nearly all samples lie on one side of zero, which then is no middle.
        mended: What was mended, by the names of `glowseis.survey.mending.MENDINGS`.
    """

    amplitude: np.ndarray
    zero: np.ndarray
    is_loud: np.ndarray | None
    without_signal: float
    is_one_sided: bool
    mended: dict[str, int]


def measure(amplitude: np.ndarray, broken: np.ndarray, dead: np.ndarray, zero: float | None = None) -> Measured:
    """Measure a recording and take away what is no signal.

    1. Broken and dead traces become zero.
    2. Fill values are found as `glowseis.survey.fill_values` says.
    3. The zero of the gather is the value of mutes, or the median of the means of its traces; the median of samples
       where the two are apart, or the steps between values are coarse. A trace of 64 samples or more whose mean is more
       than a grey level away from that has its own, a mean to which spikes add little.
    4. Zeros are taken away, and fill values set to zero.
    5. Wild traces are found, as `glowseis.survey.loudness` says, so that the clip can be measured without them.

    Args:
        amplitude: Amplitudes `[time, trace]`, of any kind of real number; it is not changed.
        broken: Traces with a NaN or infinite sample, bool `[trace]`.
        dead: Traces that are broken or have one value throughout, bool `[trace]`.
        zero: The zero of all traces, where it is known; measured when None.

    Returns:
        What was found. A gather of fewer than 256 samples is taken as it is.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        own = amplitude.astype(np.float64 if amplitude.dtype == np.float64 else np.float32)
        if broken.any():
            own[:, broken] = 0
        if dead.all() or own.size < MEASURED_FROM:
            zeros = np.where(dead & ~broken, own[0], zero or 0.0)
            constant = int((dead & ~broken & (zeros != 0)).sum())
            about = _about(own, zeros, dead)
            return Measured(about, _kept(zeros), None, float(dead.mean()), False, _some({"constant": constant}))
        found = _find(own, dead, zero)
        zeros = np.where(dead & ~broken, own[0], found.zeros)
        apart = np.abs(zeros - found.zeros) > TOLD_LEVELS * found.level
        constant = int((dead & apart & (zeros != 0)).sum())
        own = _about(own, zeros, dead)
        if found.fill is not None:
            own[found.fill] = 0
        level = loudness(own)
        is_loud = wild_traces(level)
        mended = {
            "fill": found.filled,
            "constant": constant,
            "zero_level": found.moved,
            "two_scales" if is_of_two_scales(level) else "wild": int(is_loud.sum()),
        }
        return Measured(
            own,
            _kept(zeros),
            is_loud if is_loud.any() else None,
            float(dead.mean() if found.fill is None else (found.fill | dead).mean()),
            zero is None and own.size >= JUDGED_FROM and is_one_sided(own, dead),
            _some(mended),
        )


def constant_traces(amplitude: np.ndarray) -> np.ndarray:
    """Tell which traces have one value throughout, zero or another.

    Args:
        amplitude: Amplitudes `[time, trace]`.

    Returns:
        Which do, bool `[trace]`; none in a gather of fewer than 256 samples, or of one a trace.
    """
    first, samples = amplitude[0], len(amplitude)
    if amplitude.size < MEASURED_FROM or samples == 1:
        return np.zeros(amplitude.shape[1], bool)
    same = np.asarray((first == amplitude[-1]) & (first == amplitude[samples // 2]))
    same[same] = (amplitude[:, same] == first[same]).all(axis=0)
    return same


@dataclass(frozen=True)
class _Found:
    """Zeros `[trace]`, a grey level, fill values `[time, trace]`, how many traces had one, or a constant."""

    zeros: np.ndarray
    level: float
    fill: np.ndarray | None
    filled: int
    moved: int


def _find(own: np.ndarray, dead: np.ndarray, given: float | None) -> _Found:
    """Find the zeros and fill values of a gather with a live trace."""
    place = places(np.flatnonzero(~dead), len(own))
    values = own[place]
    sample = judge(values, CLIPPED_FRACTION, given)
    fill = repeated(own, sample)
    filled = np.zeros(len(dead), bool)
    if fill is not None:
        fill[:, dead] = False
        filled |= fill.any(axis=0)
        sample = judge(values[~fill[place]], CLIPPED_FRACTION, given)
    mean = _means(own, fill)
    ends = held(own, mean, ~dead, sample)
    if ends is not None:
        # A mute is set to zero like a fill value, but is none.
        filled |= (ends & sample.is_away(own)).any(axis=0)
        fill = ends if fill is None else fill | ends
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
    moved = live & (abs(zero) >= TOLD_LEVELS * level)
    if given is None and len(own) >= TRACE:
        signal = len(own) if fill is None else (~fill).sum(axis=0)
        off = np.flatnonzero(live & ~(np.abs(mean - zero) <= level) & (signal >= TRACE))
        own_zeros, is_told = _own_zeros(own, fill, off, level)
        # In coarse steps nothing less can be told.
        apart = np.abs(own_zeros - zero) > max(level / 2, 1.5 * sample.step)
        off, own_zeros, is_told = off[apart], own_zeros[apart], is_told[apart]
        zeros[off] = own_zeros
        moved[off] |= is_told & (np.abs(own_zeros) >= TOLD_LEVELS * level)
    return _Found(zeros, level, fill, int(filled.sum()), int(moved.sum()))


def _middle(
    own: np.ndarray, fill: np.ndarray | None, mean: np.ndarray, live: np.ndarray, sample: Sample, level: float
) -> float:
    """The zero of a gather: the median of its traces' means, as sound has no mean, where that agrees with its median.

    Of values in steps as coarse as grey levels it is the median itself, one of them.
    """
    if sample.step >= level / 2:
        signal = live & np.ones_like(own, bool) if fill is None else live & ~fill
        values = np.sort(own[signal])
        return float(values[len(values) // 2])
    middle = float(np.median(mean[live]))
    return middle if len(own) >= TRACE and abs(middle - sample.zero) <= AGREED_LEVELS * level else sample.zero


def is_one_sided(amplitude: np.ndarray, dead: np.ndarray | None = None) -> bool:
    """Tell whether a gather is no amplitudes about a middle but absolute values, an envelope, or ink on white paper.

    It is so when in three of four traces samples are piled up against the same end: that is less than 2.7 mean
    deviations away from the mean, and the other end more than 1.5 times as far. Both ends of noise are 3.4 or more
    away, those of a wave that saturates are both near.

    Args:
        amplitude: Amplitudes or grey levels `[time, trace]`.
        dead: Traces that are not to be looked at, bool `[trace]`.
    """
    live = np.arange(amplitude.shape[1]) if dead is None else np.flatnonzero(~dead)
    some = amplitude[:: max(1, len(amplitude) // PILED_SAMPLES), live[:: max(1, len(live) // PILED_TRACES)]]
    away = some.astype(np.float64) - some.mean(axis=0, dtype=np.float64)
    spread = np.abs(away).mean(axis=0)
    away, spread = away[:, spread > 0], spread[spread > 0]
    if not len(spread):
        return False
    below, above = -away.min(axis=0) / spread, away.max(axis=0) / spread
    piled = [((near < PILED) & (far > PILED_APART * near)).mean() for near, far in ((below, above), (above, below))]
    return bool(max(piled) >= PILED_SHARE)


def _means(own: np.ndarray, fill: np.ndarray | None) -> np.ndarray:
    """Means of traces without their fill values."""
    where, count = (True, len(own)) if fill is None else (~fill, np.maximum((~fill).sum(axis=0), 1))
    sums = own.sum(axis=0, where=where)
    return (sums if np.isfinite(sums).all() else own.sum(axis=0, dtype=np.float64, where=where)) / count


def _level(values: np.ndarray) -> float:
    """A grey level, of the clip that a sample has about the means of its traces."""
    size = np.abs(values)
    size = size[np.isfinite(size)]
    if not len(size):
        return 0.0
    place = int((1 - CLIPPED_FRACTION) * (len(size) - 1))
    return float(np.partition(size, place)[place] or size.max()) / 128


def _own_zeros(
    own: np.ndarray, fill: np.ndarray | None, traces: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Zeros of some traces, and whether each stands for a constant.

    A zero is the mean, as sound has none; where spikes have one, the mean of samples that are kept within two clips
    about the median of a few of them. Noise of low frequency moves it as well; a constant moves each quarter of a trace
    by as much.
    """
    if not len(traces):
        return np.zeros(0), np.zeros(0, bool)
    samples = len(own)
    # Sums of amplitudes near the end of the range of 32 bits would leave it.
    block = np.take(own.T, traces, axis=0).astype(np.float64 if level > LARGE else own.dtype, copy=False)
    some = slice(None, None, max(1, samples // TRACE))
    if fill is None or not fill[:, traces].any():
        middle = np.median(block[:, some], axis=1)
        counts = np.diff(_quarters(samples), append=samples)[:, np.newaxis]
    else:
        signal = ~fill[:, traces].T
        middle = np.array([np.median(trace[kept]) for trace, kept in zip(block, signal, strict=True)], own.dtype)
        np.copyto(block, middle[:, np.newaxis], where=~signal)
        counts = np.add.reduceat(signal, _quarters(samples), axis=1, dtype=int).T
    block -= middle[:, np.newaxis]
    whole = block.sum(axis=1) / counts.sum(axis=0)
    reach = REACH_LEVELS * level
    wide = 4 * np.abs(block[:, some]).mean(axis=1)
    for trace in np.flatnonzero(wide > reach):
        np.clip(block[trace], -wide[trace], wide[trace], out=block[trace])
    rest = slice(None) if (wide <= reach).all() else wide <= reach
    block[rest] = np.clip(block[rest], -reach, reach)
    sums = np.add.reduceat(block, _quarters(samples), axis=1).T
    zeros = sums.sum(axis=0) / counts.sum(axis=0)
    zeros = middle + np.where(np.abs(whole - zeros) <= AGREED_LEVELS * level, whole, zeros)
    means = sums / np.maximum(counts, 1) + middle
    spread = np.where(counts > 0, np.abs(means - zeros), 0).max(axis=0)
    return zeros, np.abs(zeros) >= 4 * spread


def _quarters(samples: int) -> np.ndarray:
    """Where the quarters of a trace begin."""
    return np.arange(4) * samples // 4


def _about(own: np.ndarray, zeros: np.ndarray, dead: np.ndarray) -> np.ndarray:
    """Amplitudes about the zeros of their traces, in 32 bits."""
    if zeros.any():
        own -= zeros.astype(own.dtype)
        if np.abs(zeros).max() > LARGE:
            np.clip(own, -FLOAT_MAX, FLOAT_MAX, out=own)
    if dead.any():
        own[:, dead] = 0
    return own.astype(np.float32, copy=False)


def _kept(zeros: np.ndarray) -> np.ndarray:
    """Zeros as a gather keeps them."""
    return zeros.astype(np.float32) if zeros.any() else np.zeros((), np.float32)


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
