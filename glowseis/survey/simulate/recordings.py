"""Simulated gathers, one or many, the same whatever the number of worker processes."""

import contextlib
import dataclasses
import os
import signal
import threading
import traceback
from collections.abc import Generator
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.gather import LABELS, Recording
from glowseis.survey.simulate.acquisition import Acquisition
from glowseis.survey.simulate.earth import earth_of_line
from glowseis.survey.simulate.events import seismic_events
from glowseis.survey.simulate.labels import PAPER_FRACTIONS, check_fractions, check_settings, draw_noise
from glowseis.survey.simulate.noise import disturb
from glowseis.survey.simulate.plan import NoisePlan
from glowseis.survey.simulate.settings import NoiseSettings

SIMULATOR_VERSION = "1.0"
"""Changes whenever the same seed gives other gathers."""

_GATHER_STREAM = 13
_STOPPING = (signal.SIGINT, signal.SIGTERM)
_ALL_ON = NoiseSettings()


def simulate_recording(
    index: int,
    seed: int,
    acquisition: Acquisition,
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    noise: bool = True,
    settings: NoiseSettings = _ALL_ON,
) -> Recording:
    """Gather `index` of a labelled set: a function of its arguments alone.

    Args:
        index: Number of the gather, from 0.
        seed: Seed of the survey: its lines' geology, its gathers' places and noise.
        acquisition: Size and geometry.
        fractions: Shares of good, medium and bad, in any unit.
        noise: Whether to add the noise. Without it the label says what would have been added.
        settings: Factors of the kinds of noise.

    Returns:
        The recording, in microbar.

    Raises:
        InputError: Negative index or seed, fractions that are none, or settings with which there is no such gather.
    """
    label, traces, _, _ = _drawn(index, seed, acquisition, fractions)
    position = acquisition.position(index, seed)
    geometry = acquisition.geometry(position, traces, seed)
    earth = earth_of_line(seed, position.sail_line, acquisition)
    pressure = seismic_events(earth, geometry, acquisition)
    recording = Recording(
        gather_id=f"sim{seed}-{index:06d}",
        amplitude=np.ascontiguousarray(pressure.T, dtype=np.float32),
        label=label,
        geometry=geometry,
        source=f"glowseis simulator version {SIMULATOR_VERSION}, seed {seed}",
    )
    return with_noise(recording, index, seed, acquisition, fractions, settings) if noise else recording


def with_noise(
    recording: Recording,
    index: int,
    seed: int,
    acquisition: Acquisition,
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    settings: NoiseSettings = _ALL_ON,
) -> Recording:
    """Add its noise to gather `index` simulated without; other fractions may give it another label.

    Args:
        recording: What `simulate_recording` gives with `noise=False` for the same gather.
        index: Number of the gather, from 0.
        seed: Seed of the survey.
        acquisition: Size and geometry.
        fractions: Shares of good, medium and bad, in any unit.
        settings: Factors of the kinds of noise.

    Returns:
        What `simulate_recording` gives with `noise=True`.

    Raises:
        InputError: As of `simulate_recording`.
    """
    label, traces, plan_stream, noise_stream = _drawn(index, seed, acquisition, fractions)
    plan = draw_noise(label, traces, plan_stream, settings)
    noisy = disturb(recording.amplitude.T, plan, acquisition, noise_stream)
    return dataclasses.replace(recording, label=label, amplitude=np.ascontiguousarray(noisy.T))


def noise_of_gather(
    index: int,
    seed: int,
    acquisition: Acquisition,
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    settings: NoiseSettings = _ALL_ON,
) -> tuple[str, NoisePlan]:
    """The label of gather `index` and the noise put into it; `labels.judge` of it is the rule without uncertainty.

    Args:
        index: Number of the gather, from 0.
        seed: Seed of the survey.
        acquisition: Size and geometry.
        fractions: Shares of good, medium and bad, in any unit.
        settings: Factors of the kinds of noise.

    Returns:
        The label that `simulate_recording` gives, and the noise.

    Raises:
        InputError: As of `simulate_recording`.
    """
    label, traces, plan_stream, _ = _drawn(index, seed, acquisition, fractions)
    return label, draw_noise(label, traces, plan_stream, settings)


