"""The outcome of one arm on one target at one number of labels, as a file; tables are made from these alone."""

from pathlib import Path
from typing import Self

from pydantic import Field, FiniteFloat, NonNegativeInt, model_validator

from eval.study.kept import Kept, read_kept, write_kept


class Point(Kept):
    """One arm on one target at one number of labels; arrays are `[class]`.

    Attributes:
        shared: Digest of what all outcomes depend on (`eval.budget.recipe.HourRecipe.shared`).
        settings: Digest of the arm's own settings, its recipe's among them.
        target: Number of the target.
        acquisition: Number of its acquisition.
        arm: Name of the arm.
        bought: Labels that were bought.
        error: Why the arm failed, in one line, with everything below empty; empty if it did not fail.
        labelled: Labelled gathers by label.
        f1: Of each class on the test survey, weighted to the pool's class fractions.
        average_precision: Of each class, likewise.
        precision: Of each class, likewise.
        recall: Of each class, likewise.
        f1_for_pool: As `f1`, but with probabilities for the pool's class fractions, whatever those of the labels are.
        seconds: Time taken, by part.
        commit: Commit of the code.
        machine: The processor in words.
    """

    shared: str
    settings: str
    target: NonNegativeInt
    acquisition: int
    arm: str
    bought: NonNegativeInt
    error: str = ""
    labelled: dict[str, NonNegativeInt] = Field(default_factory=dict)
    f1: list[FiniteFloat] = Field(default_factory=list)
    average_precision: list[FiniteFloat] = Field(default_factory=list)
    precision: list[FiniteFloat] = Field(default_factory=list)
    recall: list[FiniteFloat] = Field(default_factory=list)
    f1_for_pool: list[FiniteFloat] = Field(default_factory=list)
    seconds: dict[str, float] = Field(default_factory=dict)
    commit: str = ""
    machine: str = ""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        figures = self.f1, self.average_precision, self.precision, self.recall
        if not self.error and not (self.f1 and len({len(one) for one in figures}) == 1):
            raise ValueError("it has no scores")
        return self


def point_path(folder: Path, target: int, arm: str, bought: int) -> Path:
    """The file of an outcome."""
    return folder / f"{target:02d}-{arm}-{bought:04d}.json"


def write_point(folder: Path, point: Point) -> None:
    """Write an outcome, whole or not at all, in place of an older one."""
    write_kept(point_path(folder, point.target, point.arm, point.bought), point)


def read_point(path: Path) -> Point | None:
    """Read an outcome; None if there is none.

    Raises:
        InputError: It is damaged.
    """
    return read_kept(path, Point, "run the same command again")
