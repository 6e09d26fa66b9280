"""Simulated gathers, one or many, the same whatever the number of worker processes."""

import contextlib
import dataclasses
import traceback
from collections.abc import Generator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np

from glowseis.errors import InputError
from glowseis.processes import as_worker, end, started
from glowseis.survey.gather import LABELS, Recording
from glowseis.survey.simulate.acquisition import Acquisition, Position
from glowseis.survey.simulate.earth import earth_of_line
from glowseis.survey.simulate.events import seismic_events
from glowseis.survey.simulate.labels import PAPER_FRACTIONS, check_fractions, check_settings, draw_noise
from glowseis.survey.simulate.noise import disturb
from glowseis.survey.simulate.plan import NoisePlan
from glowseis.survey.simulate.recorder import recorded
from glowseis.survey.simulate.settings import LARGEST_FACTOR, NoiseSettings
from glowseis.survey.simulate.weather import weathered

SIMULATOR_VERSION = "2.3"
"""Changes whenever the same seed gives different gathers."""

_GATHER_STREAM = 13
_ALL_ON = NoiseSettings()


def simulate_recording(
    index: int,
    seed: int,
    survey: Acquisition | Sequence[Acquisition],
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    noise: bool = True,
    settings: NoiseSettings = _ALL_ON,
) -> Recording:
    """Gather `index` of a labelled set; it depends only on the arguments.

    Args:
        index: Number of the gather, from 0.
        seed: Seed of the survey: its lines' geology, its gathers' places and noise.
        survey: Size and geometry; of several acquisitions each gives every n-th gather.
        fractions: Shares of good, medium and bad, in any unit.
        noise: Whether to add the noise. If not, the label is still that of the gather with noise.
        settings: Factors of the kinds of noise.

    Returns:
        The recording, in microbar, traces and polarity as the acquisition's recorder has them.

    Raises:
        InputError: The index or seed is negative, the fractions are wrong, or the settings allow no such gather.
    """
    events = simulate_events(index, seed, survey, fractions)
    if noise:
        return with_noise(events, index, seed, survey, fractions, settings)
    return _recorded(events, _drawn(index, seed, survey, fractions))


def simulate_events(
    index: int,
    seed: int,
    survey: Acquisition | Sequence[Acquisition],
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
) -> Recording:
    """Gather `index` before its noise and before the recorder, near trace first, with the recorder's gain.

    Args:
        index: Number of the gather, from 0.
        seed: Seed of the survey.
        survey: As for `simulate_recording`.
        fractions: Shares of good, medium and bad, in any unit.

    Returns:
        The events, in microbar, 4 % of them above `CLIP_MICROBAR`.

    Raises:
        InputError: As in `simulate_recording`.
    """
    drawn = _drawn(index, seed, survey, fractions)
    acquisition = drawn.acquisition
    geometry = acquisition.geometry(drawn.position, drawn.traces, seed)
    earth = earth_of_line(seed, drawn.position.sail_line, acquisition)
    pressure = seismic_events(earth, geometry, acquisition)
    which = f", acquisition {acquisition.number}" if acquisition.number else ""
    return Recording(
        gather_id=_gather_id(index, drawn),
        amplitude=np.ascontiguousarray(pressure.T, dtype=np.float32),
        label=drawn.label,
        geometry=geometry,
        source=f"glowseis simulator version {SIMULATOR_VERSION}, seed {seed}{which}",
    )


def with_noise(
    events: Recording,
    index: int,
    seed: int,
    survey: Acquisition | Sequence[Acquisition],
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    settings: NoiseSettings = _ALL_ON,
) -> Recording:
    """Add its noise to the events of gather `index`, and record it; other fractions may give it another label.

    Args:
        events: What `simulate_events` returns for the same gather.
        index: Number of the gather, from 0.
        seed: Seed of the survey.
        survey: As for `simulate_recording`.
        fractions: Shares of good, medium and bad, in any unit.
        settings: Factors of the kinds of noise.

    Returns:
        What `simulate_recording` returns with `noise=True`.

    Raises:
        InputError: As in `simulate_recording`.
    """
    drawn = _drawn(index, seed, survey, fractions)
    plan = _planned(drawn, settings)
    noisy = disturb(events.amplitude.T, plan, drawn.acquisition, drawn.noise_stream)
    return _recorded(dataclasses.replace(events, label=drawn.label, amplitude=noisy.T), drawn)


