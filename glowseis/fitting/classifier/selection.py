"""Which gathers of a survey train a classifier, which judge its weights, and which score it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.recipe import ClassifierRecipe
from glowseis.survey.severity import alike, by_severity, of_unknown_severity
from glowseis.survey.splits.fold_files import hold_out, labelled_rows, read_folds
from glowseis.survey.splits.parts import labels_of
from glowseis.survey.store.survey import Survey


@dataclass(frozen=True)
class ClassifierSelection:
    """Row numbers of a survey, in its order, int64 `[gather]` each; no row is in two of them.

    Attributes:
        labels: Names of the classes, in order of severity.
        training: Rows to train on.
        validation: Rows that judge the weights; may be empty.
        test: Rows that are scored at the end; may be empty.
        folds_checksum: Checksum of the file of folds that names them; None if there is none.
        grouped: Whether a sail line's gathers are kept in one part.
    """

    labels: tuple[str, ...]
    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    folds_checksum: str | None = None
    grouped: bool = False


def renamed(survey: Survey, rename: Mapping[str, str], classes: Sequence[str] = ()) -> Survey:
    """A survey whose labels are renamed to classes.

    Args:
        survey: The survey.
        rename: Classes by label; other labels keep their names, except that they take a class's capitals.
        classes: Names of classes that are known.
    """
    names = {label: rename.get(label) or alike(label, classes) or label for label in survey.labels}
    labels = survey.index["label"].map(lambda label: names.get(label, label)).to_numpy(object)
    there = survey.relabelling
    return survey.relabelled(labels, there.files if there else ["data.rename"], there.judge if there else "")


def select_labelled(survey: Survey, recipe: ClassifierRecipe, known: Sequence[str] = ()) -> ClassifierSelection:
    """Choose training, validation and test gathers; synthetic and unlabelled ones are left out.

    Args:
        survey: The survey, with labels of its own.
        recipe: What to train, and how.
        known: Classes of the classifier that the training starts from, if it does. They are the classes unless the
            survey has others. Some may have no gathers, in the survey or in a part.

    Raises:
        InputError: The survey lacks a label or has fewer than two, the file of folds does not suit it, or a part would
            have no rare gather.
    """
    data, whole = recipe.data, survey
    survey = renamed(survey, data.rename, data.labels or known)
    ours = known if set(survey.labels) <= set(known) else by_severity(survey.labels)
    labels = tuple(data.labels or ours)
    if len(labels) < 2:
        there = f"only {labels[0]!r}" if labels else "none"
        raise InputError(
            f"{survey.path}: a classifier needs gathers of at least two labels, and there is {there}; label more"
        )
    if not data.labels and (unknown := of_unknown_severity(labels)):
        raise InputError(
            f"{survey.path}: the severity of the label {unknown[0]!r} is unknown; pass --set 'data.labels=[...]' with "
            f"{', '.join(json.dumps(label, ensure_ascii=False) for label in labels)} in order of severity, the mildest "
            f"first{', or say in data.rename which class it is' if known else ''}"
        )
    if isinstance(recipe.training.class_weights, list) and len(recipe.training.class_weights) != len(labels):
        raise InputError(
            f"training.class_weights has {len(recipe.training.class_weights)} values for the labels "
            f"{', '.join(labels)} of {survey.path}; give one per label"
        )
    had = [label for label in labels if label in survey.labels] if known else labels
    wanted = np.intersect1d(survey.select(labels=had), labelled_rows(survey))
    few = bool(known)
    nothing = np.zeros(0, np.int64)
    parts: tuple[np.ndarray, ...]
    checksum, grouped = None, data.grouped
    if data.folds:
        folds = read_folds(Path(data.folds), whole)
        parts = tuple(np.intersect1d(rows, wanted) for rows in folds.parts(data.fold))
        checksum = folds.checksum
        grouped = grouped or folds.content.kind.startswith("grouped")
    elif data.test:
        parts = hold_out(survey, wanted, data.test, recipe.seed, grouped=data.grouped, few=few)
    else:
        parts = wanted, nothing
    if len(parts) == 3:
        training, validation, test = parts
    else:
        training, test = parts
        validation = nothing
        if data.validation:
            training, validation = hold_out(survey, training, data.validation, recipe.seed, grouped=grouped, few=few)
    if not len(validation) and (recipe.training.keep == "best" or recipe.training.patience):
        raise InputError(
            'training.keep = "best" and training.patience need validation gathers; set data.validation above 0'
        )
    if known:
        _check_enough(survey, labels, training, 1 if recipe.training.rehearsal else 2)
    return ClassifierSelection(labels, training, validation, test, checksum, grouped)


def _check_enough(survey: Survey, labels: Sequence[str], training: np.ndarray, least: int) -> None:
    """Make sure that there is something to learn: gathers of so many classes."""
    of_each = dict(zip(*np.unique(labels_of(survey, training), return_counts=True), strict=True))
    if len(of_each) >= least:
        return
    if least == 1:
        raise InputError(
            f"{survey.path}: has no labelled gather to train on beside those to rehearse; label some (--labels)"
        )
    there = f"all {len(training)} are {next(iter(of_each))}" if of_each else "there are none"
    others = ", ".join(label for label in labels if label not in of_each)
    raise InputError(
        f"{survey.path}: a classifier needs gathers of at least two classes, but of the labelled ones to train on "
        f"{there}; label some of {others} (--labels), or add gathers by training.rehearsal"
    )
