"""`python -m glowseis.generate`: new gathers of a label, from a survey, by a trained flow or by moving noise."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from glowseis import command
from glowseis.errors import InputError
from glowseis.survey.formats.targets import Format


class LatentPath(StrEnum):
    """Ways between two parents in latent space."""

    SPHERICAL = "spherical"
    LINEAR = "linear"


class Onto(StrEnum):
    """Where noise is moved to."""

    OTHER_EARTHS = "other-earths"


def main(
    context: typer.Context,
    savedmodel: command.Flow = None,
    *,
    survey: Annotated[Path, typer.Option(callback=command.here, help="Folder of the survey with the parents.")],
    out: Annotated[Path, typer.Option(help="The .segy, .h5 or .npy file, or the folder, to write.")],
    labels: command.SurveyLabels = None,
    judge: command.Judge = None,
    label: Annotated[str | None, typer.Option(help="Label of the gathers to make; default: the flow's.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of gathers to make.")] = 600,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the pairs and weights.")] = 1,
    path: Annotated[
        LatentPath, typer.Option(help="spherical keeps the parents' noise; linear lets it fade half-way.")
    ] = LatentPath.SPHERICAL,
    farthest: command.Farthest = 1.0,
    onto: Annotated[
        Onto | None,
        typer.Option(help="other-earths moves the low-frequency noise of recorded gathers onto others; needs no flow."),
    ] = None,
    corner: Annotated[float, typer.Option(help="With --onto: noise is moved up to this frequency, in Hz.")] = 8.0,
    batch: Annotated[int, typer.Option(min=1, help="Gathers made at a time; memory grows with it.")] = 4,
    kind: Annotated[Format | None, typer.Option("--format", help="Default: by the extension of --out.")] = None,
) -> None:
    """Make new gathers of a label, with a flow or by moving noise.

    A flow interpolates between a survey's real gathers, the parents, in its latent space. With --onto other-earths, a
    gather of any label is given the low-frequency noise, such as swell, of a gather with the label. Each new gather has
    the geometry of its first parent. Parents, alpha, seed and model are recorded in the survey, HDF5 file or a table.

    Example: python -m glowseis.generate savedmodels/demo --survey surveys/demo --count 20 --out new.segy

    Example: python -m glowseis.generate --onto other-earths --survey surveys/demo --label bad --out new.h5
    """
    if (savedmodel is None) == (onto is None):
        raise InputError("name the SavedModel of a flow, or give --onto other-earths: one of the two")
    without, needed = (("path", "farthest", "batch"), "a flow") if onto else (("corner",), "--onto")
    command.refuse_given(context, without, needed)
    from glowseis.generation import Target, by_flow, by_moving, check_flow_fits

    target = Target(out, kind, count, seed)
    from glowseis.survey.labels.overlay import open_survey

    opened = open_survey(survey, labels or (), judge)
    if savedmodel is None:
        print(by_moving(target, opened, label, corner))
        return
    check_flow_fits(savedmodel, opened, label, farthest)
    command.import_tensorflow()
    print(by_flow(target, savedmodel, opened, label, path.value, farthest, batch))


if __name__ == "__main__":
    command.run(main)
