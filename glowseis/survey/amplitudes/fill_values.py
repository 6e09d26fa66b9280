"""Fill values: numbers written where nothing was recorded, such as -999.25, 1e30, -32768 or a repeated last sample.

There is no list of them; they are recognised by behaviour that no recording has: a value recurs exactly, far more often
than values close to it, and unrelated to its neighbours in time. The rails of a saturated recorder recur exactly too,
but in pairs, one on each side of zero, or next to samples that are nearly as large.
"""

from dataclasses import dataclass

import numpy as np

from glowseis.survey.amplitudes.trace_zeros import TRACE

SAMPLED = 4096
"""Samples by which a gather is checked before all of it is."""

TIMES = 8
"""A value stands out if it occurs this often in the sample, and this many times as often as all but one of the four
values next to it."""

EVEN = 1.5
"""Largest ratio of the distances of both ends of the amplitudes from zero that needs no further check."""

AWAY_LEVELS = 8
"""Least distance of a fill value from zero, in grey levels; the middle of a sample is closer to the value of mutes."""

HELD_LEVELS = 0.5
"""Least distance of a held value from the zero of its trace, in grey levels."""

FAR = 30
"""Distance from zero, in clips, from which a sample is checked even if it is rare."""

BEYOND = 1e6
"""Multiple of a trace's median amplitude that no recorder reaches: a fill value even if it occurs only once."""

RARE = 3
"""How often a value far from zero must occur to be a fill value."""

ALIKE = 5
"""Largest ratio of the counts of both rails."""

OUTERMOST = 1.2
"""Largest ratio of a value that recurs beyond a rail, on the same side of zero, to it."""

MOST, NEAR = 4, 16
"""Most values that stand out among those near them, within that fraction of the range of most samples."""

RUN = 16
"""Fewest equal samples at an end of a trace that are not signal."""


@dataclass(frozen=True)
class Sample:
    """Some thousand samples of a gather.

    Attributes:
        zero: The middle of those that do not stand out; or the value that stands out next to it, as that of a mute
            does, if there is one.
        clip: The distance from zero that 4 % of them exceed; 0 if all are zero.
        is_even: Whether both ends are about equally far from zero, except for one sample in a thousand.
        is_exact: Whether zero is such a value that stands out.
        step: Smallest difference between two values, if they are in steps; otherwise 0.
        standing_out: Values that recur exactly, without zero, the commonest first.
    """

    zero: float
    clip: float
    is_even: bool
    is_exact: bool
    step: float
    standing_out: np.ndarray

    def is_away(self, values: np.ndarray) -> np.ndarray:
        """Whether values are far enough from zero to be fill values."""
        return np.abs(values - self.zero) > max(AWAY_LEVELS * self.clip / 128, 2 * self.step)

    @property
    def held_away(self) -> float:
        """Least distance of a held value from the zero of its trace."""
        return max(HELD_LEVELS * self.clip / 128, 2 * self.step)


