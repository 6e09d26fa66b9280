"""How much an image looks like a marine shot gather: where its events lie, how grey it is, what its noise is like.

Everything is measured on 8-bit images, uint8 `[time, trace]`, so that published images can be measured by the
same functions as simulated ones. Rows are samples and columns are traces; both count from 0.
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, signal

from glowseis.survey.render import ZERO_LEVEL

SPECTRUM_SAMPLES = 32
"""Window of the noise's spectra: bins of 3.9 Hz at 8 ms."""

LAGS = (1, 3, 6)
"""Distances, in traces, at which the noise's lateral correlation is measured."""

NOISY_FACTOR = 2.0
"""A trace is noisy when its root mean square is above this many times the background's."""

_NARROWEST_BAND = 3
_WIDEST_GAP = 1
_LOUDEST_SHARE = 0.05
# Grey levels are whole numbers: anything fainter than rounding cannot be distinguished from it.
_ROUNDING = 12.0**-0.5


@dataclass(frozen=True)
class Events:
    """Where the events of an image lie, in rows, and their slopes, in rows per trace.

    Attributes:
        direct_row: Onset of the direct wave at trace 0.
        near_slope: Its slope over the first traces.
        asymptote: Its slope far from the source.
        direct_far_row: Where its hyperbola ends, at the last trace.
        sea_floor_row: Onset of the sea-floor reflection at trace 0.
        sea_floor_far_row: Where that hyperbola ends.
        head_slope: Slope of the first arrivals at the far end.
        head_far_row: Their onset at the last trace.
    """

    direct_row: float
    near_slope: float
    asymptote: float
    direct_far_row: float
    sea_floor_row: float
    sea_floor_far_row: float
    head_slope: float
    head_far_row: float


@dataclass(frozen=True)
class GreyLevels:
    """Statistics of an image's grey levels.

    Attributes:
        black_percent: Percentage of black pixels, level 0.
        white_percent: Percentage of white pixels, level 255.
        median: Median level.
        deviation: Standard deviation as a share of full scale, 255.
    """

    black_percent: float
    white_percent: float
    median: float
    deviation: float


@dataclass(frozen=True)
class Noise:
    """Noise before the first arrivals.

    Values that need noisy traces are NaN if there are none.

    Attributes:
        level: Root mean square, in grey levels.
        background: Median over traces of their root mean square, in grey levels.
        bands: Number of bands of noisy traces.
        narrowest: Traces of the narrowest band.
        widest: Traces of the widest one.
        noisy_percent: Percentage of the traces that lie in bands.
        loudest_ratio: Root mean square of the loudest trace over the background's.
        peak_hz: Frequency at which the loudest noisy traces are loudest.
        low_hz: Frequency below which a tenth of their power lies.
        high_hz: Frequency above which a tenth of their power lies.
        correlation: Mean correlation of noisy traces at each of `LAGS` `[lag]`.
    """

    level: float
    background: float
    bands: int
    narrowest: float
    widest: float
    noisy_percent: float
    loudest_ratio: float
    peak_hz: float
    low_hz: float
    high_hz: float
    correlation: tuple[float, ...]


def first_rows(image: np.ndarray, least: float = 8.0) -> np.ndarray:
    """First row of every trace that differs from mid-grey by more than some levels.

    Args:
        image: An image, uint8 `[time, trace]`; without noise, or with noise fainter than `least`.
        least: Levels.

    Returns:
        Rows, int `[trace]`; the number of rows if there is none.
    """
    seen = np.abs(image.astype(np.int16) - ZERO_LEVEL) > least
    return np.where(seen.any(axis=0), seen.argmax(axis=0), image.shape[0])


