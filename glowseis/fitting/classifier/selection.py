"""Which gathers of a survey train a classifier, which judge its weights, and which score it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.recipe import ClassifierRecipe
from glowseis.survey.severity import by_severity, of_unknown_severity
from glowseis.survey.splits.fold_files import hold_out, labelled_rows, read_folds
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
    """

    labels: tuple[str, ...]
    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    folds_checksum: str | None = None


def select_labelled(survey: Survey, recipe: ClassifierRecipe) -> ClassifierSelection:
    """Choose training, validation and test gathers; synthetic and unlabelled ones are left out.

    Raises:
        InputError: The survey lacks a label or has fewer than two, the file of folds does not suit it, or a part would
            have no rare gather.
    """
    data = recipe.data
    labels = tuple(data.labels or by_severity(survey.labels))
    if len(labels) < 2:
        there = f"only {labels[0]!r}" if labels else "none"
        raise InputError(
            f"{survey.path}: a classifier needs gathers of at least two labels, and there is {there}; label more"
        )
    if not data.labels and (unknown := of_unknown_severity(labels)):
        raise InputError(
            f"{survey.path}: the severity of the label {unknown[0]!r} is unknown; pass --set 'data.labels=[...]' with "
            f"{', '.join(json.dumps(label, ensure_ascii=False) for label in labels)} in order of severity, the mildest "
            "first"
        )
    if isinstance(recipe.training.class_weights, list) and len(recipe.training.class_weights) != len(labels):
        raise InputError(
            f"training.class_weights has {len(recipe.training.class_weights)} values for the labels "
            f"{', '.join(labels)} of {survey.path}; give one per label"
        )
    wanted = np.intersect1d(survey.select(labels=labels), labelled_rows(survey))
    nothing = np.zeros(0, np.int64)
    parts: tuple[np.ndarray, ...]
    checksum, grouped = None, data.grouped
    if data.folds:
        folds = read_folds(Path(data.folds), survey)
        parts = tuple(np.intersect1d(rows, wanted) for rows in folds.parts(data.fold))
        checksum = folds.checksum
        grouped = grouped or folds.content.kind.startswith("grouped")
    elif data.test:
        parts = hold_out(survey, wanted, data.test, recipe.seed, grouped=data.grouped)
    else:
        parts = wanted, nothing
    if len(parts) == 3:
        training, validation, test = parts
    else:
        training, test = parts
        validation = nothing
        if data.validation:
            training, validation = hold_out(survey, training, data.validation, recipe.seed, grouped=grouped)
    if not len(validation) and (recipe.training.keep == "best" or recipe.training.patience):
        raise InputError(
            'training.keep = "best" and training.patience need validation gathers; set data.validation above 0'
        )
    return ClassifierSelection(labels, training, validation, test, checksum)
