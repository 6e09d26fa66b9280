"""Simulated surveys in memory, made by processes while classifiers are fitted; without TensorFlow."""

import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np

from glowseis.survey.gather import LABELS, Gather
from glowseis.survey.render import ZERO_LEVEL, render_recording
from glowseis.survey.simulate import Acquisition, acquisitions, simulate_recording
from glowseis.transplant import low_band_gather, onto, transplant

BAD = LABELS.index("bad")

PART = 90
"""Gathers that a process makes at a time."""


@dataclass(frozen=True)
class Place:
    """Where gathers come from: everything that a process needs to make one again.

    Attributes:
        seed: Seed of the survey.
        weather: How far bad gathers cluster, 0 to 1.
        fractions: Relative frequencies of good, medium and bad gathers.
        size: Samples and traces of an image.
    """

    seed: int
    weather: float
    fractions: tuple[float, float, float]
    size: tuple[int, int]

    @property
    def acquisitions(self) -> Sequence[Acquisition]:
        """The survey's one acquisition."""
        return acquisitions(*self.size, weather=self.weather)

    def gather(self, index: int) -> Gather:
        """One gather, as it is stored in the survey of this seed."""
        recording = simulate_recording(index, self.seed, self.acquisitions, self.fractions)
        return render_recording(recording, *self.size)


@dataclass(frozen=True)
class Gathers:
    """Some gathers in memory.

    Attributes:
        images: Grey levels, uint8 `[gather, time, trace]`.
        classes: Numbers of their labels, int32 `[gather]`.
        valid: Samples and traces of their valid regions, int32 `[gather, 2]`.
        ids: Gather ids, `[gather]`.
        lines: Sail lines, `[gather]`.
        bands: Low bands of those that are not good, uint8 `[gather, time, trace]`, and zeros for the others; no rows
            unless asked for.
        clips: Clip amplitudes of the low bands, float32 `[gather]`.
    """

    images: np.ndarray
    classes: np.ndarray
    valid: np.ndarray
    ids: np.ndarray
    lines: np.ndarray
    bands: np.ndarray
    clips: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


class Processes:
    """A pool of processes that simulate.

    Args:
        workers: How many.
    """

    def __init__(self, workers: int):
        # Each simulates on one core, without a GPU; it reads these when it imports NumPy.
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"))

    def survey(self, place: Place, count: int, bands: bool = False) -> Callable[[], Gathers]:
        """Start to simulate the first gathers of a survey; the function that is returned waits for them."""
        parts = np.array_split(np.arange(count), max(1, round(count / PART)))
        started = [self._pool.submit(simulated, place, part.tolist(), bands) for part in parts]
        return functools.cache(lambda: _joined([one.result() for one in started]))

    def made(self, function: Callable[..., np.ndarray], place: Place, jobs: Sequence[Any]) -> Callable[[], np.ndarray]:
        """Start to make new gathers of a survey; the function that is returned waits for their images."""
        parts = [jobs[first : first + PART] for first in range(0, len(jobs), PART)]
        started = [self._pool.submit(function, place, part) for part in parts]
        return lambda: np.concatenate([one.result() for one in started])

    def start(self, function: Callable[..., Any], *given: Any) -> "Future[Any]":
        """Start anything else."""
        return self._pool.submit(function, *given)

    def end(self) -> None:
        """End all processes at once, whatever they are doing."""
        for process in list((self._pool._processes or {}).values()):
            process.kill()
        self._pool.shutdown(wait=False, cancel_futures=True)


def simulated(place: Place, indices: Sequence[int], bands: bool) -> Gathers:
    """Some gathers of a survey."""
    every = [place.gather(index) for index in indices]
    low = [low_band_gather(one) if bands and one.label != LABELS[0] else None for one in every]
    blank = np.zeros(place.size, np.uint8)
    return Gathers(
        np.stack([one.image for one in every]),
        np.array([LABELS.index(one.label) for one in every], np.int32),
        np.array([[one.valid_samples, one.valid_traces] for one in every], np.int32),
        np.array([one.gather_id for one in every], object),
        np.array([one.geometry.sail_line for one in every]),
        np.stack([one.image if one else blank for one in low]) if bands else np.zeros((0, *place.size), np.uint8),
        np.array([one.clip_amplitude if one else 0.0 for one in low], np.float32),
    )


def moved(place: Place, moves: Sequence[tuple[int, int, float]]) -> np.ndarray:
    """Images of gathers with other gathers' noise, from hosts, donors and shifts (`glowseis.transplant`)."""
    return np.stack([transplant(place.gather(host), place.gather(donor), by).image for host, donor, by in moves])


def with_noise(place: Place, moves: Sequence[tuple[int, np.ndarray, float]]) -> np.ndarray:
    """Images of gathers with given noise, from hosts, amplitudes `[time, trace]` and shifts."""
    return np.stack([onto(place.gather(host), noise, LABELS[BAD], by).image for host, noise, by in moves])


def within(valid: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Images that are mid-grey outside the valid region of the gather whose place they take."""
    image = np.full_like(levels, ZERO_LEVEL)
    for one, made, (samples, traces) in zip(image, levels, valid, strict=True):
        one[:samples, :traces] = made[:samples, :traces]
    return image


def _joined(parts: Sequence[Gathers]) -> Gathers:
    return Gathers(
        *(np.concatenate(arrays) for arrays in zip(*(tuple(vars(one).values()) for one in parts), strict=True))
    )
