"""The classifier's train step and its predictions, in TensorFlow."""

from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from glowseis.fitting.adam import FusedAdam
from glowseis.fitting.backend import require_tensorflow
from glowseis.layers.types import Tensor
from glowseis.models.miniception import Miniception, from_grey_levels
from glowseis.survey.batches.images import batches
from glowseis.survey.batches.labelled import LabelledGathers, from_memory, in_order


def make_classifier(classes: int, alpha: int, head: str, seed: int, companded: bool = False) -> Miniception:
    """Miniception with weights drawn from a seed; the arguments are those of the recipe's `[classifier]`."""
    keras.utils.set_random_seed(seed)
    model = Miniception(classes, alpha, head, companded)
    model.build()
    return model


LEFT_OUT = -1e9
"""Added to a class's logit in the loss, it takes the class out: its probability is exactly 0."""


@keras.saving.register_keras_serializable("glowseis")
class HeadFirst(keras.optimizers.schedules.LearningRateSchedule):
    """A constant learning rate while the last layer trains alone, then that of another schedule, from its start.

    Args:
        head_rate: The rate of the first steps.
        head_steps: How many these are.
        after: The other schedule.
    """

    def __init__(
        self, head_rate: float, head_steps: int, after: keras.optimizers.schedules.LearningRateSchedule
    ) -> None:
        self.head_rate, self.head_steps, self.after = head_rate, head_steps, after

    def __call__(self, step: Tensor) -> Tensor:
        """The rate of a step, counted from 0."""
        later = self.after(keras.ops.maximum(step - self.head_steps, 0))
        return keras.ops.where(step < self.head_steps, self.head_rate, later)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        after = keras.saving.serialize_keras_object(self.after)
        return {"head_rate": self.head_rate, "head_steps": self.head_steps, "after": after}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the schedule from `get_config`'s dictionary."""
        return cls(**{**config, "after": keras.saving.deserialize_keras_object(config["after"])})


