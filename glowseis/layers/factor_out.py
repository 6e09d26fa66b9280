"""Factoring out: half of the channels leave the flow at the end of a level."""

from typing import Any

import keras
from keras import ops

from glowseis.layers.invertible import InvertibleLayer, bounded_log_scale, even_channels, sum_per_item
from glowseis.layers.types import Mapped, Shape, Tensor


@keras.saving.register_keras_serializable("glowseis")
class FactorOut(InvertibleLayer):
    """Split off half of the channels, standardised by what the other half predicts of it (Glow's split prior).

    With `x1, x2` the halves, `mu, raw = conv3x3(x1)` and `log_sigma = scale_cap * tanh(raw / scale_cap)`:

    forward: `kept = x1`, `eps = (x2 - mu) * exp(-log_sigma)`
    log-det: `-sum(log_sigma)`
    inverse: `x1 = kept`, `x2 = eps * exp(log_sigma) + mu`
    log-det: `sum(log_sigma)`

    The convolution starts at zero, so eps starts as x2.

    Args:
        scale_cap: Bound of the log-scale.

    Shapes:
        x: `[batch, time, trace, channel]`, an even number of channels; kept, eps: `[batch, time, trace, channel / 2]`;
        log_det: `[batch]`.

    Raises:
        ValueError: The number of channels is odd, or the layer is called backward before it is built.

    Source: the paper's section 4.4 ("factored out variables are standardized"); Kingma & Dhariwal (2018), "Glow", whose
    published code predicts mean and scale of the half that leaves.
    """

    def __init__(self, scale_cap: float = 2.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale_cap = scale_cap

    def build(self, input_shape: Shape) -> None:
        """Make the convolution that predicts mean and scale."""
        if isinstance(input_shape[0], (tuple, list)):
            raise ValueError("FactorOut was called backward before it was built. Call it forward, or build it, first.")
        channels = even_channels(self, input_shape)
        self.prior = keras.layers.Conv2D(
            channels,
            3,
            padding="same",
            kernel_initializer="zeros",
            dtype=self.dtype_policy,
            autocast=False,
            name="prior",
        )
        self.prior.build((*input_shape[:-1], channels // 2))

    def _forward(self, x: Tensor) -> tuple[Mapped, Tensor]:
        """Split off and standardise."""
        kept, leaving = ops.split(x, 2, axis=-1)
        mean, log_sigma = self._prior(kept)
        return (kept, (leaving - mean) * ops.exp(-log_sigma)), -sum_per_item(log_sigma)

    def _inverse(self, y: Mapped) -> tuple[Tensor, Tensor]:
        """Put the standardised half back."""
        kept, eps = y
        mean, log_sigma = self._prior(kept)
        leaving = eps * ops.exp(log_sigma) + mean
        return ops.concatenate([kept, leaving], axis=-1), sum_per_item(log_sigma)

    def _prior(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = ops.split(self.prior(kept), 2, axis=-1)
        return mean, bounded_log_scale(raw, self.scale_cap)

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        """Shapes of `((kept, eps), log_det)` for a forward call."""
        half = (*input_shape[:-1], input_shape[-1] // 2)
        return (half, half), (input_shape[0],)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "scale_cap": self.scale_cap}
