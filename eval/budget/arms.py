"""What is trained on the labels that were bought, and how it is scored."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from eval.budget.buying import Bought
from eval.budget.recipe import READY, ArmSection, HourRecipe
from eval.budget.targets import Target
from glowseis.choosing.head import fit_head
from glowseis.export.classifier import SavedClassifier, load_classifier
from glowseis.judging.prior import reweighted
from glowseis.recipe import ClassifierRecipe, identifying, read_recipe
from glowseis.run.classifier import train_classifier
from glowseis.run.conclusions import LEAST_COUNT
from glowseis.run.looks import Looks, look_at_survey
from glowseis.scoring import Scores, fraction_weights, scores

Scored = dict[str, list[float]]


def recipe_of(arm: ArmSection) -> ClassifierRecipe | None:
    """The recipe that an arm trains; None if it trains none."""
    if not arm.recipe:
        return None
    recipe = read_recipe(Path(arm.recipe), arm.changes)
    assert isinstance(recipe, ClassifierRecipe)
    return recipe


def settings_digest(recipe: HourRecipe, name: str) -> str:
    """SHA-256 of an arm's settings: how its labels are bought, and the recipe that it trains."""
    if name == READY:
        return ""
    arm = recipe.arm(name)
    trained = recipe_of(arm)
    content = {"labels": arm.labels, "recipe": identifying(trained.model_dump()) if trained else None}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def ready_scores(recipe: HourRecipe, target: Target, looks: Looks, classifier: SavedClassifier) -> Scored:
    """Scores of the ready model as it is."""
    return _scores(recipe, target, looks.probabilities, classifier.labels, pool_fractions(recipe))


def head_scores(
    recipe: HourRecipe, target: Target, looks: tuple[Looks, Looks], classifier: SavedClassifier, bought: Bought
) -> Scored:
    """Scores of a last layer fitted to the labels, on the ready model's features.

    Args:
        recipe: The benchmark's recipe.
        target: The target.
        looks: The ready model's view of its pool and of its test survey.
        classifier: The ready model.
        bought: The labels.
    """
    pool, test = looks
    middle, spread = pool.features.mean(axis=0), pool.features.std(axis=0)
    spread = np.where(spread > 1e-6 * spread.max(), spread, np.inf)
    own, asked = ((one.features - middle) / spread for one in looks)
    rows, labels = np.array(list(bought.of_each())), bought.of_each().values()
    classes = np.array([classifier.labels.index(label) for label in labels])
    head = fit_head(pool.log_probabilities[rows], own[rows], classes)
    found = head.probabilities(test.log_probabilities, asked) if head else test.probabilities
    return _scores(recipe, target, found, classifier.labels, label_fractions(recipe, bought))


def trained_scores(
    recipe: HourRecipe, arm: ArmSection, target: Target, bought: Bought, work: Path, say: Callable[[str], None]
) -> tuple[Scored, dict[str, float]]:
    """Train an arm's classifier on the labels, and score it; a training that was stopped goes on.

    Args:
        recipe: The benchmark's recipe.
        arm: The arm.
        target: The target.
        bought: The labels.
        work: Folder of the training, removed at the end.
        say: Called with lines for a log.

    Returns:
        Its scores, and the seconds that training and scoring took.

    Raises:
        InputError: The labels do not suffice.
        FittingError: The training failed.
        StoppedError: It was interrupted; its state is kept.
    """
    labels = np.full(len(target.pool), "", object)
    for row, label in bought.of_each().items():
        labels[row] = label
    trained = recipe_of(arm)
    assert trained is not None
    started = time.monotonic()
    survey = target.pool.relabelled(labels, [f"{len(bought.rows)} {arm.labels} labels"])
    result: dict[str, Any] = train_classifier(trained, survey, work / "run", work / "savedmodels", say, started)
    fitted = time.monotonic()
    classifier = load_classifier(Path(result["savedmodel"]))
    looks = look_at_survey(classifier, target.test, batch=64)
    fractions = label_fractions(recipe, bought)
    if classifier.calibration:
        # What classify grades by.
        own = dict(zip(classifier.labels, classifier.fractions(), strict=True))
        fractions = np.array([own.get(label, 0.0) for label in recipe.labels])
    found = _scores(recipe, target, looks.probabilities, classifier.labels, fractions)
    shutil.rmtree(work)
    return found, {"training": fitted - started, "scoring": time.monotonic() - fitted}


def pool_fractions(recipe: HourRecipe) -> np.ndarray:
    """Class fractions of the pool, `[class]`."""
    return np.array(recipe.targets.fractions) / sum(recipe.targets.fractions)


def label_fractions(recipe: HourRecipe, bought: Bought) -> np.ndarray:
    """Class fractions of the labelled gathers, `[class]`; a class without any counts as half a gather.

    Gathers were chosen by what they look like, so what a label says of a gather's look holds for the pool as it is.
    """
    labels = list(bought.of_each().values())
    counts = np.array([max(labels.count(label), LEAST_COUNT) for label in recipe.labels])
    return counts / counts.sum()


def _scores(
    recipe: HourRecipe, target: Target, even: np.ndarray, labels: tuple[str, ...], fractions: np.ndarray
) -> Scored:
    """Figures of the most probable classes, weighted to the pool's class fractions; what is never graded counts 0.

    Args:
        recipe: The benchmark's recipe.
        target: The target.
        even: Probabilities on its test survey if all classes were equally common, `[gather, class]`.
        labels: The classifier's classes.
        fractions: Class fractions that probabilities are for, `[class]`.
    """
    found = np.zeros((len(even), len(recipe.labels)))
    for number, label in enumerate(labels):
        found[:, recipe.labels.index(label)] = even[:, number]
    truth = target.test.index["label"].map(recipe.labels.index).to_numpy(np.int64)
    weights = fraction_weights(truth, pool_fractions(recipe).tolist())

    def scored(fractions: np.ndarray) -> Scores:
        probabilities = reweighted(found, np.ones(len(fractions)), fractions)
        return scores(truth, probabilities.argmax(axis=1), recipe.labels, probabilities=probabilities, weights=weights)

    made, corrected = scored(fractions), scored(pool_fractions(recipe))
    names = ("f1", "average_precision", "precision", "recall")
    return {
        **{name: np.asarray(getattr(made, name), np.float64).tolist() for name in names},
        "f1_for_pool": np.asarray(corrected.f1, np.float64).tolist(),
    }
