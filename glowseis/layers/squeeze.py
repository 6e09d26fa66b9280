"""The squeeze: space into channels."""

import keras
from keras import ops

from glowseis.layers.invertible import InvertibleLayer
from glowseis.layers.types import Shape, Tensor


@keras.saving.register_keras_serializable("glowseis")
class Squeeze(InvertibleLayer):
    """Turn every 2 x 2 patch into one position with four times the channels.

    forward: `y[time, trace, (2 i + j) * channels + c] = x[2 time + i, 2 trace + j, c]`
    log-det: `0`
    inverse: the same equation, read from right to left
    log-det: `0`

    Shapes:
        x: `[batch, time, trace, channel]`, time and trace even; y: `[batch, time / 2, trace / 2, 4 * channel]`;
        log_det: `[batch]`.

    Raises:
        ValueError: Time or trace is odd, or (inverse) the channels are not a multiple of four.

    Source: the paper's section 4.4; Dinh et al. (2016), "Density estimation using Real NVP", section 3.6.
    """

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Space to channels."""
        _, time, trace, channels = x.shape
        if time % 2 or trace % 2:
            raise ValueError(
                f"Squeeze halves time and trace; it received shape {tuple(x.shape)}. Pad both to even numbers."
            )
        patches = ops.reshape(x, (-1, time // 2, 2, trace // 2, 2, channels))
        patches = ops.transpose(patches, (0, 1, 3, 2, 4, 5))
        return ops.reshape(patches, (-1, time // 2, trace // 2, 4 * channels)), self._zero_log_det(x)

    def _inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Channels to space."""
        _, time, trace, channels = y.shape
        if channels % 4:
            raise ValueError(
                f"The inverse of Squeeze divides the channels by four; it received shape {tuple(y.shape)}."
            )
        patches = ops.reshape(y, (-1, time, trace, 2, 2, channels // 4))
        patches = ops.transpose(patches, (0, 1, 3, 2, 4, 5))
        return ops.reshape(patches, (-1, 2 * time, 2 * trace, channels // 4)), self._zero_log_det(y)

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        """Shapes of `(y, log_det)` for a forward call."""
        batch, time, trace, channels = input_shape
        return (batch, time // 2, trace // 2, 4 * channels), (batch,)
