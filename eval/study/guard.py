"""What keeps gathers that judge, and all that was made of them, out of training.

A guard knows every gather that may train: a fold's training gathers, and synthetic ones that were admitted because all
their ancestors are such, because the flow which made them saw no others, and because none resembles a gather that
judges. Whatever else is offered is refused when a training set is made. While that is read, each picture is compared
with the one known under its id, so that no other comes under a name that may train.
"""

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from glowseis.errors import FittingError, InputError
from glowseis.survey.duplicates import CANDIDATE_COSINE, Sketcher, compare, valid_region
from glowseis.survey.gather import Gather
from glowseis.survey.labelled import LabelledGathers, parents_of
from glowseis.survey.records import Survey

PIXEL_MIXING, SMOTE = "pixel-mixing", "smote"
"""What `Origin.model` says of gathers that no flow made, but something that sees their parents alone."""

_VALIDATION = "a validation gather"


class LeakError(FittingError):
    """A gather that judges, or something made of it, came near a training. Exit status 1."""


@dataclass(frozen=True, eq=False)
class Guarded(LabelledGathers):
    """Labelled gathers that a guard let through; `Guard.watched` makes them, and `Guard.require` knows no others."""


class Guard:
    """Lets through what may train in a fold.

    Args:
        survey: The study's survey.
        training: Rows that may train.
        validation: Rows that judge weights.
        test: Rows that are scored.
        independent: The independent test survey; none of it may train.

    Attributes:
        leak: The last leak that was refused. TensorFlow, which reads batches, gives no more of an error than its text.

    Raises:
        InputError: Both surveys have a gather of one id, or a record is damaged.
        LeakError: A row is in two parts, or two gathers of different parts have the same picture.
    """

    def __init__(
        self,
        survey: Survey,
        training: np.ndarray,
        validation: np.ndarray,
        test: np.ndarray,
        independent: Survey | None = None,
    ):
        self._survey = survey
        self._parents = _parents(survey)
        self._judges: dict[str, str] = {}
        self._judging = _Judging(survey.size)
        self._flows: set[str] = set()
        self._given: list[Guarded] = []
        self.leak: LeakError | None = None
        parts = [(survey, test, "a test gather"), (survey, validation, _VALIDATION)]
        if independent:
            shared = self._parents.keys() & _parents(independent).keys()
            if shared:
                raise InputError(
                    f"{independent.path}: has gather {min(shared)}, as {survey.path} has; give another survey"
                )
            self._parents |= _parents(independent)
            parts.append((independent, np.arange(len(independent)), "a gather of the independent test survey"))
        for one, rows, role in parts:
            for row in np.asarray(rows).tolist():
                gather = one.read(row)
                self._judges[gather.gather_id] = role
                self._judging.add(one, row, gather, role)
        self._known: dict[str, bytes] = {}
        for row in np.asarray(training).tolist():
            gather_id = str(survey.index["gather_id"].iat[row])
            self._refuse(gather_id, self._judges.get(gather_id, ""), "a training gather")
            digest = picture_digest(survey.read_images([row])[0])
            self._refuse(gather_id, self._judging.equal(digest), "a training gather")
            self._known[gather_id] = digest

    def check_ids(self, ids: Iterable[str], what: str) -> None:
        """Make sure that something saw gathers alone that may train.

        Args:
            ids: Ids of the gathers that it saw, such as a SavedModel's `training_ids`.
            what: What saw them, for the error.

        Raises:
            LeakError: It saw another one.
        """
        for gather_id in ids:
            self._refuse(gather_id, self._reason(gather_id), f"seen by {what}")

    def check_judges(self, ids: Iterable[str]) -> None:
        """Make sure that weights are judged by validation gathers alone, not by those that are scored.

        Args:
            ids: Ids of the gathers that judge them.

        Raises:
            LeakError: One is no validation gather.
        """
        for gather_id in ids:
            role = self._judges.get(gather_id, "no validation gather")
            self._refuse(gather_id, "" if role == _VALIDATION else role, "to judge weights")

    def admit_flow(self, name: str, training_ids: Iterable[str]) -> None:
        """Make gathers of a flow admissible.

        Args:
            name: The SavedModel's name and version, as `Origin.model` says them.
            training_ids: Ids of the gathers that it was trained on.

        Raises:
            LeakError: One may not train, or there are none.
        """
        ids = list(training_ids)
        if not ids:
            raise LeakError(f"flow {name} does not say what it was trained on, which may be anything; train it anew")
        self.check_ids(ids, f"flow {name}")
        self._flows.add(name)

    def admit(self, synthetic: Survey) -> None:
        """Let synthetic gathers train, after their origin and their pictures were checked.

        Args:
            synthetic: A survey of them.

        Raises:
            InputError: A record is damaged.
            LeakError: A gather has the id of another or names no parents; one of its ancestors is unknown or may not
                train; it was made by a flow that was not admitted; or it has, nearly, the picture of a gather that
                judges.
        """
        came = f"a synthetic gather of {synthetic.path}"
        admitted: dict[str, bytes] = {}
        columns = (synthetic.index["gather_id"], parents_of(synthetic), synthetic.index["model"])
        for row, (gather_id, parents, model) in enumerate(zip(*columns, strict=True)):
            if gather_id in self._parents or gather_id in admitted:
                self._refuse(gather_id, self._judges.get(gather_id, "not alone in having this id"), came)
            if not parents:
                self._refuse(gather_id, "of unknown origin: it names no parents", came)
            self._refuse(gather_id, self._reason_of(parents), came)
            if model not in self._flows | {PIXEL_MIXING, SMOTE}:
                self._refuse(gather_id, f"of unknown origin: {model or 'what made it'} was not checked", came)
            gather = synthetic.read(row)
            self._refuse(gather_id, self._judging.like(gather), came)
            admitted[gather_id] = picture_digest(gather.image)
        self._known |= admitted

    def watched(self, gathers: LabelledGathers) -> Guarded:
        """Let labelled gathers train.

        Args:
            gathers: Training gathers of the fold, and admitted ones.

        Returns:
            The same. Reading raises LeakError where a picture is not the one known under its id.

        Raises:
            LeakError: One is neither, or one of its parents may not train.
        """
        came = f"offered from {gathers.path}"
        for gather_id, parents in set(zip(gathers.ids, gathers.parents, strict=True)):
            self._refuse(gather_id, self._reason_of(parents) or self._reason(gather_id), came)
        ids, read = gathers.ids.copy(), gathers.read

        def watching(places: np.ndarray) -> np.ndarray:
            images = read(places)
            for gather_id, image in zip(ids[places], images, strict=True):
                digest = picture_digest(image)
                if digest != self._known[gather_id]:
                    self._refuse(gather_id, self._judging.equal(digest) or "not the picture of this id", came)
            return images

        # NumPy's arrays can be changed by whoever holds them; what was checked is ours.
        given = Guarded(
            ids=ids,
            classes=gathers.classes.copy(),
            weights=gathers.weights.copy(),
            size=gathers.size,
            read=watching,
            parents=gathers.parents.copy(),
            path=gathers.path,
        )
        self._given.append(given)
        return given

    def require(self, gathers: LabelledGathers) -> None:
        """Make sure that gathers came through this guard.

        Raises:
            LeakError: They did not.
        """
        if not any(one is gathers for one in self._given):
            raise LeakError(f"gathers of {gathers.path} did not pass the fold's guard; take them from Fold.watched")

    def _reason_of(self, parents: Iterable[str], seen: tuple[str, ...] = ()) -> str:
        """Why a child of some gathers may not train; empty if it may."""
        for parent in parents:
            reason = self._reason(parent, seen)
            if reason:
                return f"a child of {parent}, which is {reason}"
        return ""

    def _reason(self, gather_id: str, seen: tuple[str, ...] = ()) -> str:
        """Why a gather may not train; empty if it may."""
        if gather_id in self._judges:
            return self._judges[gather_id]
        if gather_id in self._known:
            return ""
        if gather_id not in self._parents or gather_id in seen:
            return "unknown here"
        parents = self._parents[gather_id]
        if not parents:
            return "no training gather of the fold"
        return self._reason_of(parents, (*seen, gather_id)) or "synthetic and was not admitted"

    def _refuse(self, gather_id: str, reason: str, came: str) -> None:
        """Raise a leak, if there is a reason."""
        if reason:
            self.leak = LeakError(f"leak: gather {gather_id} ({came}) is {reason}; nothing was trained on it")
            raise self.leak


