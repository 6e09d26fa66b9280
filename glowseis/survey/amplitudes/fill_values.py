"""Fill values: numbers that stand where nothing was recorded, such as -999.25, 1e30, -32768 or a last sample held.

No list of them is kept, for they are told by what no recording does: a value comes back exactly, far more often than
those beside it, and its neighbours in time know nothing of it. The rails of a recorder that saturated come back
exactly too, but in pairs, one on each side of zero, or with samples beside them that are nearly as large.
"""

from dataclasses import dataclass

import numpy as np

from glowseis.survey.amplitudes.trace_zeros import TRACE

SAMPLED = 4096
"""Samples that a gather is judged by before it is looked at as a whole."""

TIMES = 8
"""A value stands out that comes so often in the sample, and so many times as often as all but one of the four beside
it."""

EVEN = 1.5
"""Times as far from zero that one end of amplitudes may be as the other without a further look."""

AWAY_LEVELS = 8
"""Grey levels that a fill value is away from zero; the middle of a sample is nearer than that to the value of mutes."""

HELD_LEVELS = 0.5
"""Grey levels that a held value is away from the zero of its trace."""

FAR = 30
"""Clips that a sample is away from zero to be looked at though it is rare."""

BEYOND = 1e6
"""Times a trace's median amplitude that no recorder reaches: a fill value even if it comes but once."""

RARE = 3
"""Times that a value far away comes to be a fill value."""

ALIKE = 5
"""Times as often that one rail may come as the other."""

MOST, NEAR = 4, 16
"""Values that stand out among those near them, at most: within that fraction of what most samples span."""

RUN = 16
"""Equal samples at an end of a trace that are no signal."""


@dataclass(frozen=True)
class Sample:
    """Some thousand samples of a gather.

    Attributes:
        zero: The middle of those that do not stand out; the value that stands out beside it, as that of a mute does,
            where there is one.
        clip: What 4 % of them exceed, about zero; 0 where all are zero.
        is_even: Whether the two ends are about as far from zero, but for one sample in a thousand.
        is_exact: Whether zero is such a value.
        step: Least difference between two values, of numbers in steps; 0 of others.
        standing_out: Values that come back exactly, none of them zero, the commonest first.
    """

    zero: float
    clip: float
    is_even: bool
    is_exact: bool
    step: float
    standing_out: np.ndarray

    def is_away(self, values: np.ndarray) -> np.ndarray:
        """Tell which values are far enough from zero to be fill values."""
        return np.abs(values - self.zero) > max(AWAY_LEVELS * self.clip / 128, 2 * self.step)

    @property
    def held_away(self) -> float:
        """How far a held value is from the zero of its trace, at least."""
        return max(HELD_LEVELS * self.clip / 128, 2 * self.step)


