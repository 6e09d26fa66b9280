"""Collects and checks the outcomes of a study, for tables and report."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from eval.study.names import ARMS
from eval.study.outcome import Outcome, outcome_path, read_outcome
from glowseis.errors import InputError
from glowseis.scoring import Scores, scores

_NAMED_AT_MOST = 5


@dataclass(frozen=True, eq=False)
class Results:
    """Outcomes of a study.

    Attributes:
        study: Digest of what they share (`eval.study.preparation.Study.digest`).
        labels: Names of the classes, in order of severity.
        rare: The rare class.
        kinds: Kinds of folds, the headline first.
        arms: Names of arms, in the order of `eval.study.names.ARMS`.
        folds: Number of folds of each kind.
        outcomes: The outcomes by kind and arm, in the order of folds, each with its gathers in the order of ids.
        folder: Their folder.
    """

    study: str
    labels: tuple[str, ...]
    rare: str
    kinds: tuple[str, ...]
    arms: tuple[str, ...]
    folds: int
    outcomes: dict[tuple[str, str], list[Outcome]]
    folder: Path

    @property
    def rare_number(self) -> int:
        """Number of the rare class."""
        return self.labels.index(self.rare)

    @property
    def missing(self) -> str:
        """The outcomes that are missing, such as `grouped fold 3 flow`; empty if none is."""
        there = {(kind, one.fold, arm) for (kind, arm), found in self.outcomes.items() for one in found}
        every = itertools.product(self.kinds, range(self.folds), self.arms)
        missing = [_named(key) for key in every if key not in there]
        more = f" and {len(missing) - _NAMED_AT_MOST} more" if len(missing) > _NAMED_AT_MOST else ""
        return ", ".join(missing[:_NAMED_AT_MOST]) + more

    @property
    def independent(self) -> bool:
        """Whether models were also scored on an independent test survey."""
        given = [one for found in self.outcomes.values() for one in found if not one.error]
        return bool(given) and all(one.independent is not None for one in given)

    def failure(self, kind: str, arm: str) -> str:
        """Why an arm has no figures, such as `failed: fold 3: ..`; empty if it has.

        Args:
            kind: Kind of the folds.
            arm: Name of the arm.
        """
        failed = [one for one in self.outcomes[kind, arm] if one.error]
        if not failed:
            return ""
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return f"failed: fold {failed[0].fold}: {failed[0].error}{more}"

    def of(self, kind: str, arm: str) -> list[Outcome]:
        """Outcomes of an arm, in the order of folds; none if it failed in any fold.

        Args:
            kind: Kind of the folds.
            arm: Name of the arm.
        """
        return [] if self.failure(kind, arm) else self.outcomes[kind, arm]

    def paired(self, kind: str, first: str, second: str) -> list[tuple[Outcome, Outcome]]:
        """Outcomes of two arms in the folds that both finished; none if one of them failed.

        Args:
            kind: Kind of the folds.
            first: Name of an arm.
            second: Name of the other arm.
        """
        others = {one.fold: one for one in self.of(kind, second)}
        return [(one, others[one.fold]) for one in self.of(kind, first) if one.fold in others]

    def scores_of(self, outcome: Outcome) -> Scores:
        """Scores on a fold's test gathers.

        Args:
            outcome: One of these outcomes; it did not fail.
        """
        return self._scores[outcome.kind, outcome.fold, outcome.arm]

    def scored(self, kind: str, arm: str) -> list[Scores]:
        """Scores on the test gathers of each fold.

        Args:
            kind: Kind of the folds.
            arm: Name of the arm.
        """
        return [self.scores_of(one) for one in self.of(kind, arm)]

    @cached_property
    def _scores(self) -> dict[tuple[str, int, str], Scores]:
        return {
            (one.kind, one.fold, one.arm): scores(
                one.truth, one.predicted, one.labels, probabilities=np.array(one.probabilities)
            )
            for found in self.outcomes.values()
            for one in found
            if not one.error
        }

    def confusion(self, kind: str, arm: str) -> np.ndarray:
        """Test gathers of all folds, int64 `[class, graded as]`.

        Args:
            kind: Kind of the folds.
            arm: Name of the arm.
        """
        shape = (len(self.labels), len(self.labels))
        return sum((one.confusion for one in self.scored(kind, arm)), np.zeros(shape, np.int64))

    def progress(self, kind: str) -> str:
        """How many folds are finished, such as `7 of 10 folds`.

        Args:
            kind: Kind of the folds.
        """
        counts = sorted({len(self.outcomes[kind, arm]) for arm in self.arms})
        return f"{' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} of {self.folds} folds"


def held_out_ratio(outcomes: Iterable[Outcome]) -> float:
    """Test gathers per training gather, `n_test / n_train` of the corrected resampled t-test; mean over folds.

    Validation gathers are not counted, as they do not train, so that tests err on the side of caution.

    Args:
        outcomes: One outcome per fold.
    """
    return float(np.mean(sorted(len(one.ids) / sum(one.training.values()) for one in outcomes)))


def finished(folder: Path, digest: str, kind: str, fold: int, arm: str) -> bool:
    """Whether an arm has an outcome in a fold; an arm that failed is not finished.

    Args:
        folder: Folder of the study's outcomes.
        digest: The study's digest.
        kind: Kind of the folds.
        fold: Number of the fold.
        arm: Name of the arm.

    Raises:
        InputError: The outcome is damaged, of another study, or its content does not match its name.
    """
    path = outcome_path(folder, kind, fold, arm)
    if not path.exists():
        return False
    outcome = read_outcome(path)
    _check_study(path, outcome, digest)
    if (outcome.kind, outcome.fold, outcome.arm) != (kind, fold, arm):
        raise InputError(
            f"{path}: holds {outcome.kind} fold {outcome.fold} {outcome.arm}; remove it and run its fold again"
        )
    return not outcome.error


def collect(folder: Path, digest: str | None, kinds: Sequence[str], arms: Sequence[str], folds: int) -> Results:
    """Read a study's outcomes.

    Args:
        folder: Their folder.
        digest: The study's digest; None for any that they share.
        kinds: Kinds of folds, the headline first; outcomes of others are ignored.
        arms: Names of arms; outcomes of others are ignored.
        folds: Number of folds of each kind.

    Raises:
        InputError: There is no outcome; one is damaged, duplicated, of another study, or has other labels or another
            number of folds; a gather is tested in two folds of a kind; or arms of a fold were tested on different
            gathers.
    """
    found: dict[tuple[str, int, str], tuple[Path, Outcome]] = {}
    for path in sorted(folder.glob("*.json")):
        outcome = read_outcome(path)
        if outcome.kind not in kinds or outcome.arm not in arms:
            continue
        if not outcome.error and not outcome.ids:
            raise InputError(f"{path}: is damaged (it has no test gathers); remove it and run its fold again")
        digest = digest or outcome.study
        _check_study(path, outcome, digest)
        key = (outcome.kind, outcome.fold, outcome.arm)
        if key in found:
            raise InputError(f"{path}: {_named(key)} is also in {found[key][0].name}; remove one of the two")
        first = next(iter(found.values()), (path, outcome))
        _check_same(path, outcome, *first, folds)
        found[key] = path, _ordered(outcome)
    if not found or not digest:
        raise InputError(f"{folder}: no arm of a fold is finished; run folds first")
    ordered = [arm for arm in ARMS if arm in arms]
    _check_tested(found)
    outcomes = {
        (kind, arm): [found[key][1] for fold in range(folds) if (key := (kind, fold, arm)) in found]
        for kind in kinds
        for arm in ordered
    }
    some = next(iter(found.values()))[1]
    return Results(digest, tuple(some.labels), some.rare, tuple(kinds), tuple(ordered), folds, outcomes, folder)


def _check_study(path: Path, outcome: Outcome, digest: str) -> None:
    if outcome.study != digest:
        raise InputError(
            f"{path}: is of another study ({outcome.study[:12]}, this one is {digest[:12]}): other settings or data; "
            "give each study a folder of its own"
        )


def _check_same(path: Path, outcome: Outcome, other_path: Path, other: Outcome, folds: int) -> None:
    if outcome.folds != folds or not 0 <= outcome.fold < folds:
        raise InputError(f"{path}: is fold {outcome.fold} of {outcome.folds}, the study has {folds}; remove it")
    if (outcome.labels, outcome.rare) != (other.labels, other.rare):
        raise InputError(
            f"{path}: its labels are {', '.join(outcome.labels)} (rare: {outcome.rare}), those of "
            f"{other_path.name} {', '.join(other.labels)} (rare: {other.rare}); remove the wrong one"
        )


def _ordered(outcome: Outcome) -> Outcome:
    """The same with gathers in the order of ids, so that those of two arms match."""
    order = sorted(range(len(outcome.ids)), key=outcome.ids.__getitem__)
    lists = {name: getattr(outcome, name) for name in ("ids", "classes", "probabilities")}
    return outcome.model_copy(update={name: [values[place] for place in order] for name, values in lists.items()})


def _check_tested(found: dict[tuple[str, int, str], tuple[Path, Outcome]]) -> None:
    """Make sure that every gather is tested once per kind, and by all arms in the same fold."""
    tested: dict[tuple[str, str], tuple[int, Path]] = {}
    tests: dict[tuple[str, int], tuple[Path, Outcome]] = {}
    for (kind, fold, _), (path, outcome) in found.items():
        if outcome.error:
            continue
        other_path, other = tests.setdefault((kind, fold), (path, outcome))
        if (outcome.ids, outcome.classes) != (other.ids, other.classes):
            raise InputError(
                f"{path}: was tested on other gathers than {other_path.name} of the same fold; run both again"
            )
        if len(set(outcome.ids)) < len(outcome.ids):
            raise InputError(f"{path}: a gather is tested twice; remove it and run its fold again")
        for gather in outcome.ids:
            other_fold, before = tested.setdefault((kind, gather), (fold, path))
            if other_fold != fold:
                raise InputError(
                    f"{path}: gather {gather} is also tested in {kind} fold {other_fold} ({before.name}); "
                    "run both again"
                )


def _named(key: tuple[str, int, str]) -> str:
    return f"{key[0]} fold {key[1]} {key[2]}"
