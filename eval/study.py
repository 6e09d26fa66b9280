"""A study made ready: its surveys, its folds, and what tells it from another."""

import hashlib
import json
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
