"""The command that makes a survey of simulated marine shot gathers."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

import glowseis
from glowseis.command import run
from glowseis.errors import InputError
from glowseis.survey.gather import Gather, Recording, source_text

SEGY = "survey.segy"
"""What --segy writes into the survey's folder."""

SEGY_BYTES, TRACE_BYTES, SAMPLE_BYTES = 3600, 240, 4
"""Lengths of a SEG-Y file's headers, a trace's header and a sample, as --segy writes them."""


def main(
    *,
    out: Annotated[Path, typer.Option(help="Folder of the survey to be made.")] = Path("surveys/simulated"),
    count: Annotated[int, typer.Option(help="Number of gathers.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the survey; the same seed makes the same gathers.")] = 7,
    size: Annotated[str, typer.Option(help="Samples x traces; a smaller size is a smaller acquisition.")] = "896x640",
    fractions: Annotated[str, typer.Option(help="Per cent good, medium, bad.")] = "66.68,31.54,1.76",
    workers: Annotated[int, typer.Option(help="Processes; 0 takes one for each core.")] = 0,
    noise: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=FACTOR", help="Change one kind of noise, such as swell=0 (off); repeatable."),
    ] = None,
    acquisitions: Annotated[
        int,
        typer.Option(
            help="Number of acquisitions to draw, differing in water, source, cable and recorder; 0: the paper's."
        ),
    ] = 0,
    first_acquisition: Annotated[int, typer.Option(help="Number of the first of them.")] = 1,
    weather: Annotated[
        float,
        typer.Option(help="How far the weather along a line decides how noisy a gather is: 0 not at all, 1 alone."),
    ] = 0.0,
    segy: Annotated[bool, typer.Option("--segy", help="Write survey.segy beside the records too.")] = False,
) -> None:
    """Make a survey of simulated marine shot gathers with labels.

    Stopped or killed, the same command goes on where it was.

    Example: python -m glowseis.simulate --out surveys/small --count 1000 --size 112x80
    """
    from glowseis.files import check_output, resumable_folder
    from glowseis.survey import simulate
    from glowseis.survey.progress import progress
    from glowseis.survey.size import parse_size

    height, width = parse_size(size)
    survey = simulate.acquisitions(height, width, acquisitions, first_acquisition, weather)
    if segy and len({(one.samples, one.sample_interval_s) for one in survey}) > 1:
        raise InputError("--segy needs records of one length, and these acquisitions differ in theirs; leave it out")
    shares = _parse_fractions(fractions)
    settings = simulate.parse_noise(noise or [])
    check_output(out)
    processes = workers or len(os.sched_getaffinity(0))
    made = simulate.simulate_recordings(count, seed, survey, shares, processes, 0, settings)
    # pandas comes with the records; wrong arguments have been told by now.
    from glowseis.survey.render import render_recording
    from glowseis.survey.store.survey import take_up, write_records

    def gathers(
        recordings: Generator[Recording, None, None], start: int, file: BinaryIO | None, keep: Callable[[], None]
    ) -> Generator[Gather, None, None]:
        write = None
        if file:
            from glowseis.survey.formats.segy import segy_writer
            from glowseis.survey.formats.segy_origin import simulated_text

            write = segy_writer(file, simulated_text(seed))
        # Worker processes end with their iterator, before anything else is cleaned up.
        with contextlib.closing(recordings):
            for recording in progress(recordings, count, "simulating", start):
                if write and file:
                    write(recording)
                    file.flush()
                yield render_recording(recording, height, width)
                keep()

    about = {"version": simulate.SIMULATOR_VERSION, "seed": seed, "count": count}
    about |= {"size": [height, width], "fractions": list(shares), "noise": dataclasses.asdict(settings)}
    about |= {"acquisitions": acquisitions, "first_acquisition": first_acquisition, "weather": weather}
    work = {"glowseis": glowseis.__version__, **about, "segy": segy}
    with resumable_folder(out, work) as (folder, keep), contextlib.ExitStack() as stack:
        file = stack.enter_context((folder / SEGY).open("ab")) if segy else None
        segy_gathers = _WholeGathers(file) if file else None
        written = take_up(folder, is_whole=segy_gathers)
        if segy_gathers:
            segy_gathers.cut()
        if written:
            print(f"{source_text(out)}: going on after {len(written)} of {count} gathers")
            made = simulate.simulate_recordings(count, seed, survey, shares, processes, len(written), settings)
        rendered = stack.enter_context(contextlib.closing(gathers(made, len(written), file, keep)))
        write_records(folder, rendered, (height, width), {"simulator": about}, written=written)
    print(f"{source_text(out)}: {count} gathers of {height}x{width}")


class _WholeGathers:
    """Says of one gather after another whether a SEG-Y file holds all of it; then cuts off the others."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._room = os.fstat(file.fileno()).st_size
        self._end = 0

    def __call__(self, gather: Gather) -> bool:
        samples, traces = gather.recorded_shape or (gather.valid_samples, gather.valid_traces)
        end = (self._end or SEGY_BYTES) + traces * (TRACE_BYTES + SAMPLE_BYTES * samples)
        whole = end <= self._room
        if whole:
            self._end = end
        return whole

    def cut(self) -> None:
        self._file.truncate(self._end)
        self._file.seek(self._end)


def _parse_fractions(text: str) -> tuple[float, float, float]:
    try:
        good, medium, bad = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"fractions {text!r}: write three numbers like 66.68,31.54,1.76") from None
    return good, medium, bad


if __name__ == "__main__":
    run(main)
