"""What the page draws: a gather's samples, band-passed or as they are, its axes, and the spectra of a part of it."""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import signal

from glowseis.errors import InputError
from glowseis.survey.gather import Gather
from glowseis.survey.render import ZERO_LEVEL
from glowseis.survey.store.survey import Survey

FULL_SCALE = 1 << 14
"""What stands for the clip amplitude in samples that are sent, so that a band-passed one may exceed it twice."""

ORDER = 4
"""Order of the Butterworth filter, which is applied forwards and backwards."""

RANGE_DB = 50.0
"""How far below the largest value an f-k spectrum reaches."""

SMALLEST_WINDOW = 8
"""Samples and traces that a window needs for spectra."""

SLOWEST = 1e-6
"""Lowest frequency, as a share of the Nyquist frequency, that is not taken as 0: no record is long enough for its
period, and no filter is stable there."""


@dataclass(frozen=True)
class Axes:
    """Where samples and traces of an image lie.

    Attributes:
        start_s: Time of the first row after the shot, in seconds.
        interval_s: Time between two rows, in seconds; NaN if it is unknown.
        trace: Number of each column's trace in the recording, from 1, float64 `[trace]`; whole unless it was resized.
        channel: Channel number of that trace, or of the nearest one, int64 `[trace]`; 0 where it has none.
        offset_m: Offset of each column, in metres, float64 `[trace]`; NaN where it is unknown.
    """

    start_s: float
    interval_s: float
    trace: np.ndarray
    channel: np.ndarray
    offset_m: np.ndarray

    @property
    def spacing_m(self) -> float:
        """Median distance between neighbouring columns, in metres; NaN if it is unknown or zero."""
        steps = np.abs(np.diff(self.offset_m))
        steps = steps[np.isfinite(steps)]
        return float(np.median(steps)) if len(steps) and np.median(steps) > 0 else np.nan


def axes_of(gather: Gather) -> Axes:
    """The axes of the valid region of a gather's image.

    Args:
        gather: The gather; if it was resized, rows and columns lie between samples and traces of the recording.
    """
    geometry, traces = gather.geometry, gather.valid_traces
    interval_s = geometry.sample_interval_s if geometry.sample_interval_s > 0 else np.nan
    start_s = geometry.start_s if np.isfinite(geometry.start_s) else 0.0
    column = np.arange(traces, dtype=np.float64)
    offset_m = np.asarray(geometry.offset_m, np.float64)
    if gather.fit == "resize" and gather.recorded_shape:
        samples, recorded = gather.recorded_shape
        stretch = samples / gather.valid_samples
        start_s += (stretch / 2 - 0.5) * (0.0 if np.isnan(interval_s) else interval_s)
        interval_s *= stretch
        column = np.clip((column + 0.5) * recorded / traces - 0.5, 0, recorded - 1)
        offset_m = np.interp(column, np.arange(recorded), offset_m)
    channel = np.asarray(geometry.channel, np.int64)[np.floor(column + 0.5).astype(int)]
    return Axes(float(start_s), float(interval_s), column + 1, channel, offset_m)


def amplitudes(gather: Gather) -> np.ndarray:
    """The valid region of a gather's image in units of its clip, float64 `[time, trace]`, from -1 to 127/128."""
    image = gather.image[: gather.valid_samples, : gather.valid_traces]
    return (image.astype(np.float64) - ZERO_LEVEL) / ZERO_LEVEL


def band_passed(amplitude: np.ndarray, interval_s: float, band_hz: tuple[float, float]) -> np.ndarray:
    """Keep the frequencies of a band, without a shift in time.

    Args:
        amplitude: Any amplitudes, `[time, trace]`.
        interval_s: Time between two samples, in seconds.
        band_hz: Lowest and highest frequency; 0 for no lowest, and the Nyquist frequency or more for no highest one.

    Returns:
        float64 `[time, trace]`.

    Raises:
        InputError: The sample interval is unknown, or no frequency lies in the band.
    """
    low, high = band_hz
    if not interval_s > 0:
        raise InputError("the sample interval is unknown, so frequencies are too; give --sample-interval to ingest")
    nyquist = 0.5 / interval_s
    if low < SLOWEST * nyquist:
        low = min(low, 0.0)
    if not 0 <= low < min(high, nyquist) or high < SLOWEST * nyquist:
        raise InputError(f"no frequency from {low:g} to {high:g} Hz: use a band between 0 and {nyquist:g} Hz")
    edges: float | list[float]
    if low > 0 and high < nyquist:
        kind, edges = "bandpass", [low, high]
    elif low > 0:
        kind, edges = "highpass", low
    elif high < nyquist:
        kind, edges = "lowpass", high
    else:
        return amplitude
    sections = signal.butter(ORDER, edges, kind, fs=1 / interval_s, output="sos")
    padding = min(len(amplitude) - 1, round(max(64, 1 / (max(low, 1.0) * interval_s))))
    return signal.sosfiltfilt(sections, amplitude, axis=0, padlen=padding)


