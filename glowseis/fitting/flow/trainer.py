"""A Keras model that fits a flow."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import keras
import tensorflow as tf

from glowseis.fitting.backend import require_tensorflow
from glowseis.fitting.devices.devices import for_the_optimizer, mean_over_replicas
from glowseis.fitting.flow.execution import Steps
from glowseis.layers.types import Tensor
from glowseis.models.flow_trainer import Activations, FlowModel, Precision
from glowseis.models.glow import OUT_OF_RANGE, Glow


@keras.saving.register_keras_serializable("glowseis")
class FlowTrainer(FlowModel):
    """Fits a flow by maximum likelihood, in bits per dimension.

    >>> import glowseis, numpy as np
    >>> flow = glowseis.Glow((8, 8, 1), levels=1, steps=1, filters=4, attention_levels=0)
    >>> x = np.random.default_rng(1).random((4, 8, 8, 1), np.float32)
    >>> flow.adapt([x])
    >>> trainer = glowseis.FlowTrainer(flow)
    >>> trainer.compile(optimizer="adam")
    >>> history = trainer.fit(x, batch_size=2, epochs=2, verbose=0)
    >>> len(history.history["bits_per_dimension"])
    2

    `fit`, `evaluate` and our own loop all use its `train_step` and `test_step`. Batches are dequantised 8-bit images,
    float32 `[batch, time, trace, channel]` in [0, 1), as `glowseis.survey.batches.images` makes them of a survey and
    `glowseis.models.grey_levels.dequantise` of an array. The bits are reported as `bits_per_dimension`, and as `loss`
    for callbacks such as EarlyStopping.

    Args:
        flow: The flow; wrapping and compiling builds it but changes nothing else. ActNorm must be adapted
            (`Glow.adapt`) or restored before the first step.
        activations: How the gradient treats activations: `stored`, or `recomputed`, step by step from each step's
            input, which takes less memory and a third more time.
        conditioners: Precision of the networks inside couplings in training, `float32` or `bfloat16`, which is faster.
            Evaluation and export use float32.

    If made in the scope of a MirroredStrategy or MultiWorkerMirroredStrategy, it trains on several devices: a step's
    gradient is that of the whole batch, clipped as a whole by the optimiser's `global_clipnorm`. To keep the flow, save
    `flow`, or export it (`glowseis.export`); saving the trainer keeps its optimiser too.

    Source: the paper's section 3, equation 2.
    """

    def __init__(
        self, flow: Glow, activations: Activations = "stored", conditioners: Precision = "float32", **kwargs: Any
    ):
        require_tensorflow()
        super().__init__(flow, activations, conditioners, **kwargs)
        self._steps = self._ways()
        self.gradient_norm = keras.metrics.Mean(name="gradient_norm")

    def _ways(self, *, looped: bool = False) -> Steps:
        return Steps(self.flow, activations=self.activations, conditioners=self.conditioners, looped=looped)

    def compile(self, optimizer: keras.optimizers.Optimizer | str, jit_compile: bool = False) -> None:
        """Choose the optimiser, and whether XLA compiles the whole step.

        Args:
            optimizer: A Keras optimiser, or its name.
            jit_compile: Compile with XLA. Off by default, also on a GPU, because it takes long for a deep flow.
                Compiled steps do not check the values of the images.
        """
        self._steps = self._ways(looped=jit_compile)
        super().compile(optimizer=optimizer, jit_compile=jit_compile)
        with self.distribute_strategy.scope():
            # Not in the first step: if that fails, TensorFlow no longer makes variables.
            self.optimizer.build(self.flow.trainable_variables)

    def running(self, training: bool = False) -> AbstractContextManager[None]:
        """A context in which the flow, called or traced, runs as in this trainer: same results, faster."""
        return self._steps.running(training)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics that are reset every epoch."""
        return [self.bits, self.gradient_norm]

    def gradients(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Mean bits per dimension of all devices' batches together, and its gradients."""
        variables = self.flow.trainable_variables
        with self.running(training=True):
            with tf.GradientTape() as tape:
                bits = tf.reduce_mean(self.flow.bits_per_dimension(self.flow.log_prob(x)))
            gradients = tape.gradient(bits, [one.value for one in variables])
        bits, *gradients = mean_over_replicas([bits, *gradients])
        return bits, gradients

    def optimise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """One optimiser step; returns the batch's mean bits per dimension and the gradient's global norm, scalars."""
        bits, gradients = self.gradients(x)
        self.optimizer.apply(for_the_optimizer(gradients, self.optimizer), self.flow.trainable_variables)
        return bits, tf.linalg.global_norm(gradients)

    def train_step(self, data: Tensor) -> dict[str, Tensor]:
        """One optimiser step, as Keras calls it; returns the running means over the epoch."""
        bits, gradient_norm = self.optimise(self._checked(data))
        self.bits.update_state(bits)
        self.gradient_norm.update_state(gradient_norm)
        return {**self._told(), self.gradient_norm.name: self.gradient_norm.result()}

    def test_step(self, data: Tensor) -> dict[str, Tensor]:
        """Bits per dimension, averaged."""
        self.bits.update_state(self(self._checked(data)))
        return self._told()

    def _told(self) -> dict[str, Tensor]:
        bits = self.bits.result()
        return {self.bits.name: bits, "loss": bits}

    def _checked(self, data: Tensor) -> Tensor:
        """The batch, if it can be trained on; otherwise raises an error that says why not."""
        x = self.images_of(data)
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all((x >= 0) & (x <= 1)), [OUT_OF_RANGE])]):
            return tf.identity(x)

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Keras' `fit`.

        Raises:
            ValueError: The images have another size or type, or are not in [0, 1).
        """
        with _in_a_line():
            return super().fit(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Keras' `evaluate`: the mean bits per dimension, a number unless `return_dict`.

        Raises:
            ValueError: As in `fit`.
        """
        with _in_a_line():
            return super().evaluate(*args, **kwargs)


@contextmanager
def _in_a_line() -> Iterator[None]:
    """Reduce errors about a batch's values to one line, without TensorFlow's description of its graph."""
    try:
        yield
    except tf.errors.InvalidArgumentError as wrong:
        if OUT_OF_RANGE not in wrong.message:
            raise
        raise ValueError(OUT_OF_RANGE) from None
