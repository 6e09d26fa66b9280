"""A run that trains a classifier: from recipe and survey to SavedModel, predictions and scores."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pydantic

from glowseis.export.about import TRAINED_ON
from glowseis.export.classifier import export_classifier
from glowseis.export.known import known_digests
from glowseis.files import whole_file
from glowseis.fitting.classifier.fitting import ClassifierFitting, make_classifier
from glowseis.fitting.classifier.run import ClassifierRun
from glowseis.fitting.classifier.selection import ClassifierSelection, select_labelled
from glowseis.fitting.devices.devices import deterministic_kernels
from glowseis.fitting.stopping import Stopping
from glowseis.judging.calibration import reliability
from glowseis.judging.decision import UNSURE
from glowseis.judging.symmetries import SYMMETRIES
from glowseis.recipe import ClassifierRecipe
from glowseis.run.claim import claimed
from glowseis.run.conclusions import Conclusions, conclude
from glowseis.run.finetuning import kept_of, started_classifier
from glowseis.run.preparation import Prepared, forgotten_if_refused, prepare
from glowseis.run.rare import rare_flow
from glowseis.run.record import record_of
from glowseis.run.reliability import plot_reliability
from glowseis.run.result import RESULT, Result, export_once, finish, last_lines, read_result
from glowseis.run.starting import Start, began_with, classifier_start, earlier_ids, known_before, with_start
from glowseis.scoring import scores
from glowseis.survey.batches.labelled import together
from glowseis.survey.cells import safe_table
from glowseis.survey.gather import source_text
from glowseis.survey.matching.profile import profile_of
from glowseis.survey.progress import stage, stages
from glowseis.survey.splits.fold_files import torn
from glowseis.survey.splits.parts import ids_of
from glowseis.survey.store.survey import Survey, open_survey
from glowseis.survey.wording import number_of

PREDICTIONS, RELIABILITY = "predictions.csv", "reliability.png"


class Scored(pydantic.BaseModel, strict=True):
    """The scores of a part, as far as they are read back.

    Attributes:
        support: Gathers of each class.
        text: The scores as a table.
    """

    support: list[float]
    text: str


class ClassifierResult(Result):
    """The figures of a classifier's run, as far as they are read back; a part without gathers has no scores.

    Attributes:
        step: The step whose weights were kept.
        validation: Scores of the validation gathers.
        test: Scores of the test gathers.
    """

    step: int
    validation: Scored = Scored(support=[], text="")
    test: Scored = Scored(support=[], text="")


def train_classifier(
    recipe: ClassifierRecipe,
    survey: Survey,
    folder: Path,
    savedmodels: Path,
    say: Callable[[str], None],
    started: float,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Train a recipe's classifier on a survey, or resume where an earlier process stopped, then score and export it.

    Args:
        recipe: What to train, and how.
        survey: The gathers.
        folder: The run's folder; made if missing.
        savedmodels: Where the SavedModel goes, as `NAME/VERSION` with the next free version.
        say: Called with lines for the user.
        started: When the command started, by `time.monotonic`.
        callbacks: Keras callbacks that only watch (see `glowseis.fitting.classifier.fitting.ClassifierFitting.run`).

    Returns:
        The figures, as they stand in `result.json`.

    Raises:
        InputError: The folder holds another run or something else, or the survey does not suit the recipe.
        StoppedError: A signal came; the state is saved.
        FittingError: The loss or a weight is not finite.
    """
    start, recipe = classifier_start(recipe), with_start(recipe)
    known = start.labels if start else ()
    selection = select_labelled(survey, recipe, known)
    rehearsal = open_survey(recipe.training.rehearsal_survey) if recipe.training.rehearsal_survey else None
    flow = rare_flow(recipe.rare)
    began = began_with(start, rehearsal, flow, survey.unsure if recipe.training.stand_ins else ())
    record = record_of(recipe, survey, selection.folds_checksum, start=began)
    with claimed(folder, record, say) as identity, Stopping() as stopping, stages():
        if (folder / RESULT).exists():
            say(f"{folder}: this run is done; its figures:")
            return read_result(folder, ClassifierResult)
        deterministic_kernels()
        with forgotten_if_refused(folder):
            found = prepare(recipe, survey, selection, start, rehearsal, flow, folder, say)
            fitting = _fitting(recipe, found, start, say)
        survey, selection, model = found.survey, found.selection, fitting.model
        training, validation, test = found.training, found.validation, found.test
        run = ClassifierRun(fitting, folder, stopping, identity, say)
        for line in _plan(fitting, survey, selection, start):
            say(line)
        if run.restored:
            say(f"resuming after step {run.checkpoints.step} of {fitting.steps}")
        fitted = run.run(callbacks)
        result: dict[str, Any] = {"step": fitted.step, "steps": fitted.steps}
        classes = {"training": training.classes, "validation": validation.classes, "test": test.classes}
        fractions = fitting.fractions
        window = fitting.window
        symmetries = [name for name in SYMMETRIES if name in recipe.data.augment]
        size, grading = window or survey.size, recipe.grading
        kept = kept_of(start, selection.labels) if start else None
        concluded = conclude(
            model,
            survey,
            selection,
            classes,
            fractions,
            size,
            say,
            symmetries,
            grading.fractions,
            grading.missed_cost,
            grading.unsure_below,
            kept,
        )
        kept_all = recipe.training.keep == "last" and not recipe.training.patience
        if concluded.kept and concluded.decision.threshold is None and kept_all:
            result["validation_unused"] = True
        earlier = {
            "validation": known_before(survey, selection.validation, start, flow),
            "test": known_before(survey, selection.test, start, flow),
        }
        if any(earlier.values()):
            result["known_before"] = earlier
        result |= _scored(concluded, classes, selection.labels)
        if concluded.calibration:
            result["calibration"] = {**concluded.calibration.record(), **_reliabilities(concluded, classes)}
            if start and concluded.kept and kept and kept.temperature is not None:
                result["calibration"]["temperature_of"] = start.name
            _draw_reliability(folder / RELIABILITY, result["calibration"])
        _write_predictions(folder / PREDICTIONS, survey, selection, concluded, classes)
        profile = profile_of(
            survey,
            selection.training,
            labels=selection.labels,
            fractions=dict(zip(selection.labels, fractions.tolist(), strict=True)),
            window=window,
        )
        rehearsed = map(str, found.rehearsal.ids) if found.rehearsal else ()
        images = chain.from_iterable(
            gathers.valid_images() for gathers in (training, validation, found.rehearsal) if gathers
        )
        about = {
            **record,
            "run": identity,
            **({"symmetries": symmetries} if symmetries else {}),
            "image_shape": [*size, 1],
            **({"window": list(window)} if window else {}),
            TRAINED_ON: profile.record(),
            "training_ids": ids_of(survey, selection.training),
            "validation_ids": ids_of(survey, selection.validation),
            "test_ids": ids_of(survey, selection.test),
            **({"rule_of": start.name} if start and concluded.rule_kept else {}),
            **({"earlier_ids": earlier_ids(start, flow, rehearsed=rehearsed)} if start or flow else {}),
            **known_digests(images, *(one.known for one in (start, flow) if one)),
            "figures": dict(result),
        }
        stage("writing the SavedModel")
        written = export_once(
            identity,
            savedmodels / recipe.name,
            lambda target: export_classifier(
                model,
                selection.labels,
                target,
                about,
                combination=concluded.combination,
                unlikeness=concluded.unlikeness,
                calibration=concluded.calibration,
                decision=concluded.decision,
            ),
        )
        finish(folder, result, written, started, run.first_step_at)
    return result


