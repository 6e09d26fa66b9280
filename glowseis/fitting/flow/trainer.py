"""The flow as a Keras model that can be fitted."""

from functools import partial

import keras
import tensorflow as tf

from glowseis.fitting.devices.devices import for_the_optimizer, mean_over_replicas
from glowseis.fitting.flow.execution import Precision, Steps
from glowseis.models.glow import Glow


class FlowTrainer(keras.Model):
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

    `fit`, `evaluate` and our own loop all use its `train_step` and `test_step`. Batches are dequantised 8-bit pictures,
    float32 `[batch, time, trace, channel]` in [0, 1), as `glowseis.survey.batches.images` makes them.

    Args:
        flow: The flow. ActNorm must have been adapted (`Glow.adapt`) or restored before the first step.
        reversible: Whether the gradient recomputes activations from the latents instead of storing them, so that memory
            does not grow with the number of steps.
        conditioners: Precision of the networks inside couplings in training, `float32` or `bfloat16`. The latter is
            quicker, and cannot be reversible. What is measured and exported is float32.

    Made in the scope of a MirroredStrategy or MultiWorkerMirroredStrategy, it trains on several devices: a step's
    gradient is that of the whole batch, clipped as a whole by the optimiser's `global_clipnorm`. To keep the flow, save
    `flow`, or export it (`glowseis.export`).

    Source: the paper's section 3, equation 2.
    """

    def __init__(self, flow: Glow, reversible: bool = False, conditioners: Precision = "float32", **kwargs):
        # Never autocast: dequantised pictures do not survive a mixed global policy.
        super().__init__(**{"dtype": flow.dtype_policy, "autocast": False, **kwargs})
        self.flow = flow
        flow.build()
        self._run = partial(Steps, flow, reversible=reversible, conditioners=conditioners)
        self._steps = self._run()
        self.bits = keras.metrics.Mean(name="bits_per_dimension")
        self.gradient_norm = keras.metrics.Mean(name="gradient_norm")

    def compile(self, optimizer, jit_compile: bool = False):
        """Choose the optimiser, and whether XLA compiles the whole step.

        Args:
            optimizer: A Keras optimiser.
            jit_compile: Compile with XLA. Off by default, also on a GPU: it takes long for a deep flow.
        """
        self._steps = self._run(written_out=jit_compile)
        super().compile(optimizer=optimizer, jit_compile=jit_compile)

    def build(self, input_shape=None):
        """Nothing to make: the flow made its weights."""

    def call(self, x):
        """Bits per dimension of each picture, `[batch]`."""
        return self.flow.bits_per_dimension(self.flow.log_prob(x))

    def gradients(self, x):
        """The batch's mean bits per dimension, and its gradients, of all devices' batches together."""
        variables = self.flow.trainable_variables
        with self._steps.training(), tf.GradientTape() as tape:
            bits = tf.reduce_mean(self(x))
        bits, *gradients = mean_over_replicas([bits, *tape.gradient(bits, [one.value for one in variables])])
        return bits, gradients

    def optimise(self, x):
        """One optimiser step; returns the batch's mean bits per dimension and the gradient's global norm, scalars."""
        bits, gradients = self.gradients(x)
        self.optimizer.apply(for_the_optimizer(gradients, self.optimizer), self.flow.trainable_variables)
        return bits, tf.linalg.global_norm(gradients)

    def train_step(self, x):
        """One optimiser step, as Keras calls it; returns the running means over the epoch."""
        bits, gradient_norm = self.optimise(x)
        self.bits.update_state(bits)
        self.gradient_norm.update_state(gradient_norm)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, x):
        """Bits per dimension, averaged."""
        self.bits.update_state(self(x))
        return {self.bits.name: self.bits.result()}