def _drawn(
    index: int, seed: int, acquisition: Acquisition, fractions: tuple[float, float, float]
) -> tuple[str, int, np.random.Generator, np.random.Generator]:
    """A gather's label, its traces, and the streams of its plan and of its noise."""
    if index < 0 or seed < 0:
        raise InputError(f"gather {index} of seed {seed}: give numbers of at least 0")
    shares = check_fractions(fractions)
    streams = np.random.SeedSequence([seed, _GATHER_STREAM, index]).spawn(3)
    label_stream, plan_stream, noise_stream = (np.random.Generator(np.random.Philox(stream)) for stream in streams)
    traces = int(label_stream.integers(acquisition.fewest_traces, acquisition.most_traces + 1))
    label = LABELS[int(np.searchsorted(np.cumsum(shares)[:-1], label_stream.random(), side="right"))]
    return label, traces, plan_stream, noise_stream


def simulate_recordings(
    count: int,
    seed: int,
    acquisition: Acquisition,
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    workers: int = 1,
    start: int = 0,
    settings: NoiseSettings = _ALL_ON,
) -> Generator[Recording, None, None]:
    """The first gathers of a labelled set, in order, with memory flat in their number.

    Args:
        count: How many there are in all, those before `start` included.
        seed: Seed of the survey.
        acquisition: Size and geometry.
        fractions: Shares of good, medium and bad, in any unit.
        workers: Processes that simulate; 1 works in this one.
        start: Number of the first gather to give; those before it are left out.
        settings: Factors of the kinds of noise.

    Returns:
        The recordings; close the iterator to end the processes before the last one.

    Raises:
        InputError: Fewer than one gather or worker, a negative seed, fractions that are none, or settings with which a
            label that is asked for does not come about; a worker died.
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
        check_settings(shares, acquisition.most_traces, settings)
    if workers == 1:
        return (
            simulate_recording(index, seed, acquisition, fractions, settings=settings) for index in range(start, count)
        )
    workers = min(workers, max(count - start, 1))
    return _in_processes(range(start, count), workers, seed, acquisition, fractions, settings)


def _in_processes(indices: range, workers: int, *survey: Any) -> Generator[Recording, None, None]:
    """Worker k of n makes gathers k, k + n and so on; its pipe holds it back when they are not taken.

    No pool of Python's: killing a worker of theirs while it sends a gather leaves a thread that waits for the rest, and
    Python's exit waits for that thread.
    """
    started: list[tuple[BaseProcess, Connection]] = []
    try:
        for worker in range(workers):
            started.append(_start(indices[worker::workers], *survey))
        for number in range(len(indices)):
            process, reader = started[number % workers]
            try:
                made = reader.recv()
            except (EOFError, OSError):
                # Time for a signal that ended workers and us alike.
                process.join(1.0)
                raise InputError("a worker process died (out of memory?); use fewer --workers") from None
            if isinstance(made, Exception):
                raise made
            yield made
    finally:
        _end(started)


def _start(indices: range, *survey: Any) -> tuple[BaseProcess, Connection]:
    """A process that makes gathers, and where they come out."""
    # Spawned, not forked: TensorFlow's threads do not survive a fork.
    context = get_context("spawn")
    resource_tracker.ensure_running()
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(writer, indices, *survey), daemon=True)
    # A process inherits what is held back, and Ctrl-C at its start would make it print a traceback.
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
        writer.close()
    return process, reader


def _end(started: list[tuple[BaseProcess, Connection]]) -> None:
    """End processes whatever they do; an interruption waits until that is done."""
    interruption = None
    while True:
        try:
            for process, _ in started:
                process.kill()
            for process, reader in started:
                process.join()
                reader.close()
            break
        except KeyboardInterrupt as wrong:
            interruption = wrong
    if interruption:
        raise interruption


def _work(
    writer: Connection,
    indices: range,
    seed: int,
    acquisition: Acquisition,
    fractions: tuple[float, float, float],
    settings: NoiseSettings,
) -> None:
    """Make gathers and send them. Interruptions are the parent's; it is followed when it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # When there is no more memory there is none for telling either: the parent sees the pipe's end.
    with contextlib.suppress(BrokenPipeError, MemoryError):
        for index in indices:
            made: Recording | Exception
            try:
                made = simulate_recording(index, seed, acquisition, fractions, settings=settings)
            except MemoryError:
                raise
            except Exception as wrong:
                wrong.add_note(traceback.format_exc())
                made = wrong
            writer.send(made)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
