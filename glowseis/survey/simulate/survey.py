"""A simulated survey, in memory or on disk, where a stopped simulation can be resumed."""

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, SupportsIndex

from glowseis.errors import InputError
from glowseis.files import resumable_folder
from glowseis.machine import cores
from glowseis.survey.gather import Gather, source_text
from glowseis.survey.progress import progress
from glowseis.survey.render import render_recording
from glowseis.survey.simulate.labels import PAPER_FRACTIONS
from glowseis.survey.simulate.settings import parse_noise
from glowseis.survey.simulate.simulation import Simulation
from glowseis.survey.size import parse_size, size_text
from glowseis.survey.store.survey import take_up, write_records
from glowseis.version import __version__

SEGY = "survey.segy"
"""The SEG-Y file in the survey's folder, if requested."""

TRUTH = "truth.csv"
"""The table of labels in the survey's folder, if its records have none."""


def simulate_survey(
    simulation: Simulation,
    out: Path,
    about: dict[str, Any],
    *,
    workers: int = 0,
    segy: bool | None = None,
    unlabelled: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Simulate gathers and write them as a survey; after a stop, the same call resumes where it was.

    Args:
        simulation: The gathers to simulate.
        out: Folder to make.
        about: What the manifest says about them, as JSON; it identifies stopped work.
        workers: Processes that simulate; 0 uses one for each core.
        segy: Whether `SEGY` is written beside the records, all of one length; None writes none.
        unlabelled: Whether the records have no labels, and `TRUTH` has them instead.
        tell: Called with a line for the user if stopped work is resumed.

    Raises:
        InputError: `out` exists already, other work was stopped there, or a worker died.
        StoppedError: It was interrupted; what was made is kept.
        OSError: The disk is full or not writable.
    """
    workers = workers or cores()
    work = {"glowseis": __version__, **about, **({} if segy is None else {"segy": segy})}
    work |= {"unlabelled": True} if unlabelled else {}
    made = simulation.recordings(workers)
    with resumable_folder(out, work) as (folder, keep), contextlib.ExitStack() as stack:
        beside = None
        if segy:
            from glowseis.survey.simulate.segy_beside import SegyBeside

            beside = SegyBeside(stack.enter_context((folder / SEGY).open("ab")), simulation.seed)
        written = take_up(folder, is_whole=beside.holds if beside else None)
        if beside:
            beside.cut()
        done = len(written)
        if done:
            tell(f"{source_text(out)}: resuming after {done} of {simulation.count} gathers")
            made = simulation.recordings(workers, done)

        def gathers() -> Generator[Gather, None, None]:
            # Worker processes end with their iterator, before anything else is cleaned up.
            with contextlib.closing(made):
                for recording in progress(made, simulation.count, "simulating", done):
                    if beside:
                        beside.write(recording)
                    kept = dataclasses.replace(recording, label="") if unlabelled else recording
                    yield render_recording(kept, *simulation.size)
                    keep()

        rendered = stack.enter_context(contextlib.closing(gathers()))
        write_records(folder, rendered, simulation.size, about, written=written)
        if unlabelled:
            (folder / TRUTH).write_text("".join(f"{row}\n" for row in simulation.truth()), encoding="utf-8")


def simulate_gathers(
    count: int,
    seed: int = 7,
    size: str | tuple[int, int] = "896x640",
    *,
    fractions: tuple[float, float, float] = PAPER_FRACTIONS,
    noise: Mapping[str, float] | None = None,
    acquisitions: int = 0,
    first_acquisition: int = 1,
    weather: float = 0.0,
    workers: int = 1,
) -> list[Gather]:
    """Simulate labelled marine shot gathers in memory.

    >>> import glowseis
    >>> gathers = glowseis.simulate_gathers(4, seed=1, size="112x80", noise={"swell": 2.0})
    >>> gathers[0].image.shape, gathers[0].label
    ((112, 80), 'medium')

    Args:
        count: Number of gathers; with the same seed, a larger number begins with the same ones.
        seed: Seed of the survey.
        size: Samples x traces of the images, such as `112x80` or `(112, 80)`; a smaller size is a smaller
            acquisition.
        fractions: Shares of good, medium and bad, in any unit.
        noise: Factors by kind of noise, such as `{"swell": 0}`; see `glowseis.survey.simulate.NOISE_KINDS`.
        acquisitions: How many acquisitions are drawn; 0 for only the paper's.
        first_acquisition: Number of the first drawn one.
        weather: How far the weather along a line decides how noisy a gather is, 0 to 1.
        workers: Processes that simulate. With more than one, your script must be importable without running.

    Returns:
        The gathers, 0.6 MB each at 896 x 640: images uint8 `[time, trace]` with label and geometry.

    Raises:
        InputError: A number is out of range or none, a kind of noise is unknown, or there are no such gathers.
    """
    wanted = {"count": count, "seed": seed, "acquisitions": acquisitions, "first_acquisition": first_acquisition}
    for name, value in {**wanted, "workers": workers}.items():
        if not isinstance(value, SupportsIndex):
            raise InputError(f"{name} is {value!r}; give a whole number")
    try:
        weather, (good, medium, bad) = float(weather), map(float, fractions)
    except (TypeError, ValueError):
        raise InputError(
            f"weather {weather!r}, fractions {fractions!r}: give a number and three numbers, such as 0.5 and "
            "(60, 30, 10)"
        ) from None
    height, width = parse_size(size_text(size))
    settings = parse_noise(f"{kind}={factor}" for kind, factor in (noise or {}).items())
    shares = (good, medium, bad)
    simulation = Simulation(count, seed, (height, width), shares, acquisitions, first_acquisition, weather, settings)
    with contextlib.closing(simulation.recordings(workers)) as made:
        return [render_recording(recording, height, width) for recording in made]