def places(live: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose the samples by which a gather is checked, evenly over its traces and times.

    Args:
        live: Numbers of its traces to check, at least one.
        samples: Samples of a trace.

    Returns:
        Rows and columns, int64 `[sample]` each.
    """
    size = samples * len(live)
    step = max(1, size // SAMPLED)
    # Rows would repeat too soon if step and samples had a common factor.
    while np.gcd(step, samples) > 1:
        step += 1
    number = np.arange(0, size, step)
    return number % samples, live[number // samples]


def judge(values: np.ndarray, clipped_fraction: float, zero: float | None = None) -> Sample:
    """Find the middle of a sample and the values that stand out.

    Args:
        values: Amplitudes, finite, in any order.
        clipped_fraction: Share of them beyond the clip.
        zero: Their zero, if known; their middle when None.

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
    # If hardly anything else is left, these values are the gather itself.
    usual = usual if 10 * len(usual) > len(ordered) else ordered
    is_exact = zero is not None
    middle = ordered[len(ordered) // 2]
    if not is_exact and out[np.searchsorted(single, middle)] and usual is not ordered:
        # With coarse steps, zero itself may stand out; a fill value lies next to the others or beyond them.
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
    """Second largest of the four neighbouring counts of each: two frequent values may be next to each other."""
    around = np.concatenate([[0, 0], counts, [0, 0]])
    one, two, three, four = around[:-4], around[1:-3], around[3:-1], around[4:]
    larger = np.minimum(np.maximum(one, two), np.maximum(three, four))
    return np.maximum(larger, np.maximum(np.minimum(one, two), np.minimum(three, four)))


def _around(single: np.ndarray, counts: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How often values near some occur that are not the few commonest there, at least 1.

    Traces in coarser steps than others, such as weighted ones, have values that recur between values that do not.
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
        suspect: Traces whose mean is not zero, bool `[trace]`, in which rare values are searched for.
        sample: A sample of them.

    Returns:
        Where they are, bool `[time, trace]`; None if there are none.
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
        # Numbers without steps hardly recur, and the outermost least of all.
        ends = (amplitude.min(), amplitude.max())
        candidates += [end for end in ends if end not in candidates and np.count_nonzero(amplitude == end) >= RARE]
    # From the outside in, because rails are the outermost recorded values; dead traces are zero already.
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
    """Isolated values far from zero that recur exactly but are too rare for the sample; the commonest few."""
    far = amplitude[np.abs(amplitude - sample.zero) > FAR * sample.clip]
    values, counts = np.unique(far, return_counts=True)
    often = np.flatnonzero(counts >= RARE)
    often = often[np.argsort(-counts[often], kind="stable")][:8]
    away = values - sample.zero
    beside = [counts[np.abs(away / away[place] - 1) < 1 / 3].sum() for place in often]
    return [values[place] for place, all_there in zip(often, beside, strict=True) if 2 * counts[place] >= all_there]


def _beyond(amplitude: np.ndarray, reach: np.ndarray, sample: Sample) -> np.ndarray | None:
    """Samples beyond what any recorder reaches, compared with the rest of their trace."""
    limit = BEYOND * sample.clip
    traces = np.flatnonzero(reach > limit)
    size = np.abs(amplitude[:, traces] - sample.zero)
    # A whole trace may be that much louder than the others.
    beyond = size > np.maximum(BEYOND * np.median(size, axis=0), limit) if len(traces) else size > 0
    if not beyond.any():
        return None
    here = np.zeros(amplitude.shape, bool)
    here[:, traces] = beyond
    return here


def _is_paired(value: float, counts: dict, zero: float) -> bool:
    """Whether a value, about the outermost on its side of zero, has an equally frequent one on the other side: rails.

    Traces from which constants were subtracted after recording have rails of their own, so others may lie beyond.

    Args:
        value: The value.
        counts: How often it and others occur.
        zero: Zero.
    """
    shares = {other: (float(other) - zero) / (float(value) - zero) for other in counts}
    return max(shares.values()) <= OUTERMOST and any(
        -1.5 < share < -2 / 3 and 1 / ALIKE <= counts[other] / counts[value] <= ALIKE for other, share in shares.items()
    )


def _is_continued(amplitude: np.ndarray, here: np.ndarray, value: float, zero: float) -> bool:
    """Whether samples next to runs of a value are mostly between it and zero: a rail that a wave runs into."""
    begins, ends = here[1:] & ~here[:-1], here[:-1] & ~here[1:]
    beside = np.concatenate([amplitude[:-1][begins], amplitude[1:][ends]])
    share = (beside - zero) / (value - zero)
    return len(beside) > 0 and bool(((share > 0.2) & (share < 1.5)).mean() > 0.5)


def _is_reached(amplitude: np.ndarray, counts: dict, value: float, sample: Sample) -> bool:
    """Whether a gather's largest value is a rail: the other end recurs too, or amplitudes lead up to it."""
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
    """Find values that are repeated from the beginning of a trace, or to its end, and are not the gather's zero.

    Mutes are among them if the rest of their trace has a different zero.

    Args:
        amplitude: Amplitudes `[time, trace]`, finite.
        mean: Their means, `[trace]`.
        live: Traces to check, bool `[trace]`.
        sample: A sample of them.

    Returns:
        Where they are, bool `[time, trace]`; None if there are none.
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
    """How many samples of a trace repeat its first value, 0 if that is a rail; its own zero may be set to zero."""
    value = trace[0]
    length = int(np.argmax(trace != value))
    rest = trace[length:]
    zero = np.median(rest) if len(rest) >= TRACE else sample.zero
    far = np.abs(value - zero)
    is_rail = far > sample.held_away and far >= 0.9 * np.abs(rest - zero).max() and np.abs(rest[0] - value) < far / 2
    return 0 if is_rail else length
