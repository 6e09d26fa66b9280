"""Classifiers and flows of pictures, all fitted by the same traced steps."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from eval.pictures.arms import BATCH
from eval.pictures.sets import PictureSet
from glowseis.errors import FittingError
from glowseis.fitting.adam import FusedAdam
from glowseis.fitting.classifier.trainer import ClassifierTrainer, Predictor, make_classifier
from glowseis.fitting.flow.schedule import WarmUpThenDecay
from glowseis.fitting.flow.trainer import FlowTrainer
from glowseis.fitting.state import InMemory
from glowseis.models.glow import Glow
from glowseis.models.grey_levels import dequantise, from_levels, to_levels
from glowseis.survey.batches.labelled import from_memory

ALPHA, RATE, EPOCHS = 4, 1e-3, 20
"""Of the classifier: width, initial learning rate, and parts of a training; the rate is constant within a part."""

DECAY = 0.851
"""Factor of the learning rate from part to part."""

FLOW_BATCH, EVALUATED, AT_ONCE = 8, 20, 50
"""Pictures in a step of the flow, steps between evaluations, and pictures made at a time."""

ROUND_TRIP_BOUND = 1e-3
"""As in `glowseis.fitting.flow.fitting`."""


class ClassifierFits:
    """Fits Miniception to pictures, each time from other initial weights.

    Args:
        classes: Number of classes.
        chosen: What is fixed for the pictures.
    """

    def __init__(self, classes: int, chosen: PictureSet):
        self._chosen, self._classes = chosen, classes
        self._model = make_classifier(classes, ALPHA, "softmax", 0)
        self._trainer = ClassifierTrainer(self._model, RATE, DECAY, max(1, chosen.steps // EPOCHS))
        self._state = [np.asarray(one) for one in self._trainer.optimizer.variables]
        self._predictor = Predictor(self._model)

    def probabilities(
        self, images: np.ndarray, classes: np.ndarray, rows: np.ndarray, seed: int, test: np.ndarray
    ) -> np.ndarray:
        """Fit a classifier and grade with it.

        Args:
            images: Grey levels, uint8 `[picture, height, width]`.
            classes: Their classes, int32 `[picture]`.
            rows: Pictures of each step, `[step, place]`.
            seed: Seed of initial weights and random changes.
            test: Pictures to grade.

        Returns:
            Probabilities, float32 `[picture, class]`.

        Raises:
            FittingError: The loss is not finite.
        """
        self._model.set_weights(make_classifier(self._classes, ALPHA, "softmax", seed).get_weights())
        for variable, value in zip(self._trainer.optimizer.variables, self._state, strict=True):
            variable.assign(value)
        random = np.random.default_rng([seed, 8])
        alike = tf.ones(BATCH)
        for step, some in enumerate(rows):
            batch = self._enlarged(changed(images[some], self._chosen, random))
            loss, _ = self._trainer.optimise(batch, classes[some], alike)
            if not np.isfinite(loss):
                raise FittingError(f"step {step + 1}: the classifier's loss is {float(loss):.4g}")
        unknown = from_memory(self._enlarged(test), np.zeros(len(test), np.int32))
        return np.exp(self._predictor.log_probabilities(unknown, 200))

    def _enlarged(self, images: np.ndarray) -> np.ndarray:
        return images.repeat(self._chosen.enlarged, axis=1).repeat(self._chosen.enlarged, axis=2)


@dataclass(frozen=True)
class FittedFlow:
    """Attributes: bits per grey value of the held-out pictures with the kept weights, and the step of these weights."""

    bits: float
    step: int


class FlowFits:
    """Fits the paper's flow to a few pictures, each time from the same initial weights.

    Args:
        size: Height and width of the pictures.
        chosen: What is fixed for them.
    """

    def __init__(self, size: tuple[int, int], chosen: PictureSet):
        self._chosen, steps = chosen, chosen.flow_steps
        keras.utils.set_random_seed(0)
        self._flow = Glow((*size, 1), chosen.levels, 4, 32, attention_levels=1, heads=4)
        self._trainer = FlowTrainer(self._flow)
        self._trainer.compile(
            FusedAdam(WarmUpThenDecay(1e-3, steps, min(50, steps // 4), end=1e-4), global_clipnorm=1.0)
        )
        self._variables = [*self._flow.weights, *self._trainer.optimizer.variables]
        self._start = [np.asarray(one) for one in self._variables]
        self._optimise = tf.function(self._trainer.optimise, autograph=False, reduce_retracing=True)
        self._bits = tf.function(self._trainer.call, autograph=False, reduce_retracing=True)
        self._between = tf.function(self._interpolated, autograph=False, reduce_retracing=True)

    def fit(self, images: np.ndarray, judges: np.ndarray, seed: int) -> FittedFlow:
        """Fit the flow; it then has the weights that are best for the held-out pictures.

        Args:
            images: Pictures of the rare class, uint8 `[picture, height, width]`.
            judges: Others, held out to choose its weights.
            seed: Seed of order, random changes and dequantisation.

        Raises:
            FittingError: The loss is not finite, or the flow does not invert.
        """
        for variable, value in zip(self._variables, self._start, strict=True):
            variable.assign(value)
        random = np.random.default_rng([seed, 43])
        self._flow.adapt([dequantise(images[:64], seed)])
        state, judged, least = InMemory(self._flow), dequantise(judges, seed), np.inf
        for step in range(1, self._chosen.flow_steps + 1):
            some = changed(images[random.permutation(len(images))[:FLOW_BATCH]], self._chosen, random)
            bits, _ = self._optimise(dequantise(some, int(random.integers(2**32))))
            if not np.isfinite(bits):
                raise FittingError(f"step {step}: the flow's loss is {float(bits):.4g}")
            if step % EVALUATED == 0 or step == self._chosen.flow_steps:
                found = float(np.mean(self._bits(judged)))
                state.offer(step, found)
                least = min(least, found)
        state.restore_best()
        error = float(np.max(np.abs(self._between(judged, judged, np.zeros(len(judged), np.float32)) - judged)))
        if not error <= ROUND_TRIP_BOUND:
            raise FittingError(f"step {state.best_step}: the flow does not invert: an error of {error:.3g}")
        return FittedFlow(least, state.best_step)

    def between(self, first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Pictures on the spherical paths between the latents of pairs, uint8 `[picture, height, width]`."""
        parts = []
        for start in range(0, len(first), AT_ONCE):
            some = np.s_[start : start + AT_ONCE]
            ends = [from_levels(one[some][..., np.newaxis]) for one in (first, second)]
            parts.append(np.asarray(to_levels(self._between(*ends, weights[some].astype(np.float32))))[..., 0])
        return np.concatenate(parts)

    def _interpolated(self, first: tf.Tensor, second: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        with self._trainer.running():
            return self._flow.interpolate(first, second, weights)


def changed(images: np.ndarray, chosen: PictureSet, random: np.random.Generator) -> np.ndarray:
    """Pictures shifted at random, and mirrored at random if the set says so; borders are filled by reflection."""
    height, width = images.shape[1:]
    most = chosen.shift
    framed = np.pad(images, ((0, 0), (most, most), (most, most)), mode="reflect")
    moves = random.integers(0, 2 * most + 1, (len(images), 2)).tolist()
    made = np.stack([one[y : y + height, x : x + width] for one, (y, x) in zip(framed, moves, strict=True)])
    if chosen.mirrored:
        for axis in (1, 2):
            turned = random.random(len(made)) < 0.5
            made[turned] = np.flip(made[turned], axis)
    return made
