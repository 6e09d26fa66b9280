"""One step of the flow."""

from typing import Any, Self

import keras
from keras import ops

from glowseis.layers.actnorm import ActNorm
from glowseis.layers.coupling import AffineCoupling
from glowseis.layers.invertible import InvertibleLayer
from glowseis.layers.invertible_conv import InvertibleConv1x1, multiply_channels
from glowseis.layers.types import Shape, Tensor


@keras.saving.register_keras_serializable("glowseis")
class FlowStep(InvertibleLayer):
    """ActNorm, then the invertible 1x1 convolution, then the affine coupling. The first two are one matrix product.

    forward: `y = coupling(convolution(actnorm(x)))`
    log-det: the sum of the three
    inverse: `x = actnorm^-1(convolution^-1(coupling^-1(y)))`
    log-det: the sum of the three inverses

    Args:
        conditioner: The network inside the coupling (see `AffineCoupling`).
        scale_cap: Bound of the coupling's log-scale.

    Shapes:
        x, y: `[batch, time, trace, channel]`, an even number of channels; log_det: `[batch]`.

    Source: the paper's section 4, figure 1.
    """

    def __init__(self, conditioner: keras.layers.Layer, scale_cap: float = 2.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.actnorm = ActNorm(dtype=self.dtype_policy, name="actnorm")
        self.convolution = InvertibleConv1x1(dtype=self.dtype_policy, name="convolution")
        self.coupling = AffineCoupling(conditioner, scale_cap, dtype=self.dtype_policy, name="coupling")

    @property
    def maps(self) -> tuple[InvertibleLayer, ...]:
        """The three maps, in forward order."""
        return (self.actnorm, self.convolution, self.coupling)

    def build(self, input_shape: Shape) -> None:
        """Build the three maps."""
        for layer in self.maps:
            layer.build(input_shape)

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The maps in order."""
        mixed, log_det = self.mix(x)
        y, change = self.coupling(mixed)
        return y, log_det + change

    def _inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """The maps' inverses in reversed order."""
        mixed, change = self.coupling(y, inverse=True)
        x, log_det = self.unmix(mixed)
        return x, change + log_det

    def mix(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """ActNorm and convolution, forward, as one product: `x (exp(log_scale) W) + bias W`, and the log-det."""
        matrix = self.convolution.matrix()
        scaled = ops.exp(self.actnorm.log_scale)[:, None] * matrix
        bias = ops.matmul(self.actnorm.bias, matrix)
        return multiply_channels(x, scaled, bias), self._constant_log_det(x, self._log_det_per_position())

    def unmix(self, mixed: Tensor) -> tuple[Tensor, Tensor]:
        """Undo `mix`: `mixed (W^-1 exp(-log_scale)) - bias exp(-log_scale)`, and the log-det."""
        scale = ops.exp(-self.actnorm.log_scale)
        matrix = self.convolution.inverse_matrix() * scale
        x = multiply_channels(mixed, matrix, -self.actnorm.bias * scale)
        return x, self._constant_log_det(mixed, -self._log_det_per_position())

    def _log_det_per_position(self) -> Tensor:
        return ops.sum(self.actnorm.log_scale) + self.convolution.log_det_per_position()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        conditioner = keras.saving.serialize_keras_object(self.coupling.conditioner)
        return {**super().get_config(), "conditioner": conditioner, "scale_cap": self.coupling.scale_cap}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the layer from `get_config`'s dictionary."""
        conditioner = keras.saving.deserialize_keras_object(config["conditioner"])
        return cls(**{**config, "conditioner": conditioner})