def measure_events(image: np.ndarray) -> Events:
    """Pick the events of an image of the full acquisition without noise.

    The direct wave and the sea-floor reflection are hyperbolas. That of the direct wave is fitted to first arrivals
    and extended to the far end, where later events hide it; that of the sea floor has the same asymptote.

    Args:
        image: An image, uint8 `[time, trace]`, only recorded traces.

    Returns:
        Rows and slopes.

    Raises:
        ValueError: The image has fewer than 100 traces or no event.
    """
    traces = image.shape[1]
    if traces < 100:
        raise ValueError(f"the image has {traces} traces; give at least 100, so that there is a far end")
    first = first_rows(image)
    if (first == image.shape[0]).all():
        raise ValueError("the image is mid-grey; give one with events")
    trace = np.arange(traces, dtype=float)
    near = max(traces // 40, 8)
    straight = slice(traces // 5, traces * 2 // 5)
    far = slice(traces * 3 // 4, traces)
    asymptote = _slope(trace[straight], first[straight])

    def hyperbola(at: np.ndarray, rows_a_trace: float, apex_trace: float, apex_row: float) -> np.ndarray:
        return np.hypot(apex_row, rows_a_trace * (at - apex_trace))

    early = slice(0, traces * 2 // 5)
    start = (asymptote, -first[0] / asymptote, 0.4 * first[0])
    fitted = optimize.least_squares(lambda at: hyperbola(trace[early], *at) - first[early], start).x
    direct_far_row = float(hyperbola(trace[-1], *fitted))
    sea_floor_row = _sea_floor_row(image, int(first[0]))
    head = np.polyfit(trace[far], first[far], 1)
    return Events(
        direct_row=float(first[0]),
        near_slope=_slope(trace[:near], first[:near]),
        asymptote=asymptote,
        direct_far_row=direct_far_row,
        sea_floor_row=sea_floor_row,
        sea_floor_far_row=float(np.sqrt(direct_far_row**2 + sea_floor_row**2 - float(first[0]) ** 2)),
        head_slope=float(head[0]),
        head_far_row=float(np.polyval(head, trace[-1])),
    )


def measure_grey_levels(image: np.ndarray) -> GreyLevels:
    """Clip and contrast of an image.

    Args:
        image: An image, uint8 `[time, trace]`.

    Returns:
        Its statistics.
    """
    return GreyLevels(
        black_percent=100.0 * float(np.mean(image == 0)),
        white_percent=100.0 * float(np.mean(image == 255)),
        median=float(np.median(image)),
        deviation=float(np.std(image)) / 255.0,
    )


@dataclass(frozen=True)
class Band:
    """Band and loudness of a part of an image.

    Attributes:
        low_hz: Frequency below which a tenth of the power lies.
        middle_hz: Frequency below which half of it lies.
        high_hz: Frequency above which a tenth lies.
        level: Root mean square, in grey levels.
    """

    low_hz: float
    middle_hz: float
    high_hz: float
    level: float


def measure_band(image: np.ndarray, rows: slice, traces: slice, sample_interval_s: float = 0.008) -> Band:
    """Measure the band and the loudness of the events in a part of an image.

    Args:
        image: An image, uint8 `[time, trace]`.
        rows: Its rows.
        traces: Its traces.
        sample_interval_s: Time between two rows, in seconds.

    Returns:
        Figures of the power summed over these traces, each tapered by a Hann window.

    Raises:
        ValueError: The part has fewer than 32 rows, no trace, or one level throughout.
    """
    level = image[rows, traces].astype(np.float64) - np.median(image)
    if level.shape[0] < SPECTRUM_SAMPLES or not level.size or not level.any():
        raise ValueError(f"the part has {level.shape[0]} rows and {level.shape[1]} traces, or one level; give another")
    power = (np.abs(np.fft.rfft(level * np.hanning(len(level))[:, None], axis=0)) ** 2).sum(axis=1)
    frequency = np.fft.rfftfreq(len(level), sample_interval_s)
    share = np.cumsum(power) / power.sum()
    low, middle, high = (float(frequency[np.searchsorted(share, part)]) for part in (0.1, 0.5, 0.9))
    return Band(low, middle, high, float(np.sqrt(np.mean(level**2))))


def measure_noise(image: np.ndarray, quiet_rows: np.ndarray, sample_interval_s: float = 0.008) -> Noise:
    """Measure the noise in the rows before the first arrivals, the quiet triangle.

    Args:
        image: An image, uint8 `[time, trace]`.
        quiet_rows: Rows of each trace, from its first, that hold no event, int `[trace]`. Traces with fewer than
            `SPECTRUM_SAMPLES` are left out.
        sample_interval_s: Time between two rows, in seconds.

    Returns:
        The noise.

    Raises:
        ValueError: No trace has as many quiet rows.
    """
    chosen = np.flatnonzero(quiet_rows >= SPECTRUM_SAMPLES)
    if not chosen.size:
        raise ValueError(f"no trace has {SPECTRUM_SAMPLES} rows before its first arrival; give a larger image")
    rows = quiet_rows[chosen]
    inside = np.arange(image.shape[0])[:, None] < rows[None, :]
    level = image[:, chosen].astype(np.float64)
    level = np.where(inside, level - np.median(level[inside]), 0.0)
    of_trace = np.sqrt((level**2).sum(axis=0) / rows)
    background = max(float(np.median(of_trace)), _ROUNDING)
    bands = _bands(of_trace > NOISY_FACTOR * background)
    widths = [last - first for first, last in bands]
    noisy = np.zeros(chosen.size, bool)
    for first, last in bands:
        noisy[first:last] = True
    peak_hz, low_hz, high_hz = _spectrum(level, rows, of_trace, noisy, sample_interval_s)
    return Noise(
        level=float(np.sqrt((level**2).sum() / rows.sum())),
        background=background,
        bands=len(bands),
        narrowest=float(min(widths, default=np.nan)),
        widest=float(max(widths, default=np.nan)),
        noisy_percent=100.0 * float(noisy.mean()),
        loudest_ratio=float(of_trace.max()) / background,
        peak_hz=peak_hz,
        low_hz=low_hz,
        high_hz=high_hz,
        correlation=tuple(_correlation(level, rows, noisy, lag) for lag in LAGS),
    )


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.polyfit(x, y, 1)[0])


def _sea_floor_row(image: np.ndarray, direct_row: int) -> float:
    """Where the near traces become loud again after the direct wave and its bubble have passed.

    The onset is where the energy of the next 8 rows most exceeds that of the 8 rows before.
    """
    start, end = 3 * direct_row, min(9 * direct_row, image.shape[0] - 8)
    loud = (image[:, :4].astype(float) - ZERO_LEVEL) ** 2
    energy = np.concatenate([[0.0], np.cumsum(loud.mean(axis=1))])
    row = np.arange(start, end)
    after, before = energy[row + 8] - energy[row], energy[row] - energy[row - 8]
    # A step of a few levels after silence is not an event.
    return float(row[np.argmax(np.log(after + 800.0) - np.log(before + 800.0))])


def _bands(noisy: np.ndarray) -> list[tuple[int, int]]:
    """Runs of noisy traces, single gaps bridged: first trace and the one after the last of each."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], noisy.astype(np.int8), [0]])))
    runs: list[tuple[int, int]] = []
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if runs and first - runs[-1][1] <= _WIDEST_GAP:
            runs[-1] = (runs[-1][0], int(last))
        else:
            runs.append((int(first), int(last)))
    return [(first, last) for first, last in runs if last - first >= _NARROWEST_BAND]


def _spectrum(
    level: np.ndarray, rows: np.ndarray, of_trace: np.ndarray, noisy: np.ndarray, sample_interval_s: float
) -> tuple[float, float, float]:
    """Peak and 10 to 90 % band of the loudest noisy traces, in hertz."""
    if not noisy.any():
        return np.nan, np.nan, np.nan
    count = max(1, min(int(noisy.sum()), round(_LOUDEST_SHARE * noisy.size)))
    loudest = np.argsort(np.where(noisy, of_trace, 0.0))[-count:]
    power = np.zeros(SPECTRUM_SAMPLES // 2 + 1)
    for trace in loudest:
        frequency, one = signal.welch(level[: rows[trace], trace], 1 / sample_interval_s, nperseg=SPECTRUM_SAMPLES)
        power += one
    share = np.cumsum(power) / power.sum()
    low, high = (float(frequency[np.searchsorted(share, part)]) for part in (0.1, 0.9))
    return float(frequency[np.argmax(power)]), low, high


def _correlation(level: np.ndarray, rows: np.ndarray, noisy: np.ndarray, lag: int) -> float:
    """Mean correlation coefficient of pairs of noisy traces this far apart, over the rows that both have."""
    pairs = np.flatnonzero(noisy[:-lag] & noisy[lag:])
    found = []
    for trace in pairs:
        common = min(rows[trace], rows[trace + lag])
        one, other = level[:common, trace], level[:common, trace + lag]
        if one.any() and other.any():
            found.append(float(one @ other / np.sqrt((one @ one) * (other @ other))))
    return float(np.mean(found)) if found else np.nan