def _draw_reliability(path: Path, calibration: Mapping[str, Any]) -> None:
    """Draw the diagram, if there are gathers that did not train."""
    if {"validation", "test"} & calibration.keys():
        with whole_file(path, replace=True) as unfinished:
            plot_reliability(calibration, unfinished)


def classifier_lines(result: dict[str, Any], folder: Path) -> list[str]:
    """A run's figures for the terminal.

    Args:
        result: The figures, as `train_classifier` returns them.
        folder: The run's folder.
    """
    shown = []
    for part in ("validation", "test"):
        if part in result:
            count = sum(result[part]["support"])
            # The rule for windows is fitted to these, and usually the weights are chosen on them.
            chosen = part == "validation" and not result.get("validation_unused")
            reasons = ["weights and rule were chosen on them"] if chosen else []
            for name, known in result.get("known_before", {}).get(part, {}).items():
                reasons.append(f"{known} of them trained {name} or chose its weights")
            flattered = f", optimistic because {' and '.join(reasons)}" if reasons else ""
            shown += [
                f"{part}, {count:g} gathers{flattered} (weights of step {result['step']}), in percent:",
                result[part]["text"],
            ]
            if doubt := result[part].get("unsure"):
                shown.append(
                    f"{doubt['gathers']} of them unsure, among them {doubt['wrong']} of the {doubt['wrong_of_all']} "
                    "wrong grades"
                )
    if calibration := result.get("calibration"):
        shown += _calibration_lines(calibration, folder)
    return [*shown, *last_lines(result)]


def _calibration_lines(calibration: dict[str, Any], folder: Path) -> Iterator[str]:
    """How far probabilities were from how often grades are right, and whether the calibration mended that."""
    errors = {
        part: [100 * calibration[part][when]["expected_calibration_error"] for when in ("before", "after")]
        for part in ("validation", "test")
        if part in calibration
    }
    each = ", ".join(f"{part} {before:.1f} before and {after:.1f} after" for part, (before, after) in errors.items())
    if each:
        yield f"expected calibration error in percent: {each} calibration ({source_text(folder / RELIABILITY)})"
    if "temperature_of" in calibration:
        yield f"  the temperature is that of {calibration['temperature_of']}: too few validation gathers to fit one"
    elif not calibration["fitted_on"]:
        yield "  the temperature is 1: too few validation gathers to fit one"
    worse = [part for part, (before, after) in errors.items() if after > before]
    if worse:
        yield f"  calibration (to the class fractions, then by temperature) did not help on {' and '.join(worse)}"


