"""A study made ready: its surveys, its folds, and what tells it from another."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.recipe import StudyRecipe
from glowseis.survey.folds import Folds
from glowseis.survey.records import Survey


@dataclass(frozen=True)
class Study:
    """What all folds and arms of a study share.

    Attributes:
        recipe: Its settings.
        survey: The labelled gathers.
        independent: The independent test survey; None without one.
        folds: Folds by kind, the headline first.
        folder: Where everything of it goes: `folds/`, `work/` (flows, synthetic gathers), `logs/` (TensorBoard),
            `tables/`, `report.html`.
        outcomes: Folder of the outcomes (`eval.outcome`); `folder/outcomes` unless the command names another.
    """

    recipe: StudyRecipe
    survey: Survey
    independent: Survey | None
    folds: dict[str, Folds]
    folder: Path
    outcomes: Path

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes in order of severity."""
        return tuple(self.recipe.study.labels)

    @property
    def rare(self) -> str:
        """The class to be learnt better."""
        return self.recipe.data.label

    @property
    def digest(self) -> str:
        """SHA-256 of what every outcome depends on: the settings but for the choice of arms, the data, the folds."""
        settings = self.recipe.model_dump()
        del settings["name"], settings["study"]["arms"], settings["study"]["kinds"]
        content = {
            "recipe": settings,
            "survey": self.survey.checksum,
            "independent": self.independent.checksum if self.independent else None,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def work(self, kind: str, fold: int) -> Path:
        """Folder of a fold's flows and synthetic gathers."""
        return self.folder / "work" / f"{kind}-{fold:02d}"

    def logs(self, kind: str, fold: int, arm: str) -> Path:
        """Folder of an arm's TensorBoard logs."""
        return self.folder / "logs" / f"{kind}-{fold:02d}" / arm


def prepare(
    recipe: StudyRecipe,
    folder: Path,
    survey_path: Path | None = None,
    outcomes: Path | None = None,
    say: Callable[[str], None] = print,
    kinds: Sequence[str] | None = None,
) -> Study:
    """Make a study's surveys and folds, unless they are there, and make sure that its folder holds this study.

    Args:
        recipe: The study's.
        folder: Where everything of it goes; made when missing. Several processes may use it at once.
        survey_path: The labelled gathers; the recipe's own simulated survey, `surveys/NAME`, when None. With a survey of
            one's own there is no independent one.
        outcomes: Folder of the outcomes; `folder/outcomes` when None.
        say: Called with lines for the user.
        kinds: Kinds of folds to make; the recipe's when None. `split` and `grouped-split` are for the curve.

    Raises:
        InputError: The folder holds another study; a survey changed since its folds were made; a label is missing; a
            class has fewer members than there are folds; a gather is twice in the survey, in two parts of a fold.
        StoppedError: A signal came while a survey was made; what is made is kept.
    """
    raise NotImplementedError
