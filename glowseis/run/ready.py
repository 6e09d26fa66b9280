"""What a training needs before TensorFlow is loaded: its recipe, a checked folder, and its survey, opened or made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from glowseis.recipe import AnyRecipe, ClassifierRecipe, Recipe
from glowseis.run.checks import check_size
from glowseis.run.own_survey import own_survey
from glowseis.run.record import check_folder
from glowseis.run.starting import with_flow_start, with_start
from glowseis.survey.labels.overlay import open_survey, with_labels
from glowseis.survey.size import parse_size
from glowseis.survey.store.survey import Survey


@dataclass(frozen=True)
class Ready:
    """A training that is ready to begin.

    Attributes:
        folder: The run's folder.
        opened: The survey; None if several processes train and the chief has yet to make it.
        make: Makes the recipe's own survey, unless it exists.
    """

    folder: Path
    opened: Survey | None
    make: Callable[[], Survey]


def make_ready(
    recipe: AnyRecipe,
    survey: Path | None,
    out: Path | None,
    labels: Sequence[Path] = (),
    judge: str | None = None,
    *,
    together: bool,
) -> Ready:
    """Check a run's folder, and open or make its survey.

    Args:
        recipe: What to train, and how.
        survey: The survey's folder; the recipe's own survey when None.
        out: The run's folder; by the recipe's name when None.
        labels: Files of labels, as `glowseis.survey.labels.overlay.open_survey` takes them.
        judge: Whose label counts where judges disagree, as there.
        together: Whether several processes train; then only their chief checks the folder and makes a survey, later.

    Raises:
        InputError: The survey, the labels or the saved model that it starts from do not suit this recipe, or the folder
            holds something else.
        StoppedError: The simulation of the survey was interrupted; what was made is kept.
    """
    if isinstance(recipe, ClassifierRecipe):
        recipe = with_start(recipe)
    elif isinstance(recipe, Recipe):
        recipe = with_flow_start(recipe)
    folder = out or Path("runs") / recipe.name

    def make() -> Survey:
        return with_labels(own_survey(recipe.survey, Path("surveys") / recipe.name), labels, judge)

    if survey is None and isinstance(recipe, Recipe):
        check_size(recipe, parse_size(recipe.survey.size), "survey.size")
    opened = open_survey(survey, labels, judge) if survey is not None else None
    if not together:
        check_folder(folder, recipe, opened)
        opened = opened or make()
        check_folder(folder, recipe, opened)
    return Ready(folder, opened, make)