def _fitting(
    recipe: ClassifierRecipe, found: Prepared, start: Start | None, say: Callable[[str], None]
) -> ClassifierFitting:
    """The fitting of a new network, or of a saved classifier's, to the gathers of a training."""
    labels, section = found.selection.labels, recipe.classifier
    if start:
        model = started_classifier(start, labels, recipe.seed, say)
    else:
        model = make_classifier(len(labels), section.alpha, section.head, recipe.seed, section.companded)
    return ClassifierFitting(
        model,
        together([found.training, found.added]) if found.added else found.training,
        recipe.training,
        recipe.seed,
        data=recipe.data,
        validation=found.validation,
        labels=labels,
        rehearsal=found.rehearsal,
    )


def _scored(concluded: Conclusions, classes: dict[str, np.ndarray], labels: Sequence[str]) -> dict[str, Any]:
    """Scores of the parts that were not trained on; unsure gathers are scored by the grade that they nearly got."""
    found = {}
    for part, probabilities in concluded.probabilities.items():
        graded, unsure = concluded.decision.classes(probabilities), concluded.decision.unsure(probabilities)
        one = scores(classes[part], graded, labels, probabilities=probabilities)
        wrong = graded != classes[part]
        doubt = {"gathers": int(unsure.sum()), "wrong": int((unsure & wrong).sum()), "wrong_of_all": int(wrong.sum())}
        found[part] = {**one.record(), "text": one.text(), **({"unsure": doubt} if unsure.any() else {})}
    return found


def _reliabilities(concluded: Conclusions, classes: dict[str, np.ndarray]) -> dict[str, Any]:
    """Reliability before and after the calibration, by part."""
    return {
        part: {
            "before": reliability(concluded.raw[part], classes[part]).record(),
            "after": reliability(probabilities, classes[part]).record(),
        }
        for part, probabilities in concluded.probabilities.items()
    }


def _plan(
    fitting: ClassifierFitting, survey: Survey, selection: ClassifierSelection, start: Start | None
) -> Iterator[str]:
    parts = (selection.training, selection.validation, selection.test)
    if copies := torn(survey, {int(row): part for part, rows in enumerate(parts) for row in rows}):
        yield copies
    counts = np.bincount(fitting.gathers.classes, minlength=len(selection.labels))
    of_each = ", ".join(f"{count} {label}" for label, count in zip(selection.labels, counts, strict=True))
    if start:
        rehearsal = fitting.rehearsal.classes if fitting.rehearsal else np.zeros(0, np.int64)
        there = counts + np.bincount(rehearsal, minlength=len(counts))
        none = [label for label, count in zip(selection.labels, there, strict=True) if not count]
        if none:
            yield (
                f"warning: no training gather is {' or '.join(none)}: the classifier will tell "
                f"{'this class' if len(none) == 1 else 'these classes'} less well than {start.name} does; label some "
                "first (glowseis next finds probable ones), or keep to that model"
            )
        alone = (
            f"{number_of(fitting.head_epochs, 'epoch')} of the last layer alone, then " if fitting.head_epochs else ""
        )
        rest = number_of(fitting.training.epochs - fitting.head_epochs, "epoch")
        yield f"starts from {start.name}: {alone}{rest} of all weights"
    yield (
        f"classifier with {fitting.model.count_params():,} weights; {len(fitting.gathers)} training gathers "
        f"({of_each}), {len(selection.validation)} validation, {len(selection.test)} test; "
        f"{fitting.steps} steps"
    )
    if len(selection.validation):
        lowest = "its weights are kept" if fitting.training.keep == "best" else "the weights of the last epoch are kept"
        yield (
            f"after each epoch, on the validation gathers: validation is the loss (* the lowest so far; {lowest}), F1 "
            f"that of {'/'.join(selection.labels)} in percent"
        )


def _write_predictions(
    path: Path,
    survey: Survey,
    selection: ClassifierSelection,
    concluded: Conclusions,
    classes: dict[str, np.ndarray],
) -> None:
    """Write the probabilities of the gathers that were not trained on, whole or not at all."""
    labels = selection.labels
    rows = {"validation": selection.validation, "test": selection.test}
    tables = [
        pd.DataFrame(
            {
                "gather_id": ids_of(survey, rows[part]),
                "part": part,
                "label": np.array(labels)[classes[part]],
                "grade": np.array([*labels, UNSURE])[concluded.decision.graded(probabilities)],
            }
            | {f"probability_{label}": probabilities[:, number] for number, label in enumerate(labels)}
        )
        for part, probabilities in concluded.probabilities.items()
    ]
    columns = ["gather_id", "part", "label", "grade", *(f"probability_{label}" for label in labels)]
    table = pd.concat(tables) if tables else pd.DataFrame(columns=columns)
    with whole_file(path, replace=True) as unfinished:
        # Nine significant digits restore a float32 exactly.
        safe_table(table).to_csv(unfinished, index=False, float_format="%.9g", lineterminator="\n")
