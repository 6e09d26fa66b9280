"""One step of the flow."""

from typing import Any, Self

import keras
from keras import ops

from glowseis.layers.actnorm import ActNorm
from glowseis.layers.coupling import AffineCoupling
from glowseis.layers.invertible import InvertibleLayer
from glowseis.layers.invertible_conv import (
    InvertibleConv1x1,
    log_det_of,
    mixing_matrix,
    multiply_channels,
    unmixing_matrix,
)
from glowseis.layers.types import Shape, Tensor


@keras.saving.register_keras_serializable("glowseis")
class FlowStep(InvertibleLayer):
    """ActNorm, then the invertible 1x1 convolution, then the affine coupling. The first two are one matrix product.

    forward: `y = coupling(convolution(actnorm(x)))`
    log-det: the sum of the three
    inverse: `x = actnorm^-1(convolution^-1(coupling^-1(y)))`
    log-det: the sum of the three inverses

    In a conditional flow the first channels are the condition: they stay, and only the coupling's network sees them.

    Args:
        conditioner: The network inside the coupling (see `AffineCoupling`).
        scale_cap: Bound of the coupling's log-scale.
        condition: How many of the first channels are the condition.

    Shapes:
        x, y: `[batch, time, trace, condition + channel]`, `channel` even; log_det: `[batch]`.

    Source: the paper's section 4, figure 1.
    """

    def __init__(self, conditioner: keras.layers.Layer, scale_cap: float = 2.0, condition: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.condition = condition
        self.actnorm = ActNorm(dtype=self.dtype_policy, name="actnorm")
        self.convolution = InvertibleConv1x1(dtype=self.dtype_policy, name="convolution")
        self.coupling = AffineCoupling(conditioner, scale_cap, condition, dtype=self.dtype_policy, name="coupling")

    @property
    def maps(self) -> tuple[InvertibleLayer, ...]:
        """The three maps, in forward order."""
        return (self.actnorm, self.convolution, self.coupling)

    def build(self, input_shape: Shape) -> None:
        """Build the three maps."""
        mixed = (*input_shape[:-1], input_shape[-1] - self.condition)
        for layer, shape in zip(self.maps, (mixed, mixed, input_shape), strict=True):
            layer.build(shape)

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

    @property
    def mixing_weights(self) -> tuple[keras.Variable, ...]:
        """The weights of ActNorm and convolution, in the order that `mixing` takes them."""
        actnorm, convolution = self.actnorm, self.convolution
        return actnorm.log_scale, actnorm.bias, convolution.factors, convolution.permutation, convolution.sign

    def mix(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """ActNorm and convolution, forward, as one product, and the log-det (see `mixing`)."""
        matrix, bias, log_det_per_position = mixing(*self.mixing_weights)
        return self.multiply(x, matrix, bias), self._constant_log_det(x, log_det_per_position)

    def unmix(self, mixed: Tensor) -> tuple[Tensor, Tensor]:
        """Undo `mix` by one product, and the log-det (see `unmixing`)."""
        matrix, bias, log_det_per_position = unmixing(*self.mixing_weights)
        return self.multiply(mixed, matrix, bias), self._constant_log_det(mixed, log_det_per_position)

    def multiply(self, x: Tensor, matrix: Tensor, bias: Tensor) -> Tensor:
        """`x matrix + bias` at every position; the condition stays."""
        if not self.condition:
            return multiply_channels(x, matrix, bias)
        condition, others = ops.split(x, [self.condition], axis=-1)
        return ops.concatenate([condition, multiply_channels(others, matrix, bias)], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        conditioner = keras.saving.serialize_keras_object(self.coupling.conditioner)
        settings = {"scale_cap": self.coupling.scale_cap, "condition": self.condition}
        return {**super().get_config(), "conditioner": conditioner, **settings}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the layer from `get_config`'s dictionary."""
        conditioner = keras.saving.deserialize_keras_object(config["conditioner"])
        return cls(**{**config, "conditioner": conditioner})


def mixing(
    log_scale: Tensor, bias: Tensor, factors: Tensor, permutation: Tensor, sign: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """ActNorm and convolution as one product: `x (exp(log_scale) W) + bias W`.

    Args:
        log_scale: ActNorm's, `[..., channel]`: of one step, or of many along leading axes.
        bias: ActNorm's, `[..., channel]`.
        factors: The convolution's, `[..., channel, channel]`.
        permutation: The convolution's, `[..., channel, channel]`.
        sign: The convolution's, `[..., channel]`.

    Returns:
        Matrix `[..., channel, channel]`, bias `[..., channel]`, and log-det per position `[...]`.
    """
    matrix = mixing_matrix(factors, permutation, sign)
    bias = ops.squeeze(ops.matmul(bias[..., None, :], matrix), -2)
    return ops.exp(log_scale)[..., None] * matrix, bias, ops.sum(log_scale, axis=-1) + log_det_of(factors)


def unmixing(
    log_scale: Tensor, bias: Tensor, factors: Tensor, permutation: Tensor, sign: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The inverse of `mixing`'s product, also as one: `mixed (W^-1 exp(-log_scale)) - bias exp(-log_scale)`."""
    scale = ops.exp(-log_scale)
    matrix = unmixing_matrix(factors, permutation, sign) * scale[..., None, :]
    return matrix, -bias * scale, -(ops.sum(log_scale, axis=-1) + log_det_of(factors))
