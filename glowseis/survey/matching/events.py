"""What the events of a shot gather have in common whatever its acquisition and noise: moveout, coherence, an onset."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from glowseis.survey.render import ZERO_LEVEL

EVENT_STATISTICS = {
    "live_neighbours": 0.25,
    "coherence": 0.1,
    "dip": 0.3,
    "dip_roughness": 0.3,
    "dip_change": 0.3,
    "water_dip": 0.3,
    "onset": 0.5,
    "spectral_slope": 0.2,
}
"""Names of the figures, and the least distance assumed between the middle of what is usual and its ends.

`live_neighbours`: share of the live traces whose neighbour is live. The others compare pieces of 64 samples on
neighbouring live traces, shifted so that they agree best, between 0.08 and 0.45 cycles per sample, where events
are stronger than swell noise. `coherence`: their correlation, the upper quartile. Of pieces that correlate:
`dip`, how far they are shifted, the upper quartile of its size; `dip_roughness`, by how much that differs from one
pair of traces to the next, the median; `dip_change`, by how much from one end of the cable to the other; each the
natural logarithm of samples per trace. `water_dip`: `dip` less the logarithm of the dip of the direct wave far from
the source. `onset`: the largest step in power from one piece to the next below, log10, the median along the cable.
`spectral_slope`: power between 0.1 and 0.25 cycles per sample over that between 0.25 and 0.4, log10."""

SEGMENT, MOST_LAG = 64, 12
"""Samples of the pieces of traces that are compared, and the most samples by which one may be shifted."""

MOST_TRIPLES = 48
"""Most triples of neighbouring live traces that are compared, evenly spread along the cable."""

BAND = (0.08, 0.45)
"""Frequencies at which events are compared, in cycles per sample."""

WATER_M_PER_S = 1500.0
"""Velocity of sound in water."""

_FINEST = 0.02
"""Dips are told apart to this many samples per trace."""

_LEAST_CORRELATION = 0.3
"""Pieces that correlate less, when shifted, say nothing about dips."""


def event_statistics(image: np.ndarray, seconds_per_metre: float = np.nan) -> np.ndarray:
    """Measure the events of an image.

    Args:
        image: Grey levels of its valid region, uint8 `[time, trace]`.
        seconds_per_metre: Sample interval divided by trace spacing, in s/m; NaN if one is unknown.

    Returns:
        The figures in the order of `EVENT_STATISTICS`, float64 `[figure]`. One that cannot be measured is NaN; all
        but the first need 128 samples and 16 live traces.
    """
    live = (image != ZERO_LEVEL).any(axis=0)
    places = np.flatnonzero(live)
    found = dict.fromkeys(EVENT_STATISTICS, np.nan)
    if len(places) > 1:
        found["live_neighbours"] = (live[:-1] & live[1:]).sum() / (len(places) - 1)
    if len(places) >= 16 and len(image) >= 2 * SEGMENT:
        last = len(places) - 3
        first = np.unique(np.linspace(0, last, min(MOST_TRIPLES, last + 1)).round().astype(int))
        triples = image[:, places[first[:, np.newaxis] + np.arange(3)]].astype(np.float32) - ZERO_LEVEL
        found |= _events(triples)
        # The direct wave takes so many samples from trace to trace.
        found["water_dip"] = found["dip"] - float(np.log(1 / (WATER_M_PER_S * seconds_per_metre)))
    return np.array(list(found.values()), np.float64)


def _events(levels: np.ndarray) -> dict[str, float]:
    """Figures of some triples of neighbouring traces, float32 `[time, triple, 3]`."""
    spectrum = rfft(levels - levels.mean(axis=0), axis=0)
    frequency = rfftfreq(len(levels)).astype(np.float32)
    power = np.mean(np.abs(spectrum) ** 2, axis=(1, 2))
    slope = np.log10((_band(power, frequency, 0.1, 0.25) + 1) / (_band(power, frequency, 0.25, 0.4) + 1))
    low, high = BAND
    passed = np.clip((frequency / low - 0.6) / 0.4, 0, 1) * np.clip((high + 0.05 - frequency) / 0.05, 0, 1)
    pieces = _pieces(irfft(spectrum * passed[:, np.newaxis, np.newaxis], len(levels), axis=0))
    energy = (pieces**2).sum(axis=1)
    coherence, lag = _best_lags(pieces, energy)
    weight = np.maximum(coherence.min(axis=-1) - _LEAST_CORRELATION, 0) ** 2
    dips = lag.mean(axis=-1)
    third = max(1, dips.shape[1] // 3)
    near, far = (_quantile(dips[:, part], weight[:, part], 0.5) for part in (slice(third), slice(-third, None)))
    # Power of pieces along the cable: an event that arrives is a step, whatever the clip.
    groups = np.array_split(energy.mean(axis=-1), max(1, energy.shape[1] // 8), axis=1)
    loudness = np.log10(np.stack([group.mean(axis=1) for group in groups], axis=1) + 1)
    return {
        "coherence": float(np.percentile(coherence, 75)),
        "dip": _log(_quantile(np.abs(dips), weight, 0.75)),
        "dip_roughness": _log(_quantile(np.abs(lag[..., 1] - lag[..., 0]), weight, 0.5)),
        "dip_change": _log(abs(far - near)),
        "onset": float(np.median(np.diff(loudness, axis=0).max(axis=0))),
        "spectral_slope": float(slope),
    }


def _pieces(traces: np.ndarray) -> np.ndarray:
    """Tapered pieces that overlap by half, `[piece, time, triple, 3]`."""
    starts = np.arange(0, len(traces) - SEGMENT + 1, SEGMENT // 2)
    taper = np.hanning(SEGMENT + 2)[1:-1].astype(np.float32)
    return traces[starts[:, np.newaxis] + np.arange(SEGMENT)] * taper[:, np.newaxis, np.newaxis]


def _best_lags(pieces: np.ndarray, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlations of neighbours at the lag that suits them best, and those lags in samples, `[piece, triple, 2]`."""
    length = next_fast_len(SEGMENT + MOST_LAG, real=True)
    spectra = rfft(pieces, length, axis=1)
    product = irfft(np.conj(spectra[..., :2]) * spectra[..., 1:], length, axis=1)
    near = np.concatenate([product[:, -MOST_LAG:], product[:, : MOST_LAG + 1]], axis=1)
    near /= np.sqrt(np.maximum(energy[..., :2] * energy[..., 1:], 1e-3))[:, np.newaxis]
    best = near[:, 1:-1].argmax(axis=1) + 1
    before, there, after = (np.take_along_axis(near, (best + one)[:, np.newaxis], axis=1)[:, 0] for one in (-1, 0, 1))
    bend = before - 2 * there + after
    between = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1), 0)
    return there, best - MOST_LAG + np.clip(between, -0.5, 0.5)


def _band(power: np.ndarray, frequency: np.ndarray, low: float, high: float) -> float:
    return float(power[(frequency >= low) & (frequency < high)].mean())


def _quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """A weighted quantile; NaN if no value has a weight."""
    order = np.argsort(values, axis=None)
    total = np.cumsum(weights.ravel()[order])
    return float(values.ravel()[order][np.searchsorted(total, share * total[-1])]) if total[-1] > 0 else np.nan


def _log(samples: float) -> float:
    return float(np.log(samples + _FINEST))
