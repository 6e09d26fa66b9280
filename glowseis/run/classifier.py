"""A run that trains a classifier: from recipe and survey to SavedModel, predictions and scores."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glowseis.export import export_classifier
from glowseis.fitting.classifier import ClassifierFitting, make_classifier
from glowseis.fitting.classifier_log import ClassifierRun
from glowseis.fitting.classifier_selection import ClassifierSelection, select_labelled
from glowseis.fitting.stopping import Stopping
from glowseis.recipe import ClassifierRecipe
from glowseis.run.folder import (
    RESULT,
    claimed,
    deterministic,
    export_once,
    finish,
    ids,
    last_lines,
    read_json,
    record_of,
)
from glowseis.scoring import scores
from glowseis.survey.labelled import LabelledGathers, from_survey
from glowseis.survey.records import Survey

PREDICTIONS = "predictions.csv"


def train_classifier(
    recipe: ClassifierRecipe,
    survey: Survey,
    folder: Path,
    savedmodels: Path,
    say: Callable[[str], None],
    started: float,
) -> dict[str, Any]:
    """Train a recipe's classifier on a survey, or go on where an earlier process stopped, score and export it.

    Args:
        recipe: What to do.
        survey: The gathers.
        folder: The run's folder; made when missing.
        savedmodels: Where the SavedModel goes, as `NAME/VERSION` with the next free version.
        say: Called with lines for the user.
        started: When the command started, by `time.monotonic`.

    Returns:
        The figures, as they stand in `result.json`.

    Raises:
        InputError: The folder holds another run or something else, or the survey does not suit the recipe.
        StoppedError: A signal came; the state is saved.
        FittingError: The loss or a weight is not finite.
    """
    selection = select_labelled(survey, recipe)
    record = record_of(recipe, survey, selection.folds_checksum)
    with claimed(folder, record, say) as identity, Stopping() as stopping:
        if (folder / RESULT).exists():
            say(f"{folder}: this run is done; its figures:")
            return read_json(folder / RESULT)
        deterministic()
        training, validation, test = (
            from_survey(survey, rows, selection.labels)
            for rows in (selection.training, selection.validation, selection.test)
        )
        section = recipe.classifier
        model = make_classifier(len(selection.labels), section.alpha, section.head, recipe.seed)
        fitting = ClassifierFitting(
            model,
            training,
            recipe.training,
            recipe.seed,
            data=recipe.data,
            validation=validation,
            labels=selection.labels,
        )
        run = ClassifierRun(fitting, folder, stopping)
        say(_plan(fitting, selection))
        if run.restored:
            say(f"going on after step {run.checkpoints.step} of {fitting.steps}")
        fitted = run.run()
        result: dict[str, Any] = {"step": fitted.step, "steps": fitted.steps}
        judged = {"validation": validation, "test": test}
        found = {part: fitting.probabilities(gathers) for part, gathers in judged.items() if len(gathers)}
        for part, probabilities in found.items():
            one = scores(
                judged[part].classes, probabilities.argmax(axis=1), selection.labels, probabilities=probabilities
            )
            result[part] = {**one.record(), "text": one.text()}
        _write_predictions(folder / PREDICTIONS, judged, found, selection.labels)
        about = {
            **record,
            "run": identity,
            "image_shape": [*(fitting.window or survey.size), 1],
            "training_ids": ids(survey, selection.training),
            "validation_ids": ids(survey, selection.validation),
            "test_ids": ids(survey, selection.test),
            "figures": dict(result),
        }
        written = export_once(
            identity,
            savedmodels / recipe.name,
            lambda target: export_classifier(model, selection.labels, target, about),
        )
        finish(folder, result, written, started, run.first_step_at)
    return result


def classifier_lines(result: dict[str, Any]) -> list[str]:
    """A run's figures for the terminal."""
    shown = []
    for part in ("validation", "test"):
        if part in result:
            count = sum(result[part]["support"])
            shown += [
                f"{part}, {count:g} gathers (weights of step {result['step']}), in percent:",
                result[part]["text"],
            ]
    return [*shown, *last_lines(result)]


def _plan(fitting: ClassifierFitting, selection: ClassifierSelection) -> str:
    counts = np.bincount(fitting.gathers.classes, minlength=len(selection.labels))
    of_each = ", ".join(f"{count} {label}" for label, count in zip(selection.labels, counts, strict=True))
    return (
        f"classifier of {fitting.model.count_params():,} weights; {len(selection.training)} gathers to train on "
        f"({of_each}); {len(selection.validation)} for validation, {len(selection.test)} for the test; "
        f"{fitting.steps} steps"
    )


def _write_predictions(
    path: Path, judged: dict[str, LabelledGathers], found: dict[str, np.ndarray], labels: tuple[str, ...]
) -> None:
    """Write what gathers that were not trained on were graded, whole or not at all."""
    tables = [
        pd.DataFrame(
            {
                "gather_id": judged[part].ids,
                "part": part,
                "label": np.array(labels)[judged[part].classes],
                "grade": np.array(labels)[probabilities.argmax(axis=1)],
            }
            | {f"probability_{label}": probabilities[:, number] for number, label in enumerate(labels)}
        )
        for part, probabilities in found.items()
    ]
    columns = ["gather_id", "part", "label", "grade", *(f"probability_{label}" for label in labels)]
    unfinished = path.with_suffix(".writing")
    # Nine significant digits give a float32 back.
    table = pd.concat(tables) if tables else pd.DataFrame(columns=columns)
    table.to_csv(unfinished, index=False, float_format="%.9g", lineterminator="\n")
    os.replace(unfinished, path)
