"""The command that makes a survey of simulated marine shot gathers."""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Annotated

import typer

from glowseis.command import run
from glowseis.errors import InputError
from glowseis.survey.gather import Gather, source_text

SEGY = "survey.segy"
"""What --segy writes into the survey's folder."""


def main(
    *,
    out: Annotated[Path, typer.Option(help="Folder of the survey to be made.")] = Path("surveys/simulated"),
    count: Annotated[int, typer.Option(help="Number of gathers.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the survey; the same seed makes the same gathers.")] = 7,
    size: Annotated[str, typer.Option(help="Samples x traces; a smaller size is a smaller acquisition.")] = "896x640",
    fractions: Annotated[str, typer.Option(help="Per cent good, medium, bad.")] = "66.68,31.54,1.76",
    workers: Annotated[int, typer.Option(help="Processes; 0 takes one for each core.")] = 0,
    segy: Annotated[bool, typer.Option("--segy", help="Write survey.segy beside the records too.")] = False,
) -> None:
    """Make a survey of simulated marine shot gathers with labels.

    Example: python -m glowseis.simulate --out surveys/small --count 1000 --size 112x80
    """
    from glowseis.survey.output import check_output, whole_folder
    from glowseis.survey.progress import progress
    from glowseis.survey.simulate import SIMULATOR_VERSION, Acquisition, simulate_recordings
    from glowseis.survey.size import parse_size

    height, width = parse_size(size)
    acquisition = Acquisition.of_size(height, width)
    shares = _parse_fractions(fractions)
    check_output(out)
    made = simulate_recordings(count, seed, acquisition, shares, workers or len(os.sched_getaffinity(0)))
    # pandas comes with the records; wrong arguments have been told by now.
    from glowseis.survey.records import write_records
    from glowseis.survey.render import render_recording

    def gathers(folder: Path) -> Generator[Gather, None, None]:
        with contextlib.ExitStack() as stack:
            # Worker processes end with their iterator, before anything else is cleaned up.
            recordings = stack.enter_context(contextlib.closing(made))
            write = None
            if segy:
                from glowseis.survey.formats.segy import segy_writer

                file = stack.enter_context((folder / SEGY).open("wb"))
                write = segy_writer(file, [f"SIMULATED BY GLOWSEIS, SEED {seed}"])
            for recording in progress(recordings, count, "simulating"):
                if write:
                    write(recording)
                yield render_recording(recording, height, width)

    about = {"version": SIMULATOR_VERSION, "seed": seed, "count": count}
    about |= {"size": [height, width], "fractions": list(shares)}
    with whole_folder(out) as folder, contextlib.closing(gathers(folder)) as rendered:
        write_records(folder, rendered, (height, width), {"simulator": about})
    print(f"{source_text(out)}: {count} gathers of {height}x{width}")


def _parse_fractions(text: str) -> tuple[float, float, float]:
    try:
        good, medium, bad = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"fractions {text!r}: write three numbers like 66.68,31.54,1.76") from None
    return good, medium, bad


if __name__ == "__main__":
    run(main)