class _Judging:
    """Pictures of the gathers that judge, to be known again whatever they are called."""

    def __init__(self, size: tuple[int, int]):
        self._sketcher = Sketcher(size)
        self._each: list[np.ndarray] = []
        self._places: list[tuple[Survey, int, str]] = []
        self._of_digest: dict[bytes, int] = {}

    def add(self, survey: Survey, row: int, gather: Gather, role: str) -> None:
        """Know one more."""
        self._of_digest.setdefault(picture_digest(gather.image), len(self._places))
        self._places.append((survey, row, f"{role}, {gather.gather_id}"))
        self._each.append(self._sketcher.sketch(valid_region(gather)))

    @functools.cached_property
    def _sketches(self) -> np.ndarray:
        """float32 `[gather and shift, number]`; all are added before the first is compared."""
        return np.concatenate(self._each)

    def equal(self, digest: bytes) -> str:
        """Whose picture has a digest, as a reason against a gather; empty if nobody's."""
        place = self._of_digest.get(digest)
        return "" if place is None else f"a copy of {self._places[place][2]}"

    def like(self, gather: Gather) -> str:
        """Whose picture a gather has, equal or nearly (`glowseis.survey.duplicates`); empty if nobody's."""
        found = self.equal(picture_digest(gather.image))
        if found or not self._places:
            return found
        cosine = self._sketches @ self._sketcher.sketch(valid_region(gather)).T
        cosine = cosine.reshape(len(self._places), len(cosine) // len(self._places), -1)
        # Either of the two may come later.
        earlier, later = cosine[:, :, 0], cosine[:, 0]
        for place, shift in np.argwhere(np.maximum(later, earlier) > CANDIDATE_COSINE).tolist():
            survey, row, name = self._places[place]
            judge = valid_region(survey.read(row))
            if compare(judge, valid_region(gather), shift) or compare(valid_region(gather), judge, shift):
                return f"nearly a copy of {name}"
        return ""


def picture_digest(image: np.ndarray) -> bytes:
    """What tells a picture, uint8 `[time, trace]`, from any other, 16 bytes."""
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def _parents(survey: Survey) -> dict[str, tuple[str, ...]]:
    """Parents of a survey's gathers by id."""
    return dict(zip(survey.index["gather_id"], parents_of(survey), strict=True))
