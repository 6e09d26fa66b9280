"""Activation normalisation: one scale and one bias per channel."""

import keras
from keras import ops

from glowseis.layers.invertible import InvertibleLayer
from glowseis.layers.types import Shape, Tensor


@keras.saving.register_keras_serializable("glowseis")
class ActNorm(InvertibleLayer):
    """Scale and shift every channel.

    forward: `y = exp(log_scale) * x + bias`
    log-det: `time * trace * sum(log_scale)`
    inverse: `x = (y - bias) * exp(-log_scale)`
    log-det: `-time * trace * sum(log_scale)`

    `adapt` sets both from data, so that every channel of `y` has zero mean and unit variance. It is an explicit pass
    before training: with batches of one, the first batch is too small to start from, and under a distribution strategy
    each replica would start from its own.

    Shapes:
        x, y: `[batch, time, trace, channel]`; log_det: `[batch]`.

    Source: the paper's section 4.1; Kingma & Dhariwal (2018), "Glow", section 3.1. The scale is positive here.
    """

    minimum_variance = 1e-10
    """A channel that varies less than this counts as constant and keeps its scale."""

    def build(self, input_shape: Shape) -> None:
        """Make scale and bias: the identity."""
        channels = (input_shape[-1],)
        self.log_scale = self.add_weight(name="log_scale", shape=channels, initializer="zeros")
        self.bias = self.add_weight(name="bias", shape=channels, initializer="zeros")

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scale, then shift."""
        return x * ops.exp(self.log_scale) + self.bias, self._constant_log_det(x, ops.sum(self.log_scale))

    def _inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Shift back, then scale back."""
        x = (y - self.bias) * ops.exp(-self.log_scale)
        return x, self._constant_log_det(y, -ops.sum(self.log_scale))

    def adapt(self, mean: Tensor, variance: Tensor) -> None:
        """Set scale and bias from the input's statistics.

        Args:
            mean: Mean of each channel of the input, `[channel]`.
            variance: Variance of each channel of the input, `[channel]`. A constant channel keeps scale one.
        """
        log_scale, bias = adapted(mean, variance, self.variable_dtype)
        self.log_scale.assign(log_scale)
        self.bias.assign(bias)


def adapted(mean: Tensor, variance: Tensor, dtype: str) -> tuple[Tensor, Tensor]:
    """Log-scale and bias, each `[channel]`, that bring channels of these statistics to zero mean and unit variance."""
    variance = ops.cast(variance, dtype)
    constant = variance < ActNorm.minimum_variance
    log_scale = ops.where(constant, ops.zeros_like(variance), -0.5 * ops.log(ops.where(constant, 1.0, variance)))
    return log_scale, -ops.cast(mean, dtype) * ops.exp(log_scale)
