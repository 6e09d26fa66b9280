"""The command that makes a survey of simulated marine shot gathers."""

from pathlib import Path
from typing import Annotated

import typer

from glowseis import command
from glowseis.errors import InputError


@command.resumes
def main(
    *,
    out: Annotated[Path, typer.Option(help="Folder to write the survey to.")] = Path("surveys/simulated"),
    count: Annotated[int, typer.Option(help="Number of gathers.")] = 100,
    seed: Annotated[int, typer.Option(help="Seed of the survey; the same seed makes the same gathers.")] = 7,
    size: Annotated[str, typer.Option(help="Samples x traces; fewer mean a shorter record and cable.")] = "896x640",
    fractions: Annotated[str, typer.Option(help="Percentages of good, medium and bad gathers.")] = "66.68,31.54,1.76",
    workers: Annotated[int, typer.Option(help="Processes; 0 means one per core.")] = 0,
    noise: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=FACTOR", help="Scale one kind of noise; swell=0 turns swell off. Repeatable."),
    ] = None,
    acquisitions: Annotated[
        int,
        typer.Option(
            help="Number of acquisitions to draw, each with its own water, source, cable and recorder; 0: the paper's."
        ),
    ] = 0,
    first_acquisition: Annotated[int, typer.Option(help="Number of the first acquisition drawn.")] = 1,
    weather: Annotated[
        float,
        typer.Option(help="How far the weather along a line decides how noisy a gather is: 0 not at all, 1 alone."),
    ] = 0.0,
    lines: Annotated[int, typer.Option(help="Sail lines, shot from end to end; 0: random shots of 20 lines.")] = 0,
    cables: Annotated[int, typer.Option(help="Cables of these lines; 0 means eight.")] = 0,
    segy: Annotated[bool, typer.Option("--segy", help="Also write survey.segy beside the records.")] = False,
    unlabelled: Annotated[
        bool,
        typer.Option("--unlabelled", help="Write labels to truth.csv instead of the records."),
    ] = False,
) -> None:
    """Simulate a survey of labelled marine shot gathers.

    If it is stopped or killed, run the same command again to continue.

    Example: python -m glowseis.simulate --out surveys/small --count 1000 --size 112x80
    """
    from glowseis.files import check_output
    from glowseis.survey.gather import source_text
    from glowseis.survey.simulate import Simulation, parse_noise
    from glowseis.survey.size import parse_size

    height, width = parse_size(size)
    factors = parse_noise(noise or [])
    drawn = (acquisitions, first_acquisition, weather, factors, lines, cables)
    simulation = Simulation(count, seed, (height, width), _parse_fractions(fractions), *drawn)
    if segy and len(simulation.record_lengths) > 1:
        raise InputError("--segy needs records of one length, but these acquisitions have several; leave it out")
    check_output(out)
    # Imported last, as it loads pandas: wrong arguments are reported before that.
    from glowseis.survey.simulate.survey import simulate_survey

    about = {"simulator": simulation.about()}
    simulate_survey(simulation, out, about, workers=workers, segy=segy, unlabelled=unlabelled, tell=print)
    print(f"{source_text(out)}: {count} gathers of {height}x{width}{' or smaller' * (acquisitions > 0)}")


def _parse_fractions(text: str) -> tuple[float, float, float]:
    try:
        good, medium, bad = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"fractions {text!r}: write three numbers like 66.68,31.54,1.76") from None
    return good, medium, bad


if __name__ == "__main__":
    command.run(main)