def samples_of(amplitude: np.ndarray) -> bytes:
    """Amplitudes in units of the clip as the page takes them: int16, little-endian, trace after trace."""
    scaled = np.rint(amplitude.T * FULL_SCALE)
    return np.clip(scaled, -(1 << 15), (1 << 15) - 1).astype("<i2").tobytes()


def spectra(gather: Gather, rows: tuple[int, int], columns: tuple[int, int]) -> dict[str, Any]:
    """The spectra of a window, tapered at its sides.

    Args:
        gather: The gather.
        rows: First row and the one after the last.
        columns: First column and the one after the last.

    Returns:
        `frequency_hz`, the largest one, and `db`, the mean over traces of the amplitude at equally spaced frequencies
        from 0 on, relative to its largest; `wavenumber`, the largest one, `per`, what it counts cycles per, and `fk`,
        the f-k spectrum as base64 of uint8 `[frequency, wavenumber]`, 255 at its largest and 0 at `RANGE_DB` below,
        with `shape`. Wavenumbers run from minus the largest; they are positive where events come later at later traces.

    Raises:
        InputError: The window is too small.
    """
    axes, amplitude = axes_of(gather), amplitudes(gather)
    first, last = (max(0, min(rows)), max(rows))
    left, right = (max(0, min(columns)), max(columns))
    window = amplitude[first:last, left:right]
    if min(window.shape) < SMALLEST_WINDOW:
        raise InputError(f"the window is too small for spectra: drag at least {SMALLEST_WINDOW} samples and traces")
    window = window - window.mean(axis=0)
    tapered = window * np.hanning(len(window) + 2)[1:-1, np.newaxis]
    # Padded to an even number of samples, so that the Nyquist frequency comes last, and to an odd number of traces,
    # so that wavenumber 0 is in the middle.
    even, odd = len(window) + len(window) % 2, window.shape[1] | 1
    mean = np.abs(np.fft.rfft(tapered, even, axis=0)).mean(axis=1)
    both = tapered * np.hanning(window.shape[1] + 2)[1:-1]
    # Of exp(i (2 pi f t - k x)), so that k is positive where an event moves towards later traces.
    plane = np.abs(np.fft.fftshift(np.fft.fft(np.fft.rfft(both, even, axis=0), odd, axis=1), axes=1))[:, ::-1]
    levels = np.clip(255 * (1 + _db(plane) / RANGE_DB), 0, 255).astype(np.uint8)
    interval_s = axes.interval_s if axes.interval_s > 0 else 1.0
    spacing_m = axes.spacing_m
    return {
        "frequency_hz": 0.5 / interval_s,
        "of": "Hz" if axes.interval_s > 0 else "cycles per sample",
        "db": np.round(_db(mean), 2).tolist(),
        "wavenumber": 0.5 if np.isnan(spacing_m) else 0.5 / spacing_m,
        "per": "trace" if np.isnan(spacing_m) else "m",
        "shape": list(levels.shape),
        "fk": base64.b64encode(levels.tobytes()).decode(),
    }


def neighbours(survey: Survey) -> list[tuple[str, str]]:
    """Ids of the gathers of the shot before and the shot after, on the same line and cable; empty for none.

    Args:
        survey: The survey.

    Returns:
        A pair for each gather, in the order of the index. Synthetic gathers have none.
    """
    index = survey.index
    found = [("", "")] * len(index)
    recorded = index[(index["parents"] == "").to_numpy()]
    unnumbered = recorded["source"].where(recorded["sail_line"] == 0, "")
    for _, line in recorded.groupby([recorded["sail_line"], unnumbered, recorded["cable"]], sort=False):
        shots = line.sort_values("shot", kind="stable")
        ids = ["", *shots["gather_id"].astype(str), ""]
        for place, row in enumerate(shots.index, start=1):
            found[row] = (ids[place - 1], ids[place + 1])
    return found


def _db(amplitude: np.ndarray) -> np.ndarray:
    """Decibels relative to the largest; far below it where there is nothing."""
    largest = amplitude.max()
    return 20 * np.log10(np.maximum(amplitude / largest if largest else amplitude, 1e-6))
