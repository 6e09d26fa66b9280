"""`python -m glowseis.generate`: new gathers of a label, from a survey, by a trained flow or by moving noise."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from glowseis import command
from glowseis.errors import InputError
from glowseis.survey.formats.targets import Format, target_format


class LatentPath(StrEnum):
    """Ways between two parents in latent space."""

    SPHERICAL = "spherical"
    LINEAR = "linear"


class Onto(StrEnum):
    """Where noise is moved to."""

    OTHER_EARTHS = "other-earths"


def main(
    context: typer.Context,
    savedmodel: Annotated[
        Path | None, typer.Argument(help="savedmodels/NAME, or one of its versions; not with --onto.")
    ] = None,
    *,
    survey: Annotated[Path, typer.Option(help="Folder of the survey with the parents.")],
    out: Annotated[Path, typer.Option(help="The .segy, .h5 or .npy file, or the folder, to write.")],
    label: Annotated[str | None, typer.Option(help="Label of the gathers to make; default: the flow's.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of gathers to make.")] = 600,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the pairs and weights.")] = 1,
    path: Annotated[
        LatentPath, typer.Option(help="spherical keeps the parents' noise; linear lets it fade half-way.")
    ] = LatentPath.SPHERICAL,
    farthest: Annotated[
        float, typer.Option(help="How far a gather may lie from its first parent towards the other, at most 1.")
    ] = 1.0,
    onto: Annotated[
        Onto | None,
        typer.Option(help="other-earths moves the low-frequency noise of recorded gathers onto others; needs no flow."),
    ] = None,
    corner: Annotated[float, typer.Option(help="With --onto: noise is moved up to this frequency, in Hz.")] = 8.0,
    batch: Annotated[int, typer.Option(min=1, help="Gathers made at a time; memory grows with it.")] = 4,
    kind: Annotated[Format | None, typer.Option("--format", help="Default: by the extension of --out.")] = None,
) -> None:
    """Make new gathers of a label, with a flow or by moving noise.

    A flow interpolates between a survey's real gathers, the parents, in its latent space. Each new gather has the
    geometry of its first parent. With --onto other-earths, a gather of any label is given the low-frequency noise of
    one with the label; this suits swell noise, which lies below the events' frequencies. Parents, alpha, seed and
    model are recorded in the survey or HDF5 file, or in a table beside SEG-Y, NumPy files and pictures.

    Example: python -m glowseis.generate savedmodels/demo --survey surveys/demo --count 20 --out new.segy

    Example: python -m glowseis.generate --onto other-earths --survey surveys/demo --label bad --out new.h5
    """
    if not 0 < farthest <= 1:
        raise InputError(f"--farthest {farthest:g}: give a number above 0, at most 1")
    if (savedmodel is None) == (onto is None):
        raise InputError("name the SavedModel of a flow, or give --onto other-earths: one of the two")
    for name in ("path", "farthest", "batch") if savedmodel is None else ("corner",):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            needed = "a flow, not --onto" if savedmodel is None else "--onto"
            raise InputError(f"--{name} goes with {needed}; leave it out")
    target_format(out, kind)
    if savedmodel is None:
        _move_noise(survey, out, label, count, seed, corner, kind)
        return
    from glowseis.export.folders import check_flow
    from glowseis.survey.store.survey import open_survey

    real = open_survey(survey)
    check_flow(savedmodel, real, label)

    from tqdm import tqdm

    command.import_tensorflow()
    from glowseis.export.flow import load_flow
    from glowseis.survey.formats.writing import write_gathers
    from glowseis.synthesis import possible_parents, synthesise, trained_label

    flow = load_flow(savedmodel)
    label = label or trained_label(flow)
    if flow.about.get("survey_checksum") != real.checksum:
        print(f"{flow.name} was trained on another survey, {flow.about.get('survey', 'which it does not name')}")
    possible = len(possible_parents(flow, real, label))
    made = synthesise(flow, real, label, count, seed, path.value, batch, farthest=farthest)
    reach = f", at most {farthest:g} of the way" if farthest < 1 else ""
    with tqdm(made, "generating", count, unit="gather", disable=None) as shown:
        write_gathers(out, shown, kind=kind, maker=f"{flow.name}, seed {seed}, {path.value} path{reach}")
    print(f"{count} synthetic {label} gathers by {flow.name}, from {possible} possible parents: {out}")


def _move_noise(
    survey: Path, out: Path, label: str | None, count: int, seed: int, corner: float, kind: Format | None
) -> None:
    """Write gathers with the noise of others."""
    from glowseis.survey.store.survey import open_survey

    if not label:
        raise InputError("--onto other-earths needs --label, the label of the gathers whose noise is moved")
    if not corner > 0:
        raise InputError(f"--corner {corner:g}: give a frequency above 0, in Hz")
    real = open_survey(survey)

    from tqdm import tqdm

    from glowseis.survey.formats.writing import write_gathers
    from glowseis.transplant import transplants

    made = transplants(real, label, count, seed, corner_hz=corner)
    with tqdm(made, "generating", count, unit="gather", disable=None) as shown:
        write_gathers(out, shown, kind=kind, maker=f"noise below {corner:g} Hz on other earths, seed {seed}")
    print(f"{count} synthetic {label} gathers, their noise below {corner:g} Hz moved onto other earths: {out}")


if __name__ == "__main__":
    command.run(main)
