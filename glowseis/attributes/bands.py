"""Bands of noise: neighbouring traces that are louder than the cable around them."""

import math
from dataclasses import dataclass, replace

import numpy as np

from glowseis.attributes.faults import runs

LAGS = (1, 3, 6)
"""Distances, in traces, at which a band's lateral correlation is measured."""

NOISY_FACTOR = 2.0
"""A trace is noisy when it is more than this many times as loud as the background."""

NEAR_FACTOR = 1.8
"""Least ratio of the median level of a band's noisy traces to that of the quiet traces nearby: the low frequencies of
the signal change more slowly along the cable."""

NEAREST_TRACES, EARLY = 5, 0.75
"""A band on one of this many traces nearest the source that is loud only before this share of the record is signal."""

NARROWEST, WIDEST_GAP = 3, 1
"""Fewest traces of a band, and most quiet ones that do not end it."""

BACKGROUND_PERCENTILE, BACKGROUND_SHARE, BACKGROUND_TRACES = 25, 0.3, 61
"""The background: this percentile of the levels over this share of the cable, or so many traces if that is more."""

LOUDEST = 0.5
"""Share of the record, its loudest quarter-seconds, that does not count for a trace's level."""

EDGE_HZ = 1.0
"""How far below the upper end of the frequencies a band must have its peak: otherwise it is the foot of something
higher, such as the signal near the source."""

BACKGROUND_STEPS = 8
"""Steps in which the background is followed over its own width."""

SPAN_S, SPAN_FACTOR = 0.25, 2.0
"""Blocks of time in which a band is followed, and how many times as loud as the background it is there."""


@dataclass(frozen=True)
class NoiseBand:
    """A band of noise.

    Attributes:
        first_trace: Its first trace, from 0.
        last_trace: Its last trace.
        rms: Root mean square from 1 to 8 Hz over its traces and the record, in the units of the amplitudes.
        excess: How many times as loud as the background its loudest trace is.
        peak_hz: Frequency at which its traces together have most power from 1 to 8 Hz, in hertz.
        correlation: Mean correlation of its traces at each of `LAGS`; NaN where it is too narrow.
        first_s: When it is first loud, in seconds after the shot.
        last_s: When it is last loud.
    """

    first_trace: int
    last_trace: int
    rms: float
    excess: float
    peak_hz: float
    correlation: tuple[float, ...]
    first_s: float
    last_s: float

    @property
    def width(self) -> int:
        """Traces from the first to the last."""
        return self.last_trace - self.first_trace + 1


