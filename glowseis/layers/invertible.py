"""The contract that every map of the flow satisfies."""

from typing import Any

import keras
from keras import ops

from glowseis.layers.types import Mapped, Shape, Tensor


class InvertibleLayer(keras.layers.Layer):
    """An invertible map with a tractable log-determinant.

    `layer(x)` maps data towards the latent space, `layer(y, inverse=True)` back. Both return the mapped tensor (or
    tuple of tensors) and `log_det`, the logarithm of the absolute Jacobian determinant of the direction that was
    taken: shape `[batch]`, float32 or wider. The two directions' log-dets sum to zero.

    Subclasses define `_forward(x)` and `_inverse(y)`; a method named `forward` would hide that of torch's modules.
    Weights are made in `build`, which receives the forward shape: a layer whose two sides differ in shape must be
    built, or called forward, before it is called backward.

    Inputs are never cast, and mixed policies are refused: Keras would read weights and inputs as bfloat16, which breaks
    any flow. The network inside a coupling may have a mixed policy of its own, for training.

    Shapes:
        x: `[batch, time, trace, channel]` unless the layer says otherwise.
        log_det: `[batch]`.

    Raises:
        ValueError: The policy is neither float32 nor float64.
    """

    def __init__(self, *, dtype: Any = "float32", **kwargs: Any):
        kwargs.setdefault("autocast", False)
        super().__init__(dtype=dtype, **kwargs)
        check_precision(self)

    def call(self, x: Mapped, inverse: bool = False) -> tuple[Mapped, Tensor]:
        """Map `x` forward, or backward if `inverse`; return the result and its log-det."""
        self._check_rank(x)
        return self._inverse(x) if inverse else self._forward(x)

    def _forward(self, x: Mapped) -> tuple[Mapped, Tensor]:
        """Map data towards the latent space; return `(y, log_det)`."""
        raise TypeError(f"{type(self).__name__} must define _forward(x) -> (y, log_det)")

    def _inverse(self, y: Mapped) -> tuple[Mapped, Tensor]:
        """Undo `_forward`; return `(x, log_det)`, the log-det being that of the inverse."""
        raise TypeError(f"{type(self).__name__} must define _inverse(y) -> (x, log_det)")

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        """Shapes of `(y, log_det)` for a forward call."""
        return input_shape, (input_shape[0],)

    def _check_rank(self, x: Mapped) -> None:
        for tensor in x if isinstance(x, (tuple, list)) else (x,):
            if len(tensor.shape) != 4:
                raise ValueError(
                    f"{type(self).__name__} maps tensors [batch, time, trace, channel]; it received shape "
                    f"{tuple(tensor.shape)}. Add the missing axes, for example with x[None, ..., None]."
                )

    def _constant_log_det(self, x: Tensor, log_det_per_position: Tensor) -> Tensor:
        """Log-det of a map that treats all positions alike: `time * trace * log_det_per_position`, for every item."""
        positions = ops.cast(ops.shape(x)[1] * ops.shape(x)[2], self.variable_dtype)
        return ops.broadcast_to(positions * log_det_per_position, (ops.shape(x)[0],))

    def _zero_log_det(self, x: Tensor) -> Tensor:
        return ops.zeros((ops.shape(x)[0],), dtype=self.variable_dtype)


def check_precision(layer: keras.layers.Layer) -> None:
    """Refuse a policy that breaks a flow: mixed ones, and any below float32."""
    policy = layer.dtype_policy
    if policy.compute_dtype != policy.variable_dtype or policy.variable_dtype not in ("float32", "float64"):
        raise ValueError(
            f"{type(layer).__name__} needs float32 or float64 throughout; it received dtype {policy.name!r}. "
            "Only the network inside a coupling may have a mixed policy."
        )


def sum_per_item(x: Tensor) -> Tensor:
    """Sum over all axes but the first: `[batch, ...] -> [batch]`."""
    return ops.sum(x, axis=tuple(range(1, len(x.shape))))


def bounded_log_scale(raw: Tensor, cap: float) -> Tensor:
    """Squash a network's raw log-scale smoothly into (-cap, cap), the identity near zero."""
    return cap * ops.tanh(raw / cap)


def even_channels(layer: keras.layers.Layer, shape: Shape) -> int:
    """Number of channels of `shape`; a ValueError if it cannot be split in halves."""
    channels = shape[-1]
    if channels % 2:
        raise ValueError(
            f"{layer.name} splits its channels in halves; it received shape {tuple(shape)} with {channels} channels. "
            "Put a Squeeze before it."
        )
    return int(channels)
