"""What keeps test gathers, and all that was made of them, out of training.

A guard knows every gather that may train: the fold's training gathers, and synthetic ones that were admitted because
all their ancestors are such, and so is all that the flow which made them was trained on. Whatever else is offered
is refused when a training set is made. While it is read each picture is compared with the one that is known
under its id, so that no other picture can come under a name that may train.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from glowseis.errors import FittingError
from glowseis.survey.labelled import LabelledGathers
from glowseis.survey.records import Survey


class LeakError(FittingError):
    """A gather that judges, or something made of it, came near a training. Exit status 1."""


@dataclass(frozen=True, eq=False)
class Guarded(LabelledGathers):
    """Labelled gathers that a guard let through; only `Guard.watched` makes them."""


class Guard:
    """Lets through what may train in a fold.

    Args:
        survey: The study's survey.
        test: Rows that are scored.
        validation: Rows that judge weights.
        independent: The independent test survey; none of it may train.

    Attributes:
        survey: The study's survey.

    Raises:
        InputError: Both surveys have a gather of the same id.
    """

    def __init__(self, survey: Survey, test: np.ndarray, validation: np.ndarray, independent: Survey | None = None):
        raise NotImplementedError

    def check_ids(self, ids: Iterable[str], what: str) -> None:
        """Make sure that something saw training gathers alone.

        Args:
            ids: Ids of the gathers that it saw, such as a SavedModel's `training_ids`.
            what: What saw them, for the error.

        Raises:
            LeakError: One is no training gather of the fold.
        """
        raise NotImplementedError

    def check_rows(self, rows: np.ndarray, what: str) -> None:
        """Make sure that rows of the study's survey may train: ids as `check_ids`, and their pictures.

        Raises:
            LeakError: One may not, or has the picture of one that may not.
        """
        raise NotImplementedError

    def admit_flow(self, name: str, training_ids: Iterable[str]) -> None:
        """Make gathers of a flow admissible.

        Args:
            name: The SavedModel's name and version, as gathers say it (`Origin.model`).
            training_ids: Ids of the gathers that it was trained on.

        Raises:
            LeakError: One is no training gather of the fold.
        """
        raise NotImplementedError

    def admit(self, synthetic: Survey) -> None:
        """Let synthetic gathers train, after their origin was checked.

        Args:
            synthetic: A survey of synthetic gathers.

        Raises:
            LeakError: One names no parents; an ancestor is unknown or no training gather; it was made by a flow that
                was not admitted; or its picture is that of a gather that may not train.
        """
        raise NotImplementedError

    def watched(self, gathers: LabelledGathers) -> Guarded:
        """Let labelled gathers train.

        Args:
            gathers: Training gathers of the fold and admitted ones.

        Returns:
            The same; reading raises LeakError where a picture is not the one that is known under its id.

        Raises:
            LeakError: One is neither.
        """
        raise NotImplementedError

    def require(self, gathers: LabelledGathers) -> None:
        """Make sure that gathers came through this guard.

        Raises:
            LeakError: They did not.
        """
        raise NotImplementedError