class ClassifierTrainer:
    """Fits a classifier by weighted cross-entropy, with Adam and Keras' default moments.

    A batch's loss is the mean over its gathers of weight x class weight x -log p(class), as in Keras' `fit`.

    Args:
        model: The classifier, built.
        learning_rate: Adam's learning rate in the first epoch.
        decay_per_epoch: Factor of the learning rate from epoch to epoch.
        steps_per_epoch: Steps after which an epoch ends.
        class_weights: Weight of each class; all equal when None.
        at_once: Gathers whose gradients are computed at a time. The gradient of a batch is then the sum over its parts,
            so that memory grows with the part and not with the batch; 0: the whole batch.
        logit_shift: Added to the logits in the loss alone, one number per class: with the logarithms of the classes'
            frequencies, the loss is logit-adjusted (Menon et al. 2021, arXiv 2007.07314); none when None. A class whose
            number is `LEFT_OUT` has no part in the loss, and no gradient.
        head_steps: How many of the first steps train the last layer alone.
        head_learning_rate: The learning rate of those; `learning_rate` is then that of the first epoch after them.

    Attributes:
        optimizer: Adam.

    Raises:
        ValueError: There is not one class weight per class.
    """

    def __init__(
        self,
        model: Miniception,
        learning_rate: float,
        decay_per_epoch: float = 1.0,
        steps_per_epoch: int = 1,
        class_weights: Sequence[float] | None = None,
        at_once: int = 0,
        logit_shift: Sequence[float] | None = None,
        head_steps: int = 0,
        head_learning_rate: float = 1e-3,
    ):
        require_tensorflow()
        if class_weights is not None and len(class_weights) != model.classes:
            raise ValueError(f"there are {len(class_weights)} class weights for {model.classes} classes")
        rate = keras.optimizers.schedules.ExponentialDecay(
            learning_rate, steps_per_epoch, decay_per_epoch, staircase=True
        )
        if head_steps:
            rate = HeadFirst(head_learning_rate, head_steps, rate)
        self.model = model
        self.optimizer = FusedAdam(rate)
        self.optimizer.build(model.trainable_variables)
        self._class_weights = tf.constant(class_weights or [1.0] * model.classes, tf.float32)
        self._logit_shift = tf.constant(logit_shift or [0.0] * model.classes, tf.float32)
        self._at_once = at_once
        # One trace serves every batch size.
        batch = [
            tf.TensorSpec((None, None, None), tf.uint8),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((None,), tf.float32),
        ]
        self._optimise = tf.function(self._step_of_all, input_signature=batch, autograph=False)
        self._optimise_head = tf.function(self._step_of_head, input_signature=batch, autograph=False)
        self._head_steps = head_steps

    def optimise(self, image: Tensor, label: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """One optimiser step.

        Args:
            image: Grey levels, uint8 `[batch, time, trace]`.
            label: Numbers of the classes, int32 `[batch]`.
            weight: Weight of each gather, float32 `[batch]`.

        Returns:
            Loss, and the share of the batch that was graded correctly before the step; scalars.
        """
        of_head = self._head_steps and int(self.optimizer.iterations) < self._head_steps
        loss, right = (self._optimise_head if of_head else self._optimise)(image, label, weight)
        return loss, right

    def _step_of_all(self, image: Tensor, label: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        return self._step(image, label, weight, self._values)

    def _step_of_head(self, image: Tensor, label: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        return self._step(image, label, weight, [one.value for one in self.model.output_head.trainable_variables])

    def _step(self, image: Tensor, label: Tensor, weight: Tensor, values: list[tf.Variable]) -> tuple[Tensor, Tensor]:
        work_out = self._in_parts if self._at_once else self._whole
        loss, right, found = work_out(image, label, weight, values)
        of_each = {one.ref(): gradient for one, gradient in zip(values, found, strict=True)}
        # Adam leaves a weight whose gradients were always 0 as it is, bit for bit.
        gradients = [of_each[one.ref()] if one.ref() in of_each else tf.zeros_like(one) for one in self._values]
        self.optimizer.apply(gradients, self.model.trainable_variables)
        return loss, right

    def _whole(
        self, image: Tensor, label: Tensor, weight: Tensor, values: list[tf.Variable]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Loss of a batch, share graded correctly, and gradients of some weights."""
        with tf.GradientTape() as tape:
            each, right = self._graded(image, label, weight)
            loss = tf.reduce_mean(each)
        return loss, tf.reduce_mean(right), tape.gradient(loss, values)

    def _in_parts(
        self, image: Tensor, label: Tensor, weight: Tensor, values: list[tf.Variable]
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The same, one part of the batch after another."""
        count = tf.shape(image)[0]

        def add_part(start: Tensor, loss: Tensor, right: Tensor, *gradients: Tensor) -> tuple[Tensor, ...]:
            part = slice(start, start + self._at_once)
            with tf.GradientTape() as tape:
                each, right_here = self._graded(image[part], label[part], weight[part])
                share = tf.reduce_sum(each) / tf.cast(count, tf.float32)
            more = tape.gradient(share, values)
            sums = [one + other for one, other in zip(gradients, more, strict=True)]
            return start + self._at_once, loss + share, right + tf.reduce_sum(right_here), *sums

        # A loop, not unrolled parts: TensorFlow would run those at the same time. Nothing differentiates through the
        # loop, so it keeps only the sums of each part.
        _, loss, right, *gradients = tf.while_loop(
            lambda start, *sums: start < count,
            add_part,
            (0, 0.0, 0.0, *map(tf.zeros_like, values)),
            parallel_iterations=1,
        )
        return loss, right / tf.cast(count, tf.float32), gradients

    def _graded(self, image: Tensor, label: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Each gather's weighted cross-entropy, and 1 where it was graded correctly, float32 `[gather]`."""
        logits = self.model.logits(from_grey_levels(image))
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits + self._logit_shift)
        right = tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), label)
        return each * weight * tf.gather(self._class_weights, label), tf.cast(right, tf.float32)

    @property
    def _values(self) -> list[tf.Variable]:
        return [variable.value for variable in self.model.trainable_variables]


class Predictor:
    """Probabilities from a classifier with its current weights; traced once for all sizes of batch.

    Args:
        model: The classifier, built.
    """

    def __init__(self, model: Miniception):
        images = [tf.TensorSpec((None, None, None), tf.uint8)]
        self._call = tf.function(
            lambda image: tf.nn.log_softmax(model.logits(from_grey_levels(image))),
            input_signature=images,
            autograph=False,
        )
        self._classes = model.classes

    def log_probabilities(self, gathers: LabelledGathers, batch: int) -> np.ndarray:
        """Logarithms of the classes' probabilities, float32 `[gather, class]`, in the order of the gathers."""
        parts = [self._call(image).numpy() for image, _, _ in batches(gathers, in_order(gathers, batch))]
        return np.concatenate(parts) if parts else np.zeros((0, self._classes), np.float32)


def predict(model: Miniception, gathers: LabelledGathers | np.ndarray, batch: int = 64) -> np.ndarray:
    """Grade gathers.

    Args:
        model: The classifier, built.
        gathers: A set of them, or grey levels, uint8 `[gather, time, trace]`.
        batch: Gathers at a time.

    Returns:
        Probabilities, float32 `[gather, class]`, in the order given.

    Raises:
        InputError: A record is damaged.
    """
    if isinstance(gathers, np.ndarray):
        gathers = from_memory(gathers, np.zeros(len(gathers), np.int32))
    return np.exp(Predictor(model).log_probabilities(gathers, batch))
