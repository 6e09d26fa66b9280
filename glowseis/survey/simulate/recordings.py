"""Simulated gathers, one or many, the same whatever the number of worker processes."""

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process, resource_tracker

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.gather import LABELS, Recording
from glowseis.survey.simulate.acquisition import Acquisition
from glowseis.survey.simulate.earth import earth_of_line
from glowseis.survey.simulate.events import seismic_events
from glowseis.survey.simulate.labels import PAPER_FRACTIONS, check_fractions, draw_noise
from glowseis.survey.simulate.noise import disturb

SIMULATOR_VERSION = "0.1"
"""Changes whenever the same seed gives other gathers."""

_GATHER_STREAM = 13
_IN_FLIGHT_PER_WORKER = 3


def simulate_recording(
    index: int,
    seed: int,
    acquisition: Acquisition,
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    noise: bool = True,
) -> Recording:
    """Gather `index` of a labelled set: a function of its arguments alone.

    Args:
        index: Number of the gather, from 0.
        seed: Seed of the survey: its lines' geology, its gathers' places and noise.
        acquisition: Size and geometry.
        fractions: Shares of good, medium and bad, in any unit.
        noise: Whether to add the noise. Without it the label says what would have been added.

    Returns:
        The recording, in microbar.

    Raises:
        InputError: Negative index or seed, or fractions that are none.
    """
    if index < 0 or seed < 0:
        raise InputError(f"gather {index} of seed {seed}: give numbers of at least 0")
    shares = check_fractions(fractions)
    streams = np.random.SeedSequence([seed, _GATHER_STREAM, index]).spawn(3)
    label_stream, plan_stream, noise_stream = (np.random.Generator(np.random.Philox(stream)) for stream in streams)
    traces = int(label_stream.integers(acquisition.fewest_traces, acquisition.most_traces + 1))
    label = LABELS[int(np.searchsorted(np.cumsum(shares)[:-1], label_stream.random(), side="right"))]

    position = acquisition.position(index, seed)
    geometry = acquisition.geometry(position, traces, seed)
    earth = earth_of_line(seed, position.sail_line, acquisition)
    pressure = seismic_events(earth, geometry, acquisition)
    if noise:
        plan = draw_noise(label, traces, plan_stream)
        pressure = disturb(pressure, plan, acquisition, noise_stream)
    return Recording(
        gather_id=f"sim{seed}-{index:06d}",
        amplitude=np.ascontiguousarray(pressure.T, dtype=np.float32),
        label=label,
        geometry=geometry,
        source=f"glowseis simulator version {SIMULATOR_VERSION}, seed {seed}",
    )


def simulate_recordings(
    count: int,
    seed: int,
    acquisition: Acquisition,
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    workers: int = 1,
) -> Generator[Recording, None, None]:
    """The first gathers of a labelled set, in order, with memory flat in their number.

    Args:
        count: How many.
        seed: Seed of the survey.
        acquisition: Size and geometry.
        fractions: Shares of good, medium and bad, in any unit.
        workers: Processes that simulate; 1 works in this one.

    Returns:
        The recordings; close the iterator to end the processes before the last one.

    Raises:
        InputError: Fewer than one gather or worker, a negative seed, or fractions that are none; a worker died.
    """
    if count < 1 or workers < 1 or seed < 0:
        raise InputError(
            f"count {count}, workers {workers}, seed {seed}: give at least 1 gather, 1 worker and a seed of at least 0"
        )
    check_fractions(fractions)
    if workers == 1:
        return (simulate_recording(index, seed, acquisition, fractions) for index in range(count))
    return _in_processes(count, seed, acquisition, fractions, min(workers, count))


def _in_processes(
    count: int, seed: int, acquisition: Acquisition, fractions: tuple[float, float, float], workers: int
) -> Generator[Recording, None, None]:
    # Spawned, not forked: TensorFlow's threads do not survive a fork.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker)
    in_flight: deque[Future[Recording]] = deque()
    try:
        for index in range(count):
            with _signals_held():
                in_flight.append(pool.submit(simulate_recording, index, seed, acquisition, fractions))
            if len(in_flight) == workers * _IN_FLIGHT_PER_WORKER:
                yield in_flight.popleft().result()
        while in_flight:
            yield in_flight.popleft().result()
        pool.shutdown()
    except BrokenExecutor:
        _abandon(pool)
        raise InputError("a worker process died (out of memory?); use fewer --workers") from None
    except BaseException:
        _abandon(pool)
        raise


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Hold back signals that stop a command: what starts here inherits that, so the parent alone answers them."""
    resource_tracker.ensure_running()
    former = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _abandon(pool: ProcessPoolExecutor) -> None:
    """End a pool without waiting for its work; a further interruption changes nothing, as one is on its way already.

    Python waits for a pool's processes at its exit, so none of them may be left at work.
    """
    # The pool's own way to end its processes came with Python 3.14.
    processes = list((pool._processes or {}).values())
    while True:
        try:
            for process in processes:
                process.kill()
            pool.shutdown(wait=False, cancel_futures=True)
            return
        except KeyboardInterrupt:
            continue


def _start_worker() -> None:
    """End with the parent even when it was killed."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
