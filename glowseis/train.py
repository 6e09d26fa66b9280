"""`python -m glowseis.train`: fit what a recipe says, a flow to a survey's rare class or a classifier to its labels."""

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
    """Fit a recipe's flow to a survey's rare class, or its classifier to the survey's labels; export a SavedModel.

    Without arguments it trains the demo, on a small survey that it makes itself. Stopped at any time, the same command
    goes on where it was.

    Example: python -m glowseis.train train/paper.toml --survey surveys/viking --set training.batch=2
    """
    from glowseis.recipe import ClassifierRecipe, read_recipe

    settings = read_recipe(recipe or _demo(), changes)

    command.import_tensorflow()
    from glowseis.run.classifier import classifier_lines, train_classifier
    from glowseis.run.flow import check_size, flow_lines, train_flow
    from glowseis.run.own_survey import own_survey
    from glowseis.survey.records import open_survey
    from glowseis.survey.size import parse_size

    if survey is None:
        if not isinstance(settings, ClassifierRecipe):
            check_size(settings, parse_size(settings.survey.size), "survey.size")
        data = own_survey(settings.survey, Path("surveys") / settings.name)
    else:
        data = open_survey(survey)
    folder = out or Path("runs") / settings.name
    if isinstance(settings, ClassifierRecipe):
        result = train_classifier(settings, data, folder, savedmodels, print, command.STARTED)
        print("\n".join(classifier_lines(result)))
    else:
        result = train_flow(settings, data, folder, savedmodels, print, command.STARTED)
        print("\n".join(flow_lines(result, settings.data.label)))


def _demo() -> Path:
    for folder in (Path("train"), CHECKOUT / "train"):
        if (folder / "demo.toml").is_file():
            return folder / "demo.toml"
    raise InputError("there is no train/demo.toml here; name a recipe, or run it from a checkout of glowseis")


if __name__ == "__main__":
    command.run(main)
