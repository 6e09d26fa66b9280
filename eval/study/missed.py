"""How an arm's classifier graded the rare gathers of the independent survey, as a file beside the outcomes.

An outcome has only figures of that survey; the report also shows which gathers were missed. Tables do without.
"""

from pathlib import Path
from typing import Self

from pydantic import FiniteFloat, model_validator

from eval.study.kept import Kept, read_kept, write_kept


class RareGrades(Kept):
    """Grades of the independent survey's rare gathers by one arm's classifier.

    Attributes:
        study: Digest of the study (`eval.study.outcome.Outcome.study`).
        survey: Checksum of the independent survey.
        ids: Ids of its rare gathers.
        probabilities: The classifier's probabilities, `[gather][class]`.
        rare: Number of the rare class.
    """

    study: str
    survey: str
    ids: list[str]
    probabilities: list[list[FiniteFloat]]
    rare: int

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(self.ids) != len(self.probabilities) or not all(len(one) > self.rare for one in self.probabilities):
            raise ValueError("its lists have different lengths")
        return self


def grades_path(folder: Path, kind: str, fold: int, arm: str) -> Path:
    """The file of an arm's grades in a study's folder."""
    return folder / "grades" / f"{kind}-{fold:02d}-{arm}.json"


def write_grades(path: Path, grades: RareGrades) -> None:
    """Write grades, whole or not at all, in place of older ones.

    Args:
        path: The file; its folder is made if missing.
        grades: What to write.
    """
    write_kept(path, grades)


def read_grades(path: Path) -> RareGrades | None:
    """Read grades.

    Args:
        path: Their file.

    Returns:
        The grades; None if there are none.

    Raises:
        InputError: The file is damaged.
    """
    return read_kept(path, RareGrades, "the arm's outcome, and run the same command again; or go without it")