def places(live: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose the samples that a gather is judged by, evenly over its traces and times.

    Args:
        live: Numbers of its traces that are worth a look, at least one.
        samples: Samples of a trace.

    Returns:
        Rows and columns, int64 `[sample]` each.
    """
    size = samples * len(live)
    step = max(1, size // SAMPLED)
    # Rows would repeat early if step and samples had a common factor.
    while np.gcd(step, samples) > 1:
        step += 1
    number = np.arange(0, size, step)
    return number % samples, live[number // samples]


def judge(values: np.ndarray, clipped_fraction: float, zero: float | None = None) -> Sample:
    """Find the middle of a sample and what stands out of it.

    Args:
        values: Amplitudes, finite, in any order.
        clipped_fraction: Share of them that a clip leaves beyond itself.
        zero: Their zero, where it is known; their middle when None.

    Returns:
        What was found.
    """
    ordered = np.sort(values)
    is_first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    begins = np.flatnonzero(is_first)
    single, counts = ordered[begins], np.diff(begins, append=len(ordered))
    out = counts >= TIMES
    if out.any():
        out &= counts >= TIMES * np.maximum(_beside(counts), 1)
    if out.any():
        out[out] = counts[out] >= TIMES * _around(single, counts, np.flatnonzero(out))
    usual = ordered[~np.repeat(out, counts)] if out.any() else ordered
    # Where hardly anything else is left, that is the gather.
    usual = usual if 10 * len(usual) > len(ordered) else ordered
    is_exact = zero is not None
    middle = ordered[len(ordered) // 2]
    if not is_exact and out[np.searchsorted(single, middle)] and usual is not ordered:
        # Of numbers in coarse steps the zero itself may stand out; a fill value lies beside the others or beyond them.
        quarter = len(usual) // 4
        is_exact = bool(usual[quarter] <= middle <= usual[-1 - quarter])
        zero = middle if is_exact else None
    zero = float(zero if zero is not None else usual[len(usual) // 2])
    away = np.abs(usual - zero)
    clip = np.partition(away, place := int((1 - clipped_fraction) * (len(away) - 1)))[place] or away.max()
    near = np.abs(single - zero) <= AWAY_LEVELS * clip / 128
    if (out & near).any() and not is_exact:
        is_exact = True
        zero = single[out & near][np.argmax(counts[out & near])]
    step = np.diff(single).min() if 1 < len(single) < len(ordered) / 2 else 0
    out &= ~near
    standing_out = single[out][np.argsort(-counts[out], kind="stable")]
    low, high = zero - usual[len(usual) // 1000], usual[-1 - len(usual) // 1000] - zero
    is_even = bool(max(low, high) <= EVEN * min(low, high))
    return Sample(float(zero), float(clip), is_even, is_exact, float(step), standing_out)


def _beside(counts: np.ndarray) -> np.ndarray:
    """Second largest of the four counts beside each: two values that come often may be next to each other."""
    around = np.concatenate([[0, 0], counts, [0, 0]])
    one, two, three, four = around[:-4], around[1:-3], around[3:-1], around[4:]
    larger = np.minimum(np.maximum(one, two), np.maximum(three, four))
    return np.maximum(larger, np.maximum(np.minimum(one, two), np.minimum(three, four)))


def _around(single: np.ndarray, counts: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How often values near some come that are not the few commonest there, at least once.

    Traces in coarser steps than others, such as weighted ones, have values that come back between values that do not.
    """
    total = counts.cumsum()
    low, high = single[np.searchsorted(total, [0.05 * total[-1], 0.95 * total[-1]])]
    reach = (high - low) / NEAR
    begins = np.searchsorted(single, single[places] - reach)
    ends = np.searchsorted(single, single[places] + reach, side="right")
    return np.array(
        [
            np.partition(counts[begin:end], -MOST - 1)[-MOST - 1] if end - begin > MOST else 1
            for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
        ]
    )


def repeated(amplitude: np.ndarray, suspect: np.ndarray, sample: Sample) -> np.ndarray | None:
    """Find fill values anywhere in a gather.

    Args:
        amplitude: Amplitudes `[time, trace]`, finite.
        suspect: Traces whose mean is not zero, bool `[trace]`: rare values are looked for there.
        sample: What a sample of them says.

    Returns:
        Where they are, bool `[time, trace]`; None where there are none.
    """
    candidates, found = list(sample.standing_out), None
    if sample.clip and suspect.any():
        traces = amplitude[:, suspect]
        reach = np.maximum(traces.max(axis=0) - sample.zero, sample.zero - traces.min(axis=0))
        far = _far(traces[:, reach > FAR * sample.clip], sample)
        candidates += [value for value in far if value not in candidates]
        beyond = _beyond(traces, reach, sample)
        if beyond is not None:
            found = np.zeros(amplitude.shape, bool)
            found[:, suspect] = beyond
    if not sample.step:
        # Numbers without steps hardly come back, and the outermost least of all.
        ends = (amplitude.min(), amplitude.max())
        candidates += [end for end in ends if end not in candidates and np.count_nonzero(amplitude == end) >= RARE]
    # From the outside, for rails are the outermost of what is recorded; dead traces are zero already.
    candidates = [value for value in candidates if value != sample.zero]
    candidates.sort(key=lambda value: -abs(value - sample.zero))
    counts = {value: np.count_nonzero(amplitude == value) for value in candidates}
    for value in candidates:
        if _is_paired(value, counts, sample.zero):
            continue
        here = amplitude == value
        if not (_is_continued(amplitude, here, value, sample.zero) or _is_reached(amplitude, counts, value, sample)):
            found = here if found is None else found | here
            del counts[value]
    return found


def _far(amplitude: np.ndarray, sample: Sample) -> list:
    """Values far from zero, alone there, that come back exactly, too rare for the sample; the commonest few."""
    far = amplitude[np.abs(amplitude - sample.zero) > FAR * sample.clip]
    values, counts = np.unique(far, return_counts=True)
    often = np.flatnonzero(counts >= RARE)
    often = often[np.argsort(-counts[often], kind="stable")][:8]
    away = values - sample.zero
    beside = [counts[np.abs(away / away[place] - 1) < 1 / 3].sum() for place in often]
    return [values[place] for place, all_there in zip(often, beside, strict=True) if 2 * counts[place] >= all_there]


def _beyond(amplitude: np.ndarray, reach: np.ndarray, sample: Sample) -> np.ndarray | None:
    """Samples that are beyond what any recorder reaches beside the rest of their trace."""
    limit = BEYOND * sample.clip
    traces = np.flatnonzero(reach > limit)
    size = np.abs(amplitude[:, traces] - sample.zero)
    # A whole trace may be so much louder than the others.
    beyond = size > np.maximum(BEYOND * np.median(size, axis=0), limit) if len(traces) else size > 0
    if not beyond.any():
        return None
    here = np.zeros(amplitude.shape, bool)
    here[:, traces] = beyond
    return here


def _is_paired(value: float, counts: dict, zero: float) -> bool:
    """Tell whether a value, the outermost on its side of zero, has another on the other side, about as often: rails.

    Args:
        value: The value.
        counts: How often it and others come.
        zero: Zero.
    """
    shares = {other: (float(other) - zero) / (float(value) - zero) for other in counts}
    return max(shares.values()) <= 1 and any(
        -1.5 < share < -2 / 3 and 1 / ALIKE <= counts[other] / counts[value] <= ALIKE for other, share in shares.items()
    )


def _is_continued(amplitude: np.ndarray, here: np.ndarray, value: float, zero: float) -> bool:
    """Tell whether samples beside runs of a value are mostly between it and zero: a rail that a wave runs against."""
    begins, ends = here[1:] & ~here[:-1], here[:-1] & ~here[1:]
    beside = np.concatenate([amplitude[:-1][begins], amplitude[1:][ends]])
    share = (beside - zero) / (value - zero)
    return len(beside) > 0 and bool(((share > 0.2) & (share < 1.5)).mean() > 0.5)


def _is_reached(amplitude: np.ndarray, counts: dict, value: float, sample: Sample) -> bool:
    """Tell whether a gather's largest value is a rail: the other end comes back too, or amplitudes lead up to it."""
    ends = amplitude.min(), amplitude.max()
    end, other = ends if value < sample.zero else ends[::-1]
    if value != end:
        return False
    again = np.count_nonzero(amplitude == other)
    if again >= RARE and _is_paired(value, {value: counts[value], other: again}, sample.zero):
        return True
    share = (amplitude - sample.zero) / (value - sample.zero)
    near = int(((share > 0.8) & (share < 1)).sum())
    near -= sum(counts[other] for other in counts if 0.8 < (other - sample.zero) / (value - sample.zero) < 1)
    return near > counts[value] / 10


def held(amplitude: np.ndarray, mean: np.ndarray, live: np.ndarray, sample: Sample) -> np.ndarray | None:
    """Find values that are held from the beginning of a trace, or to its end, and are not the gather's zero.

    Mutes are among them where the rest of their trace has a zero of its own.

    Args:
        amplitude: Amplitudes `[time, trace]`, finite.
        mean: Their means, `[trace]`.
        live: Which traces are worth a look, bool `[trace]`.
        sample: What a sample of them says.

    Returns:
        Where they are, bool `[time, trace]`; None where there are none.
    """
    if len(amplitude) < TRACE:
        return None
    found = None
    moved = live & (np.abs(mean - sample.zero) > sample.held_away)
    for way in (1, -1):
        rows = amplitude[::way]
        alike = live & (rows[0] == rows[RUN - 1])
        alike &= moved | (np.abs(rows[0] - sample.zero) > sample.held_away)
        alike[alike] = (rows[:RUN, alike] == rows[0, alike]).all(axis=0)
        for trace in np.flatnonzero(alike):
            length = _held(rows[:, trace], sample)
            if length:
                found = np.zeros(amplitude.shape, bool) if found is None else found
                found[::way][:length, trace] = True
    return found


def _held(trace: np.ndarray, sample: Sample) -> int:
    """How many samples of a trace hold its first value, 0 where that is a rail; its zero may well be set to zero."""
    value = trace[0]
    length = int(np.argmax(trace != value))
    rest = trace[length:]
    zero = np.median(rest) if len(rest) >= TRACE else sample.zero
    far = np.abs(value - zero)
    is_rail = far > sample.held_away and far >= 0.9 * np.abs(rest - zero).max() and np.abs(rest[0] - value) < far / 2
    return 0 if is_rail else length
