"""How long a study will take: from what its finished arms took on such a machine, or from a few steps taken now."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf

from eval.running.crossval import machine
from eval.study.names import ARMS
from eval.study.outcome import read_outcome
from eval.study.preparation import Study
from glowseis.errors import InputError
from glowseis.fitting.classifier.fitting import make_classifier
from glowseis.fitting.classifier.trainer import ClassifierTrainer, predict
from glowseis.fitting.flow.fitting import make_flow, recompute
from glowseis.fitting.flow.schedule import plan
from glowseis.fitting.flow.trainer import FlowTrainer
from glowseis.models.glow import from_levels
from glowseis.recipe import Recipe

Todo = tuple[str, int, str]
"""Kind, fold and arm."""

STEPS = 3
"""Steps that are measured, after one that traces."""

FORWARDS_A_STEP = 3.0
"""An optimiser step costs about as much as so many passes forward; a child takes as many (two parents, one inverse)."""


@dataclass(frozen=True)
class Estimate:
    """How long some arms will take in one process.

    Attributes:
        seconds: All of them.
        measured: Whether steps had to be taken for it.
    """

    seconds: float
    measured: bool


def estimate(study: Study, todo: Sequence[Todo]) -> Estimate:
    """Estimate how long arms will take on this machine, in one process.

    Args:
        study: The study.
        todo: The arms; a flow that several arms of a fold share counts once.

    Returns:
        The estimate: means of what finished arms took on a machine described alike; for arms without such, steps
        of the flow and of the classifier are measured now, on random pictures of the survey's size.
    """
    known = _taken(study)
    fitted = {arm for _, _, arm in todo} - known.keys()
    total = 0.0
    for arm in {arm for _, _, arm in todo} & known.keys():
        total += known[arm] * sum(one == arm for _, _, one in todo)
    if fitted:
        classifier, flows = _classifier_s(study), {}
        for arm in fitted:
            which = ARMS[arm].flow
            if which:
                flows[which] = _flow_s(study, which)
        seen: set[tuple[str, int, str]] = set()
        for kind, fold, arm in todo:
            which = ARMS[arm].flow
            if arm not in fitted:
                continue
            total += classifier
            if which:
                fit, child = flows[which]
                total += study.recipe.study.augmentations * child + fit * ((kind, fold, which) not in seen)
                seen.add((kind, fold, which))
    return Estimate(total, bool(fitted))


def _taken(study: Study) -> dict[str, float]:
    """Seconds of an arm, for those that finished on such a machine."""
    here, taken = machine(), dict[str, list[float]]()
    for path in study.outcomes.glob("*.json"):
        try:
            outcome = read_outcome(path)
        # What is wrong with it is said where it is needed.
        except InputError:
            continue
        if outcome.study == study.digest and outcome.machine == here and not outcome.error:
            taken.setdefault(outcome.arm, []).append(sum(outcome.seconds.values()))
    return {arm: float(np.mean(seconds)) for arm, seconds in taken.items()}


def training_gathers(study: Study) -> dict[str, int]:
    """About how many gathers of each label train in a fold."""
    section = study.recipe.study
    share = (1 - 1 / section.folds) * (1 - section.validation)
    return {label: max(1, round(study.survey.manifest.counts.get(label, 0) * share)) for label in study.labels}


def _classifier_s(study: Study) -> float:
    """Fitting and scoring one classifier."""
    section, size = study.recipe.study, study.survey.size
    count, all_gathers = sum(training_gathers(study).values()), len(study.survey)
    if section.protocol == "equal-epochs":
        count += section.augmentations
    training = section.training
    images = np.random.default_rng(0).integers(0, 256, (training.batch, *size), np.uint8)
    network = section.classifier
    model = make_classifier(len(study.labels), network.alpha, network.head, 1, network.companded)
    trainer = ClassifierTrainer(model, training.learning_rate, at_once=training.at_once)
    classes, weights = np.zeros(training.batch, np.int32), np.ones(training.batch, np.float32)
    step = _seconds_of(lambda: trainer.optimise(images, classes, weights))
    started = time.monotonic()
    predict(model, images, training.at_once or training.batch)
    tracing = time.monotonic() - started
    steps_per_epoch = training.steps_per_epoch or -(-count // training.batch)
    judged = section.validation * count * training.epochs + all_gathers / section.folds
    judged += len(study.independent) if study.independent else 0
    return training.epochs * steps_per_epoch * step + judged / training.batch * step / FORWARDS_A_STEP + 2 * tracing


def _flow_s(study: Study, which: Literal["rare", "all"]) -> tuple[float, float]:
    """Fitting one flow, and making one child with it."""
    recipe = study.recipe
    phases, counts = recipe.phases_of(which), training_gathers(study)
    gathers = [sum(counts.get(label, 0) for label in phase.labels) for phase in phases]
    batch = max(1, min(recipe.training.batch, *gathers))
    steps = plan(phases, gathers, recipe.training.batch)[-1].end
    settings = {name: getattr(recipe, name) for name in ("name", "seed", "survey", "data", "flow", "training")}
    fitted = Recipe(**settings, phases=phases)
    flow = make_flow(fitted, study.survey.size)
    trainer = FlowTrainer(flow, recompute(fitted, flow, batch), recipe.training.conditioners)
    trainer.compile(optimizer="adam")
    trainer.optimizer.build(flow.trainable_variables)
    levels = np.random.default_rng(0).integers(0, 256, (batch, *study.survey.size, 1), np.uint8)
    x = from_levels(levels)
    optimise = tf.function(trainer.optimise)
    started = time.monotonic()
    step = _seconds_of(lambda: optimise(x))
    tracing = time.monotonic() - started
    # Traced for training and for figures; written as a SavedModel and read again.
    return steps * step + 3 * tracing, step / batch


def _seconds_of(step: Callable[[], object]) -> float:
    """Mean time of a step, once it is traced."""
    step()
    started = time.monotonic()
    for _ in range(STEPS):
        step()
    return (time.monotonic() - started) / STEPS
