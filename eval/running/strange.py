"""Recordings that are not like marine shot gathers, or were read wrongly, for `eval.unlike`."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import irfft, rfft, rfftfreq
from scipy.ndimage import gaussian_filter
from scipy.signal import hilbert, resample, resample_poly

from glowseis.errors import InputError
from glowseis.survey.gather import Recording
from glowseis.survey.matching.bringing import traces_taken

if TYPE_CHECKING:
    from glowseis.export.classifier import SavedClassifier
    from glowseis.run.grading import Graded

Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
"""New amplitudes `[time, trace]` from amplitudes, the sample interval in seconds and random numbers."""


def _like_noise(amplitude: np.ndarray, _: float, random: np.random.Generator) -> np.ndarray:
    return random.standard_normal(amplitude.shape)


def _like_clouds(amplitude: np.ndarray, _: float, random: np.random.Generator) -> np.ndarray:
    """Smooth in time and along the cable, as a photograph is."""
    noise = random.standard_normal(amplitude.shape)
    return sum(width * gaussian_filter(noise, width) for width in (1, 3, 9, 27))


def _land(amplitude: np.ndarray, interval_s: float, random: np.random.Generator) -> np.ndarray:
    """A split spread: the near half of the cable mirrored, statics, and ground roll, slow and three times as loud."""
    traces = amplitude.shape[1]
    near = amplitude[:, ::-1][:, -(traces // 2) :]
    spread = np.concatenate([near, amplitude[:, : traces - traces // 2]], axis=1)
    time_s, away = np.arange(len(spread)) * interval_s, np.abs(np.arange(traces) - traces // 2)
    for trace in range(traces):
        spread[:, trace] = np.roll(spread[:, trace], round(random.normal(0, 1.5)))
    arrival_s = away[np.newaxis] * 25.0 / 600.0
    behind_s = time_s[:, np.newaxis] - arrival_s
    roll = np.sin(2 * np.pi * (14.0 * behind_s - 6.0 * behind_s**2)) * np.exp(-((behind_s / 0.4) ** 2)) * (behind_s > 0)
    return spread + 3.0 * spread.std() * roll


def _section(amplitude: np.ndarray, _: float, random: np.random.Generator) -> np.ndarray:
    """A stacked section: one trace repeated, bent by geology."""
    bend = 12.0 * gaussian_filter(random.standard_normal(amplitude.shape[1]), 25) * 25**0.5
    noise = 0.1 * amplitude.std() * random.standard_normal(amplitude.shape)
    middle = amplitude[:, amplitude.shape[1] // 4]
    return np.stack([np.roll(middle, round(one)) for one in bend], axis=1) + noise


def _by_frequency(power: float) -> Change:
    """Multiplied by a power of frequency: 1 differentiates, -1 integrates; below 2 Hz as at 2 Hz."""

    def change(amplitude: np.ndarray, interval_s: float, _: np.random.Generator) -> np.ndarray:
        spectrum = rfft(amplitude, axis=0)
        frequency = np.maximum(rfftfreq(len(amplitude), interval_s), 2.0)[:, np.newaxis]
        return irfft(spectrum * (1j * frequency) ** power, len(amplitude), axis=0)

    return change


def _limited(amplitude: np.ndarray, *_: object) -> np.ndarray:
    limit = np.quantile(np.abs(amplitude[amplitude != 0]), 0.5)
    return np.clip(amplitude, -limit, limit)


def _striped(amplitude: np.ndarray, *_: object) -> np.ndarray:
    return np.where(np.arange(amplitude.shape[1]) % 2, 0.0, amplitude)


LIKE: dict[str, Change] = {
    "as they are": lambda amplitude, *_: amplitude,
    "a thousand times as large": lambda amplitude, *_: 1e3 * amplitude,
    "other polarity, a constant added": lambda amplitude, *_: 3.0 * amplitude.std() - amplitude,
}
"""Changes that make no gather unlike."""

STRANGE: dict[str, Change] = {
    "white noise": _like_noise,
    "smooth pictures": _like_clouds,
    "land: split spread, statics, ground roll": _land,
    "stacked section": _section,
    "time reversed": lambda amplitude, *_: amplitude[::-1],
    "time and traces exchanged": lambda amplitude, *_: amplitude[: min(amplitude.shape), : min(amplitude.shape)].T,
    "traces shuffled": lambda amplitude, _, random: amplitude[:, random.permutation(amplitude.shape[1])],
    "sampled at 4 ms, read as 8 ms": lambda amplitude, *_: resample(amplitude, 2 * len(amplitude))[: len(amplitude)],
    "sampled at 16 ms, read as 8 ms": lambda amplitude, *_: resample_poly(amplitude, 1, 2),
    "integrated": _by_frequency(-1.0),
    "differentiated": _by_frequency(1.0),
    "envelopes": lambda amplitude, *_: np.abs(hilbert(amplitude, axis=0)),
    "clipped at the median": _limited,
    "every other trace missing": _striped,
}
"""Changes that should make a gather unlike."""


def changed(recording: Recording, change: Change, random: np.random.Generator) -> Recording:
    """A recording with a change; its geometry stays that of the traces that it has.

    Args:
        recording: The recording.
        change: The change.
        random: Where random numbers come from.
    """
    amplitude = change(recording.amplitude.astype(np.float64), recording.geometry.sample_interval_s, random)
    return replace(
        recording,
        amplitude=np.ascontiguousarray(amplitude, np.float32),
        geometry=traces_taken(recording.geometry, slice(0, amplitude.shape[1])),
    )


def graded(classifier: "SavedClassifier", recordings: Iterable[Recording]) -> "list[Graded | None]":
    """Grades of recordings; None for those that are refused, as `classify` refuses them.

    Args:
        classifier: What grades them.
        recordings: The recordings.
    """
    from glowseis.run.grading import grade_recordings

    grades: list[Graded | None] = []
    for one in recordings:
        try:
            grades += grade_recordings(classifier, [one])
        except InputError:
            grades.append(None)
    return grades
