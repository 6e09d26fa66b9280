"""`python -m glowseis.train`: fit a flow to a survey's rare class."""

from pathlib import Path
from typing import Annotated

import typer

from glowseis import command
from glowseis.errors import InputError

CHECKOUT = Path(__file__).parent.parent


def main(
    recipe: Annotated[Path | None, typer.Argument(help="TOML file; train/demo.toml when left out")] = None,
    survey: Annotated[Path | None, typer.Option(help="a survey; the recipe's own when left out")] = None,
    out: Annotated[Path | None, typer.Option(help="the run's folder; runs/NAME when left out")] = None,
    savedmodels: Annotated[Path, typer.Option(help="where the SavedModel goes, as NAME/VERSION")] = Path("savedmodels"),
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="change a key of the recipe, such as seed=2")
    ] = None,
) -> None:
    """Fit a flow to a survey's rare class and export it as a SavedModel.

    Without arguments it trains the demo, on a small survey that it makes itself. Stopped at any time, the same command
    goes on where it was.

    Example: python -m glowseis.train train/paper.toml --survey surveys/viking --set training.batch=2
    """
    from glowseis.recipe import read_recipe

    settings = read_recipe(recipe or _demo(), changes)

    command.import_tensorflow()
    from glowseis import run
    from glowseis.survey.records import open_survey
    from glowseis.survey.size import parse_size

    if survey is None:
        run.check_size(settings, parse_size(settings.survey.size), "survey.size")
        data = run.own_survey(settings.survey, Path("surveys") / settings.name)
    else:
        data = open_survey(survey)
    folder = out or Path("runs") / settings.name
    result = run.train(settings, data, folder, savedmodels, print, command.STARTED)
    print("\n".join(run.lines(result, settings.data.label)))


def _demo() -> Path:
    for folder in (Path("train"), CHECKOUT / "train"):
        if (folder / "demo.toml").is_file():
            return folder / "demo.toml"
    raise InputError("there is no train/demo.toml here; name a recipe, or run it from a checkout of glowseis")


if __name__ == "__main__":
    command.run(main)
