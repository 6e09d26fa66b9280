"""Keeps validation and test gathers, and everything made from them, out of training.

A guard knows every gather that may train: a fold's training gathers, and the synthetic ones that it admitted. It admits
a synthetic gather if all its ancestors are training gathers, if the flow that made it was trained on no others or it is
the mixture that it claims to be, and if it does not resemble a validation or test gather. Anything else is refused when
a training set is made. When the set is read, each image is compared with the one known under its id, so that no other
image can train under that id. Gathers that are made while training reads them are made by the guard itself.

An arm gets the training gathers alone (`eval.study.material`). The guard does not notice an arm that opens files by
itself, unless the image or id of a validation or test gather turns up in its training set. Copies with reversed
polarity, cropped or shifted copies are not recognised.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.study.copies import CopyFinder, image_digest
from eval.study.makers import MAKERS
from glowseis.errors import FittingError, InputError
from glowseis.survey.batches.labelled import LabelledGathers, parents_of
from glowseis.survey.gather import Gather, Origin
from glowseis.survey.store.survey import Survey
from glowseis.synthesis import child_of

_TEST, _VALIDATION = "a test gather", "a validation gather"

_NOT_MADE = b""
"""In place of the digest of an image that will be made when it is read."""


class LeakError(FittingError):
    """A validation or test gather, or something made from it, reached training. Exit status 1."""


@dataclass(frozen=True, eq=False)
class Guarded(LabelledGathers):
    """Labelled gathers that a guard let through; `Guard.watched` makes them, and `Guard.require` accepts no others."""


class Guard:
    """Lets only those gathers through that may train in a fold.

    Args:
        survey: The study's survey.
        training: Rows that may train.
        validation: Rows that weights are chosen by.
        test: Rows that are scored.
        independent: The independent test survey; none of it may train.

    Attributes:
        leak: The last leak that was refused. TensorFlow, which reads the batches, passes on only an error's text.

    Raises:
        InputError: Both surveys have a gather with the same id, or a record is damaged or contradicts the index.
        LeakError: A row is in two parts, or two gathers of different parts have the same, or nearly the same, image.
    """

    def __init__(
        self,
        survey: Survey,
        training: np.ndarray,
        validation: np.ndarray,
        test: np.ndarray,
        independent: Survey | None = None,
    ):
        self._parents = _parents(survey)
        self._judges: dict[str, str] = {}
        self._copies = CopyFinder(survey.size)
        self._flows: set[str] = set()
        self._given: list[Guarded] = []
        self.leak: LeakError | None = None
        scored = [(survey, test, _TEST)]
        if independent:
            shared = self._parents.keys() & _parents(independent).keys()
            if shared:
                raise InputError(
                    f"{independent.path}: has gather {min(shared)}, like {survey.path}; give another survey"
                )
            self._parents |= _parents(independent)
            scored.append((independent, np.arange(len(independent)), "a gather of the independent test survey"))
        for one, rows, role in scored:
            for row in np.asarray(rows).tolist():
                self._judge(one, row, role)
        for row in np.asarray(validation).tolist():
            gather = _read(survey, row)
            self._refuse(gather.gather_id, self._copies.like(gather), _VALIDATION)
        for row in np.asarray(validation).tolist():
            self._judge(survey, row, _VALIDATION)
        self._known: dict[str, bytes] = {}
        self._places: dict[str, tuple[Survey, int]] = {}
        for row in np.asarray(training).tolist():
            gather = _read(survey, row)
            self._refuse(gather.gather_id, self._judges.get(gather.gather_id, ""), "a training gather")
            self._refuse(gather.gather_id, self._copies.like(gather), "a training gather")
            self._known[gather.gather_id] = image_digest(gather.image)
            self._places[gather.gather_id] = survey, row

    def check_ids(self, ids: Iterable[str], what: str) -> None:
        """Make sure that a training used only gathers that may train.

        Args:
            ids: Ids of the gathers that it used, such as a SavedModel's `training_ids`.
            what: What was trained, for the error.

        Raises:
            LeakError: It used another gather.
        """
        for gather_id in ids:
            self._refuse(gather_id, self._reason(gather_id), f"seen by {what}")

    def check_judges(self, ids: Iterable[str]) -> None:
        """Make sure that weights are chosen by validation gathers alone, not by test gathers.

        Args:
            ids: Ids of the gathers that they are chosen by.

        Raises:
            LeakError: One is not a validation gather.
        """
        for gather_id in ids:
            role = self._judges.get(gather_id, "not a validation gather")
            self._refuse(gather_id, "" if role == _VALIDATION else role, "to choose weights by")

    def check_tested(self, ids: Iterable[str]) -> None:
        """Make sure that a classifier is scored on all the fold's test gathers and no others.

        Args:
            ids: Ids of the gathers that it is scored on.

        Raises:
            LeakError: They are not exactly the test gathers.
        """
        tested = {gather_id for gather_id, role in self._judges.items() if role == _TEST}
        for gather_id in sorted(tested.symmetric_difference(ids)):
            what = "a test gather that is left out" if gather_id in tested else "not a test gather"
            self._refuse(gather_id, what, "to be scored")

    def admit_flow(
        self,
        name: str,
        training_ids: Iterable[str],
        held_out_ids: Iterable[str] = (),
        earlier_ids: Iterable[str] = (),
    ) -> None:
        """Make gathers of a flow admissible.

        Args:
            name: Its name in `Origin.model`; no other fold's flow has this name.
            training_ids: Ids of the gathers that it was trained on.
            held_out_ids: Ids of the gathers that its weights were chosen by.
            earlier_ids: Ids of the gathers that trained the flow that it started from; the survey may lack them.

        Raises:
            LeakError: A training gather may not train, there are none, a held-out one is not a validation gather, or an
                earlier one is a validation or test gather.
        """
        ids = list(training_ids)
        if not ids:
            raise LeakError(f"flow {name} does not say what it was trained on, which may be anything; train it again")
        self.check_ids(ids, f"flow {name}")
        self.check_ids(self._judges.keys() & set(earlier_ids), f"the flow that {name} started from")
        self.check_judges(held_out_ids)
        self._flows.add(name)

    def admit(self, synthetic: Survey) -> None:
        """Let synthetic gathers train, after checking their origin and their images.

        Args:
            synthetic: A survey of them.

        Raises:
            InputError: A record is damaged or contradicts the index.
            LeakError: A gather has the id of another or names no parents; one of its ancestors is unknown or may not
                train; it was made by a flow that was not admitted, or is not what `MAKERS` make from its parents; or
                it has the same, or nearly the same, image as a validation or test gather.
        """
        came = f"a synthetic gather of {synthetic.path}"
        admitted: dict[str, bytes] = {}
        places: dict[str, tuple[Survey, int]] = {}
        columns = (synthetic.index["gather_id"], parents_of(synthetic), synthetic.index["model"])
        for row, (gather_id, parents, model) in enumerate(zip(*columns, strict=True)):
            if gather_id in self._parents or gather_id in admitted:
                self._refuse(gather_id, self._judges.get(gather_id, "not alone in having this id"), came)
            if not parents:
                self._refuse(gather_id, "of unknown origin: it names no parents", came)
            self._refuse(gather_id, self._reason_of(parents), came)
            if model not in self._flows | MAKERS.keys():
                self._refuse(gather_id, f"of unknown origin: {model or 'what made it'} was not checked", came)
            gather = _read(synthetic, row)
            self._refuse(gather_id, self._copies.like(gather), came)
            if model not in self._flows and not self._made_so(gather):
                self._refuse(gather_id, f"not what {model} makes of its parents", came)
            admitted[gather_id] = image_digest(gather.image)
            places[gather_id] = synthetic, row
        self._known |= admitted
        self._places |= places

    def making(
        self, maker: str, ids: Sequence[str], parents: Sequence[tuple[str, str]], alphas: Sequence[float]
    ) -> Callable[[np.ndarray], np.ndarray]:
        """Let children train that do not exist yet: the guard makes each of its parents when it is read.

        Args:
            maker: A key of `MAKERS`.
            ids: Ids of the children; no other gather has one of them.
            parents: Ids of the parents of each.
            alphas: `Origin.alpha` of each.

        Returns:
            What reads them, as `LabelledGathers.read`. It raises LeakError if one has the same, or nearly the same,
            image as a validation or test gather.

        Raises:
            LeakError: A parent is unknown or may not train, or an id is another gather's.
        """
        came = f"made by {maker} while training"
        for gather_id, of in zip(ids, parents, strict=True):
            if gather_id in self._parents or gather_id in self._places:
                self._refuse(gather_id, self._judges.get(gather_id, "not alone in having this id"), came)
            self._refuse(gather_id, self._reason_of(of), came)
            self._known.setdefault(gather_id, _NOT_MADE)

        def read(places: np.ndarray) -> np.ndarray:
            images = []
            for place in np.asarray(places).tolist():
                child = self._made(maker, parents[place], alphas[place])
                self._refuse(ids[place], self._copies.like(child), came)
                if self._known[ids[place]] == _NOT_MADE:
                    self._known[ids[place]] = image_digest(child.image)
                images.append(child.image)
            return np.array(images)

        return read

    def watched(self, gathers: LabelledGathers) -> Guarded:
        """Let labelled gathers train.

        Args:
            gathers: Training gathers of the fold, and admitted ones.

        Returns:
            The same gathers. Reading raises LeakError if an image is not the one known under its id.

        Raises:
            LeakError: A gather is neither, or one of its parents may not train.
        """
        given, anew = self._checked(gathers), gathers.anew
        if anew:
            given = replace(given, anew=lambda number: self._checked(anew(number)))
        self._given.append(given)
        return given

    def _checked(self, gathers: LabelledGathers) -> Guarded:
        """Gathers of one pass, if they may train."""
        came = f"offered from {gathers.path}"
        for gather_id, parents in set(zip(gathers.ids, gathers.parents, strict=True)):
            self._refuse(gather_id, self._reason_of(parents) or self._reason(gather_id), came)
        ids, read = _kept(gathers.ids), gathers.read

        def watching(places: np.ndarray) -> np.ndarray:
            images = read(places)
            for gather_id, image in zip(ids[places], images, strict=True):
                digest = image_digest(image)
                if digest != self._known[gather_id]:
                    self._refuse(gather_id, self._copies.equal(digest) or "not the image of this id", came)
            return images

        # Copies, as a caller could still change its own arrays after the check.
        return Guarded(
            ids=ids,
            classes=_kept(gathers.classes),
            weights=_kept(gathers.weights),
            size=gathers.size,
            read=watching,
            parents=_kept(gathers.parents),
            valid=_kept(gathers.valid),
            path=gathers.path,
        )

    def require(self, gathers: LabelledGathers) -> None:
        """Make sure that gathers came through this guard.

        Raises:
            LeakError: They did not.
        """
        if not any(one is gathers for one in self._given):
            raise LeakError(f"gathers of {gathers.path} did not pass the fold's guard; take them from Material.watched")

    def _judge(self, survey: Survey, row: int, role: str) -> None:
        """Register a validation or test gather."""
        gather = _read(survey, row)
        self._judges[gather.gather_id] = role
        self._copies.add(survey, row, gather, role)

    def _made_so(self, gather: Gather) -> bool:
        """Whether a gather is what `MAKERS` make from its parents, which may train."""
        origin = gather.origin
        if len(origin.parents) != 2 or not self._places.keys() >= set(origin.parents):
            return False
        return np.array_equal(self._made(origin.model, origin.parents, origin.alpha).image, gather.image)

    def _made(self, maker: str, parents: Sequence[str], alpha: float) -> Gather:
        """What `MAKERS` make of two gathers that may train."""
        first, second = (_read(*self._places[parent]) for parent in parents)
        return child_of(first, MAKERS[maker](first, second, alpha), "", maker, Origin())

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
            return "not a training gather of the fold"
        return self._reason_of(parents, (*seen, gather_id)) or "synthetic and was not admitted"

    def _refuse(self, gather_id: str, reason: str, came: str) -> None:
        """Raise a leak, if there is a reason."""
        if reason:
            self.leak = LeakError(f"leak: gather {gather_id} ({came}) is {reason}; nothing was trained on it")
            raise self.leak


def _kept(values: np.ndarray) -> np.ndarray:
    """A read-only copy."""
    values = values.copy()
    values.setflags(write=False)
    return values


def _read(survey: Survey, row: int) -> Gather:
    """A gather, after checking that its record and the index agree on origin and label.

    Raises:
        InputError: They do not, or the record is damaged.
    """
    gather = survey.read(row)
    said = gather.gather_id, ";".join(gather.origin.parents), gather.label, gather.origin.model
    names = tuple(str(survey.index[column].iat[row]) for column in ("gather_id", "parents", "label", "model"))
    if said != names:
        one, other = (f"{name}, parents {parents or 'none'}, {label}" for name, parents, label, _ in (said, names))
        raise InputError(
            f"{survey.record_name(row)}: it says {one}, gathers.csv {other}; one was changed, make the survey again"
        )
    return gather


def _parents(survey: Survey) -> dict[str, tuple[str, ...]]:
    """Parents of a survey's gathers by id."""
    return dict(zip(survey.index["gather_id"], parents_of(survey), strict=True))