def background(level: np.ndarray, live: np.ndarray) -> np.ndarray:
    """The level of the quieter traces around each: the 25th percentile over nearly a third of the cable.

    Args:
        level: Levels `[trace]`.
        live: Traces that count, bool `[trace]`.

    Returns:
        Float64 `[trace]`; NaN if no trace is live.
    """
    used = np.flatnonzero(live & np.isfinite(level))
    if not len(used):
        return np.full(len(level), np.nan)
    wide = min(max(BACKGROUND_TRACES, round(BACKGROUND_SHARE * len(used))), len(used))
    step = max(1, wide // BACKGROUND_STEPS)
    around = np.lib.stride_tricks.sliding_window_view(np.asarray(level, np.float64)[used], wide)[::step]
    quiet = np.percentile(around, BACKGROUND_PERCENTILE, axis=1)
    middle = np.interp(np.arange(len(quiet)) * step + (wide - 1) / 2, np.arange(len(used)), used)
    return np.interp(np.arange(len(level)), middle, quiet)


def noise_bands(
    low: np.ndarray,
    step_s: float,
    start_s: float,
    frequency_hz: np.ndarray,
    powers: np.ndarray,
    live: np.ndarray,
    nearest: int | None = None,
) -> list[NoiseBand]:
    """Find bands of noise below 8 Hz, where a marine source has little power: swell, tugs, strum.

    A trace is noisy when its root mean square below 8 Hz is more than twice the background's. A band is three noisy
    traces or more; a single quiet or dead one does not end it. At these frequencies bands are seen in the whole record,
    not before the first arrivals alone; the louder half of the record, in which near traces have the signal's own
    low frequencies, does not count.

    Traces with most power at the upper end of these frequencies are no band: that is the foot of a signal or of noise
    above them. Nor are traces that are hardly louder than the quiet ones nearby: the level of the signal changes slowly
    along the cable. Nor are traces near the source that are loud only early: that is the direct wave; noise lasts.

    Args:
        low: Amplitudes from 1 to 8 Hz, float32 `[trace, time]`.
        step_s: Time between two of these samples, in seconds.
        start_s: Time of the first after the shot.
        frequency_hz: Frequencies from 1 to 8 Hz `[frequency]`.
        powers: Power at these, of the whole record, float32 `[trace, frequency]`.
        live: Traces that count, bool `[trace]`; not single bad channels.
        nearest: The trace nearest the source, if it is known.

    Returns:
        The bands, from the first trace to the last.
    """
    block = max(1, round(SPAN_S / step_s))
    level = _usual_level(low, block)
    usual = background(level, live)
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.where(live & (usual > 0), level / usual, 0.0)
    noisy = excess > NOISY_FACTOR
    found = []
    for first, last in _bands(noisy, live):
        traces = first + np.flatnonzero(noisy[first:last])
        quiet = _quiet_nearby(traces, noisy, live)
        if len(quiet) and np.median(level[traces]) < NEAR_FACTOR * np.median(level[quiet]):
            continue
        begin, end = _span(low, traces, quiet, block)
        beside = nearest is not None and first - NEAREST_TRACES < nearest < last - 1 + NEAREST_TRACES
        if beside and end < EARLY * low.shape[1]:
            continue
        band = NoiseBand(
            first_trace=first,
            last_trace=last - 1,
            rms=float(np.sqrt(np.mean(np.square(low[traces]), dtype=np.float64))),
            excess=float(excess[traces].max()),
            peak_hz=_peak_hz(powers[traces].sum(axis=0, dtype=np.float64), frequency_hz),
            correlation=tuple(_correlation(low, traces, lag) for lag in LAGS),
            first_s=start_s + begin * step_s,
            last_s=start_s + min(end, low.shape[1]) * step_s,
        )
        if not band.peak_hz > frequency_hz[-1] - EDGE_HZ:
            found.append(band)
    return found


def scaled(band: NoiseBand, factor: float) -> NoiseBand:
    """A band whose level is in other units.

    Args:
        band: The band.
        factor: By which its level is multiplied.
    """
    return replace(band, rms=band.rms * factor)


def _bands(noisy: np.ndarray, live: np.ndarray) -> list[tuple[int, int]]:
    """Runs of noisy traces, bridged over single quiet and any dead ones."""
    joined: list[tuple[int, int]] = []
    for first, last in runs(noisy):
        if joined and np.count_nonzero(live[joined[-1][1] : first]) <= WIDEST_GAP:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return [(first, last) for first, last in joined if np.count_nonzero(noisy[first:last]) >= NARROWEST]


def _usual_level(low: np.ndarray, block: int) -> np.ndarray:
    """Root mean square of each trace without the louder half of the record, float64 `[trace]`."""
    blocks = max(1, low.shape[1] // block)
    block = low.shape[1] // blocks
    cut = low[:, : blocks * block].reshape(len(low), blocks, block)
    power = np.einsum("tbs,tbs->tb", cut, cut)
    kept = max(1, round((1 - LOUDEST) * blocks))
    quieter = np.partition(power, kept - 1, axis=1)[:, :kept]
    return np.sqrt(quieter.mean(axis=1, dtype=np.float64) / block)


def _quiet_nearby(traces: np.ndarray, noisy: np.ndarray, live: np.ndarray) -> np.ndarray:
    """The quiet traces on either side of a band, over twice its width and ten traces more."""
    reach = 2 * len(traces) + 10
    near = np.arange(max(traces[0] - reach, 0), min(traces[-1] + reach + 1, len(noisy)))
    return near[live[near] & ~noisy[near]]


def _span(low: np.ndarray, traces: np.ndarray, quiet: np.ndarray, block: int) -> tuple[int, int]:
    """The first sample at which a band is loud, and the one after the last, in steps of a block."""
    blocks = max(1, low.shape[1] // block)
    block = low.shape[1] // blocks
    own, others = (_block_power(low[rows], blocks, block) for rows in (traces, quiet))
    loud = np.flatnonzero(own > SPAN_FACTOR**2 * others) if len(quiet) else np.arange(blocks)
    if not len(loud):
        return 0, low.shape[1]
    return int(loud[0]) * block, low.shape[1] if loud[-1] == blocks - 1 else (int(loud[-1]) + 1) * block


def _block_power(low: np.ndarray, blocks: int, block: int) -> np.ndarray:
    """Mean power of traces in each block of time, `[block]`; 0 without traces."""
    if not len(low):
        return np.zeros(blocks)
    cut = low[:, : blocks * block].reshape(len(low), blocks, block)
    return np.asarray(np.mean(np.einsum("tbs,tbs->tb", cut, cut), axis=0))


def _peak_hz(power: np.ndarray, frequency_hz: np.ndarray) -> float:
    """Frequency of the largest power, averaged over a few bins."""
    if len(power) < 3:
        return math.nan
    smooth = (
        np.convolve(power, np.ones(3) / 3, "same") if len(power) < 30 else np.convolve(power, np.ones(7) / 7, "same")
    )
    return float(frequency_hz[int(smooth.argmax())])


def _correlation(low: np.ndarray, traces: np.ndarray, lag: int) -> float:
    """Mean correlation of pairs of a band's traces this far apart; NaN without a pair."""
    noisy = np.zeros(len(low) + lag, bool)
    noisy[traces] = True
    first = traces[noisy[traces + lag]]
    one, other = low[first], low[first + lag]
    if not len(one):
        return math.nan
    size = np.sqrt(np.einsum("ts,ts->t", one, one) * np.einsum("ts,ts->t", other, other))
    return float(np.mean(np.einsum("ts,ts->t", one, other) / np.maximum(size, 1e-30)))
