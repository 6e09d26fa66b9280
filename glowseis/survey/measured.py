"""What of a recording is signal: its zero is measured and taken away, and what is no signal is set to zero."""

from dataclasses import dataclass

import numpy as np

from glowseis.survey.fill_values import TRACE, held, judge, places, repeated
from glowseis.survey.loudness import is_of_two_scales, loudness, wild_traces

CLIPPED_FRACTION = 0.04
"""Share of the samples beyond the clip: 2 % of them black and 2 % white, as the published gathers show."""

MEASURED_FROM = 256
"""Samples of a gather below which its zero is taken to be 0, as a median of so few says little."""

NO_LEVELS = 0.05
"""Grey levels that a gather's middle may be away from 0 and still be taken for it."""

TOLD_LEVELS = 0.5
"""Grey levels from which the removal of a constant is told: less does not show."""

JUDGED_FROM = 4096
"""Samples of a gather from which its zero must be a middle."""

FLOAT_MAX = np.finfo(np.float32).max


@dataclass(frozen=True)
class Measured:
    """A recording, measured.

    Attributes:
        amplitude: Amplitudes about zero, float32 `[time, trace]`; zero where there is no signal.
        zero: What was taken from each trace, float32 `[trace]`; 0 alone, `[]`, where nothing was.
        is_loud: Which traces the clip is not to be measured by, bool `[trace]`; None where there are none.
        is_one_sided: Whether nearly all samples lie on one side of zero, which then is no middle.
        mended: What was mended, by the names of `glowseis.survey.mending.MENDINGS`.
    """

    amplitude: np.ndarray
    zero: np.ndarray
    is_loud: np.ndarray | None
    is_one_sided: bool
    mended: dict[str, int]


def measure(amplitude: np.ndarray, broken: np.ndarray, dead: np.ndarray, zero: float | None = None) -> Measured:
    """Measure a recording and take away what is no signal.

    1. Broken and dead traces become zero.
    2. Fill values are found as `glowseis.survey.fill_values` says.
    3. The zero of the gather is the median of some thousand samples without them. A trace whose mean is more than a
       grey level away from it has its own, its median, where that is more than half a grey level away and is told by
       64 samples.
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
        own[:, broken] = 0
        if dead.all() or own.size < MEASURED_FROM:
            zeros = np.where(dead & ~broken, own[0], zero or 0.0)
            constant = int((dead & ~broken & (zeros != 0)).sum())
            return Measured(_about(own, zeros, dead), _kept(zeros), None, False, _some({"constant": constant}))
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
        return Measured(own, _kept(zeros), is_loud if is_loud.any() else None, found.is_one_sided, _some(mended))


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
    is_one_sided: bool


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
        filled |= (ends & (np.abs(own - sample.zero) > sample.away)).any(axis=0)
        fill = ends if fill is None else fill | ends
        sample = judge(values[~fill[place]], CLIPPED_FRACTION, given)
        mean = _means(own, fill)
    values, columns = (values, place[1]) if fill is None else (values[~fill[place]], place[1][~fill[place]])
    level = _level(values - mean[columns])
    zero = sample.zero if given is not None or abs(sample.zero) > NO_LEVELS * level else 0.0
    zeros = np.full(len(dead), zero, np.float64)
    moved = ~dead & (abs(zero) >= TOLD_LEVELS * level)
    if given is None:
        signal = len(own) if fill is None else (~fill).sum(axis=0)
        off = np.flatnonzero(~dead & ~(np.abs(mean - zero) <= level) & (signal >= TRACE))
        middle, is_told = _middles(own, fill, off)
        # In coarse steps a median is a step off by chance.
        apart = np.abs(middle - zero) > max(level / 2, sample.step)
        off, middle, is_told = off[apart], middle[apart], is_told[apart]
        zeros[off] = middle
        moved[off] |= is_told & (np.abs(middle) >= TOLD_LEVELS * level)
    one_sided = given is None and own.size >= JUDGED_FROM and is_one_sided(values - zeros[columns])
    return _Found(zeros, level, fill, int(filled.sum()), int(moved.sum()), one_sided)


def is_one_sided(values: np.ndarray) -> bool:
    """Tell whether samples are amplitudes about their middle, or absolute values, an envelope, ink on white paper.

    They are not when less than 1 % of those that are not zero lie on one side, or when one side reaches less than
    half as far as the other and the middle half of all takes up more than half of its reach: they are piled up
    against an end, which noise and a wavelet of unlike lobes are not.

    Args:
        values: Samples less their middle.
    """
    below, above = int((values < 0).sum()), int((values > 0).sum())
    if below + above < len(values) / 100:
        return False
    if min(below, above) < (below + above) / 100:
        return True
    least, low, high, most = np.quantile(values, [0.001, 0.25, 0.75, 0.999])
    near, far = sorted([-least, most])
    return bool(near < far / 2 and high - low > near / 2)


def _means(own: np.ndarray, fill: np.ndarray | None) -> np.ndarray:
    """Means of traces without their fill values."""
    if fill is None:
        return own.sum(axis=0) / np.float32(len(own))
    return own.sum(axis=0, where=~fill) / np.maximum((~fill).sum(axis=0), 1)


def _level(values: np.ndarray) -> float:
    """A grey level, of the clip that a sample has about the means of its traces."""
    size = np.abs(values)
    size = np.sort(size[np.isfinite(size)])
    return float(size[int((1 - CLIPPED_FRACTION) * (len(size) - 1))] or size[-1]) / 128 if len(size) else 0.0


def _middles(own: np.ndarray, fill: np.ndarray | None, traces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Medians of some traces without fill values, and whether each stands for a constant.

    Noise of low frequency moves a median as well; a constant moves that of each quarter of a trace by as much.
    """
    if not len(traces):
        return np.zeros(0), np.zeros(0, bool)
    block = np.ascontiguousarray(own[:, traces].T)
    if fill is None or not fill[:, traces].any():
        middle = np.median(block, axis=1)
        quarters = np.stack([np.median(part, axis=1) for part in np.array_split(block, 4, axis=1)])
    else:
        signal = [trace[~no_signal] for trace, no_signal in zip(block, fill[:, traces].T, strict=True)]
        middle = np.array([np.median(trace) for trace in signal])
        quarters = np.array([[np.median(part) for part in np.array_split(trace, 4)] for trace in signal]).T
    return middle, np.abs(quarters.mean(axis=0)) >= 5 * quarters.std(axis=0, ddof=1)


def _about(own: np.ndarray, zeros: np.ndarray, dead: np.ndarray) -> np.ndarray:
    """Amplitudes about the zeros of their traces, in 32 bits."""
    if zeros.any():
        own -= zeros.astype(own.dtype)
        np.clip(own, -FLOAT_MAX, FLOAT_MAX, out=own)
    own[:, dead] = 0
    return own.astype(np.float32, copy=False)


def _kept(zeros: np.ndarray) -> np.ndarray:
    """Zeros as a gather keeps them."""
    return zeros.astype(np.float32) if zeros.any() else np.zeros((), np.float32)


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
