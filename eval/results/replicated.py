"""Figures and tests of a study of independent surveys: one outcome per survey and arm, compared pair by pair."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from eval.results.statistics import PairedTest, holm, mean_of, paired_test
from eval.study.names import ARMS, RIVAL
from eval.study.outcome import Outcome, outcome_path, read_outcome
from eval.study.recipe import ReplicatesSection, StudyRecipe
from glowseis.errors import InputError

FIGURES = ("f1", "average_precision")
"""Figures of `eval.study.outcome.Independent` that are reported, in per cent."""


@dataclass(frozen=True)
class Replicated:
    """Outcomes of a study of independent surveys.

    Attributes:
        labels: Names of the classes, in order of severity.
        rare: The rare class.
        outcomes: By setting, arm and number of the survey.
    """

    labels: tuple[str, ...]
    rare: str
    outcomes: dict[str, dict[str, dict[int, Outcome]]]

    @property
    def failed(self) -> list[Outcome]:
        """Outcomes of arms that failed."""
        return [
            one for arms in self.outcomes.values() for found in arms.values() for one in found.values() if one.error
        ]

    def missing(self, replicates: ReplicatesSection, arms: Sequence[str]) -> list[str]:
        """What is not finished, a line for each setting; nothing if everything is.

        Args:
            replicates: The recipe's section.
            arms: Names of the arms of its settings.
        """
        lines = []
        for name in replicates.every_setting:
            wanted = replicates.surveys_of(name, arms)
            done = {arm: sum(survey < count for survey in self.values(name, arm)) for arm, count in wanted.items()}
            left = [f"{ARMS[arm].title} {done[arm]} of {count}" for arm, count in wanted.items() if done[arm] < count]
            if left:
                lines.append(f"{name}: {', '.join(left)} surveys")
        return lines

    def values(self, setting: str, arm: str, figure: str = "f1", label: str | None = None) -> dict[int, float]:
        """A figure of an arm by number of the survey, in per cent; failed arms and NaN are left out.

        Args:
            setting: Name of the setting.
            arm: Name of the arm.
            figure: One of `FIGURES`.
            label: Name of the class; the rare one when None.
        """
        number = self.labels.index(label or self.rare)
        found = self.outcomes.get(setting, {}).get(arm, {})
        return {
            survey: 100 * value
            for survey, one in sorted(found.items())
            if one.independent is not None and not np.isnan(value := getattr(one.independent, figure)[number])
        }

    def contrast(
        self, setting: str, first: str, second: str, figure: str = "f1", label: str | None = None
    ) -> PairedTest:
        """The paired t-test of two arms over the surveys that both finished, first minus second, in per cent.

        Args:
            setting: Name of the setting.
            first: Name of an arm.
            second: Name of the other arm.
            figure: As for `values`.
            label: As for `values`.
        """
        one, other = (self.values(setting, arm, figure, label) for arm in (first, second))
        return paired_test([one[survey] - other[survey] for survey in sorted(one.keys() & other.keys())])

    def against(self, setting: str, arm: str) -> dict[str, tuple[PairedTest, float | None]]:
        """The tests of an arm against each other one, on F1 of the rare class, each with its corrected p.

        Args:
            setting: Name of the setting.
            arm: Name of the arm.

        Returns:
            By name of the other arm: the test, and its p by Holm's correction among all but that against
            `eval.study.names.RIVAL`, which is the primary contrast and in no family: None.
        """
        others = [name for name in ARMS if name in self.outcomes.get(setting, {}) and name != arm]
        tests = {name: self.contrast(setting, arm, name) for name in others}
        family = [name for name in others if name != RIVAL]
        corrected = dict(zip(family, holm([tests[name].p for name in family]), strict=True))
        return {name: (test, corrected.get(name)) for name, test in tests.items()}

    def contrasts(self) -> pd.DataFrame:
        """Every two arms in every setting, on each figure of each class, a row each, for a CSV file; p uncorrected."""
        rows = []
        for setting, arms in self.outcomes.items():
            for second, first in itertools.combinations([name for name in ARMS if name in arms], 2):
                for figure, label in itertools.product(FIGURES, self.labels):
                    test = self.contrast(setting, first, second, figure, label)
                    row = {"setting": setting, "figure": f"{figure}_{label}", "first": first, "second": second}
                    about = {"difference": test.difference, "low": test.low, "high": test.high, "p": test.p}
                    rows.append({**row, **about, "surveys": test.folds})
        return pd.DataFrame(rows)

    def table(self) -> pd.DataFrame:
        """Means over surveys, a row per setting and arm; standard deviations beside those of the rare class."""
        rows = []
        for setting, arms in self.outcomes.items():
            for arm in (name for name in ARMS if name in arms):
                f1, area = (mean_of(list(self.values(setting, arm, name).values())) for name in FIGURES)
                others = {
                    f"F1 {label}": mean_of(list(self.values(setting, arm, label=label).values())).mean
                    for label in self.labels
                    if label != self.rare
                }
                rows.append(
                    {
                        "setting": setting,
                        "arm": ARMS[arm].title,
                        "surveys": f1.count,
                        f"F1 {self.rare}": f1.mean,
                        "sd": f1.std,
                        f"PR-AUC {self.rare}": area.mean,
                        "sd ": area.std,
                        **others,
                    }
                )
        return pd.DataFrame(rows)

    def each(self) -> pd.DataFrame:
        """Every outcome, a row each, for a CSV file."""
        rows = []
        for setting, arms in self.outcomes.items():
            for arm, found in arms.items():
                for survey, one in sorted(found.items()):
                    figures = {
                        f"{figure}_{label}": self.values(setting, arm, figure, label).get(survey, np.nan)
                        for figure in FIGURES
                        for label in self.labels
                    }
                    rows.append(
                        {
                            "setting": setting,
                            "survey": survey,
                            "arm": arm,
                            "rare_training": one.training.get(self.rare, 0),
                            **figures,
                            "seconds": sum(one.seconds.values()),
                            "commit": one.commit,
                            "machine": one.machine,
                            "error": one.error,
                        }
                    )
        return pd.DataFrame(rows)


def collect(folder: Path, recipe: StudyRecipe, digest: str) -> Replicated:
    """Read a study's outcomes.

    Args:
        folder: Their folder.
        recipe: The study's recipe, with `study.replicates`.
        digest: The study's digest (`eval.study.replicates.digest_of`).

    Raises:
        InputError: There is none, or one is damaged, of another study, or not what its name says.
    """
    assert recipe.study.replicates is not None
    outcomes: dict[str, dict[str, dict[int, Outcome]]] = {name: {} for name in recipe.study.replicates.every_setting}
    for path, one in _read(folder.glob("*.json")):
        if one.kind not in outcomes or one.arm not in ARMS or one.fold >= recipe.study.replicates.count:
            continue
        if one.study != digest or (one.labels, one.rare) != (recipe.study.labels, recipe.data.label):
            raise InputError(f"{path}: is of a study with other settings; give each study an --out of its own")
        if path != outcome_path(folder, one.kind, one.fold, one.arm):
            raise InputError(f"{path}: holds {one.kind} survey {one.fold} {one.arm}; remove it and run that again")
        outcomes[one.kind].setdefault(one.arm, {})[one.fold] = one
    if not any(outcomes.values()):
        raise InputError(f"{folder}: nothing of this study is finished; leave out --tables-only to run it")
    return Replicated(tuple(recipe.study.labels), recipe.data.label, outcomes)


def _read(paths: Iterable[Path]) -> list[tuple[Path, Outcome]]:
    return [(path, read_outcome(path)) for path in sorted(paths)]
