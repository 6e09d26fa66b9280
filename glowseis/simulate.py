"""The command that makes a survey of simulated marine shot gathers."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from glowseis.command import run
from glowseis.errors import InputError
from glowseis.survey.gather import Recording


def simulate(
    *,
    out: Annotated[Path, typer.Option(help="Folder of the survey to be made.")] = Path("surveys/simulated"),
    count: Annotated[int, typer.Option(help="Number of gathers.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the survey; the same seed makes the same gathers.")] = 7,
    size: Annotated[str, typer.Option(help="Samples x traces; a smaller size is a smaller acquisition.")] = "896x640",
    fractions: Annotated[str, typer.Option(help="Per cent good, medium, bad.")] = "66.68,31.54,1.76",
    workers: Annotated[int, typer.Option(help="Processes; 0 takes one for each core.")] = 0,
    segy: Annotated[bool, typer.Option("--segy", help="Write survey.segy too, simulating a second time.")] = False,
) -> None:
    """Make a survey of simulated marine shot gathers with labels.

    Example: python -m glowseis.simulate --out surveys/small --count 1000 --size 112x80
    """
    from glowseis.survey.output import check_output
    from glowseis.survey.simulate import SIMULATOR_VERSION, Acquisition, simulate_recordings
    from glowseis.survey.size import parse_size

    height, width = parse_size(size)
    acquisition = Acquisition.of_size(height, width)
    shares = _parse_fractions(fractions)
    processes = workers or len(os.sched_getaffinity(0))

    def recordings(doing: str) -> Iterable[Recording]:
        made = simulate_recordings(count, seed, acquisition, shares, processes)
        return _with_progress(made, count, doing)

    check_output(out)
    first = recordings("gathers")
    # TensorFlow comes with the records; wrong arguments have been told by now.
    from glowseis.survey.records import write_survey
    from glowseis.survey.render import render_recording

    if segy:
        from glowseis.survey.formats.segy import write_segy

    about = {"version": SIMULATOR_VERSION, "seed": seed, "count": count}
    about |= {"size": [height, width], "fractions": list(shares)}
    gathers = (render_recording(recording, height, width) for recording in first)
    write_survey(out, gathers, size=(height, width), about={"simulator": about})
    if segy:
        write_segy(out / "survey.segy", recordings("SEG-Y"), [f"SIMULATED BY GLOWSEIS, SEED {seed}"])
    print(f"{out}: {count} gathers of {height}x{width}")


def _parse_fractions(text: str) -> tuple[float, float, float]:
    try:
        good, medium, bad = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"fractions {text!r}: write three numbers like 66.68,31.54,1.76") from None
    return good, medium, bad


def _with_progress(recordings: Iterable[Recording], count: int, doing: str) -> Iterable[Recording]:
    from tqdm import tqdm

    return tqdm(recordings, total=count, desc=doing, unit="gather", file=sys.stderr)


if __name__ == "__main__":
    run(simulate)