def noise_alone(
    index: int,
    seed: int,
    survey: Acquisition | Sequence[Acquisition],
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    settings: NoiseSettings = _ALL_ON,
) -> np.ndarray:
    """What gather `index` would be without events: its noise, before the recorder, near trace first.

    Channels that leak, are weak, reversed or dead change the events too, which this does not show.

    Args:
        index: Number of the gather, from 0.
        seed: Seed of the survey.
        survey: As for `simulate_recording`.
        fractions: Shares of good, medium and bad, in any unit.
        settings: Factors of the kinds of noise.

    Returns:
        Pressure, float32 `[time, trace]`, in microbar.

    Raises:
        InputError: As in `simulate_recording`.
    """
    drawn = _drawn(index, seed, survey, fractions)
    silence = np.zeros((drawn.traces, drawn.acquisition.samples), np.float32)
    return disturb(silence, _planned(drawn, settings), drawn.acquisition, drawn.noise_stream).T


def noise_of_gather(
    index: int,
    seed: int,
    survey: Acquisition | Sequence[Acquisition],
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    settings: NoiseSettings = _ALL_ON,
) -> tuple[str, NoisePlan]:
    """The label of gather `index` and the noise put into it; `labels.judge` of it is the rule without uncertainty.

    Args:
        index: Number of the gather, from 0.
        seed: Seed of the survey.
        survey: As for `simulate_recording`.
        fractions: Shares of good, medium and bad, in any unit.
        settings: Factors of the kinds of noise.

    Returns:
        The label that `simulate_recording` returns, and the noise.

    Raises:
        InputError: As in `simulate_recording`.
    """
    drawn = _drawn(index, seed, survey, fractions)
    return drawn.label, _planned(drawn, settings)


def place_and_label(
    index: int,
    seed: int,
    survey: Acquisition | Sequence[Acquisition],
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
) -> tuple[str, Position, str]:
    """Id, position and label of gather `index`; arguments and errors are those of `simulate_events`."""
    drawn = _drawn(index, seed, survey, fractions)
    return _gather_id(index, drawn), drawn.position, drawn.label


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """Values drawn for a gather before anything is computed."""

    seed: int
    acquisition: Acquisition
    position: Position
    label: str
    traces: int
    plan_stream: np.random.Generator
    noise_stream: np.random.Generator
    recorder_stream: np.random.Generator


def _drawn(
    index: int, seed: int, survey: Acquisition | Sequence[Acquisition], fractions: tuple[float, float, float]
) -> _Drawn:
    if index < 0 or seed < 0:
        raise InputError(f"gather {index} of seed {seed}: give numbers of at least 0")
    shares = check_fractions(fractions)
    acquisitions = [survey] if isinstance(survey, Acquisition) else survey
    acquisition = acquisitions[index % len(acquisitions)]
    position = acquisition.position(index // len(acquisitions), seed)
    streams = np.random.SeedSequence([seed, _GATHER_STREAM, index]).spawn(4)
    label_stream, *others = (np.random.Generator(np.random.Philox(stream)) for stream in streams)
    traces = int(label_stream.integers(acquisition.fewest_traces, acquisition.most_traces + 1))
    severity = label_stream.random()
    if acquisition.weather:
        severity = weathered(severity, position, seed, acquisition)
    label = LABELS[int(np.searchsorted(np.cumsum(shares)[:-1], severity, side="right"))]
    return _Drawn(seed, acquisition, position, label, traces, *others)


def _gather_id(index: int, drawn: _Drawn) -> str:
    # Gathers of different acquisitions have the same seed and index but differ.
    acquired = f"a{drawn.acquisition.number}-" if drawn.acquisition.number else ""
    return f"sim{drawn.seed}-{acquired}{index:06d}"


def _planned(drawn: _Drawn, settings: NoiseSettings) -> NoisePlan:
    """The noise of a gather, swell as loud as in its acquisition's sea."""
    swell = min(settings.swell * drawn.acquisition.sea.loudness, LARGEST_FACTOR)
    return draw_noise(drawn.label, drawn.traces, drawn.plan_stream, dataclasses.replace(settings, swell=swell))


def _recorded(recording: Recording, drawn: _Drawn) -> Recording:
    """A gather as the acquisition's recorder stores it."""
    earth = earth_of_line(drawn.seed, drawn.position.sail_line, drawn.acquisition)
    amplitude, geometry = recorded(
        recording.amplitude.T,
        recording.geometry,
        float(earth.time_s[0]),
        drawn.acquisition.recorder,
        drawn.recorder_stream,
    )
    return dataclasses.replace(recording, amplitude=np.ascontiguousarray(amplitude.T), geometry=geometry)


def simulate_recordings(
    count: int,
    seed: int,
    survey: Acquisition | Sequence[Acquisition],
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    workers: int = 1,
    start: int = 0,
    settings: NoiseSettings = _ALL_ON,
) -> Generator[Recording, None, None]:
    """The first gathers of a labelled set, in order, with memory that does not grow with their number.

    Args:
        count: Total number, including those before `start`.
        seed: Seed of the survey.
        survey: As for `simulate_recording`.
        fractions: Shares of good, medium and bad, in any unit.
        workers: Processes that simulate; 1 uses this one.
        start: Number of the first gather to yield; those before it are left out.
        settings: Factors of the kinds of noise.

    Returns:
        The recordings; close the iterator to end the processes before the last one.

    Raises:
        InputError: There is less than one gather or worker, the seed is negative, the fractions are wrong, a requested
            label cannot occur with the settings, or a worker died.
        ValueError: `start` is beyond the count.
    """
    if not 0 <= start <= max(count, 0):
        raise ValueError(f"start is {start} of {count}; give 0 to {count}")
    if count < 1 or workers < 1 or seed < 0:
        raise InputError(
            f"count {count}, workers {workers}, seed {seed}: give at least 1 gather, 1 worker and a seed of at least 0"
        )
    shares = check_fractions(fractions)
    if settings != _ALL_ON:
        acquisitions = [survey] if isinstance(survey, Acquisition) else survey
        check_settings(shares, max(one.most_traces for one in acquisitions), settings)
    if workers == 1:
        return (simulate_recording(index, seed, survey, fractions, settings=settings) for index in range(start, count))
    workers = min(workers, max(count - start, 1))
    return _in_processes(range(start, count), workers, seed, survey, fractions, settings)


def _in_processes(indices: range, workers: int, *survey: Any) -> Generator[Recording, None, None]:
    """Worker k of n makes gathers k, k + n and so on; its pipe holds it back when they are not taken.

    Python's pools are not used: killing one of their workers while it sends a gather leaves a thread that waits for the
    rest, and Python's exit waits for that thread.
    """
    workers_of: list[tuple[BaseProcess, Connection]] = []
    try:
        for worker in range(workers):
            workers_of.append(_start(indices[worker::workers], *survey))
        for number in range(len(indices)):
            process, reader = workers_of[number % workers]
            try:
                made = reader.recv()
            except (EOFError, OSError):
                # Allow time for a signal that ended both workers and this process.
                process.join(1.0)
                raise InputError("a worker process died (out of memory?); use fewer --workers") from None
            if isinstance(made, Exception):
                raise made
            yield made
    finally:
        end([process for process, _ in workers_of])
        for _, reader in workers_of:
            reader.close()


def _start(indices: range, *survey: Any) -> tuple[BaseProcess, Connection]:
    """A process that makes gathers, and the connection that yields them."""
    reader, writer = Pipe(duplex=False)
    try:
        return started(_work, writer, indices, *survey), reader
    finally:
        writer.close()


def _work(
    writer: Connection,
    indices: range,
    seed: int,
    survey: Acquisition | Sequence[Acquisition],
    fractions: tuple[float, float, float],
    settings: NoiseSettings,
) -> None:
    """Make gathers and send them."""
    as_worker()
    # Out of memory, there is none for a report either: the parent sees the end of the pipe.
    with contextlib.suppress(BrokenPipeError, MemoryError):
        for index in indices:
            made: Recording | Exception
            try:
                made = simulate_recording(index, seed, survey, fractions, settings=settings)
            except MemoryError:
                raise
            except Exception as wrong:
                wrong.add_note(traceback.format_exc())
                made = wrong
            writer.send(made)
