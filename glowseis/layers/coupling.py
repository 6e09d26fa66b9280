"""The affine coupling: half of the channels scales and shifts the other half."""

from typing import Any, Self

import keras
from keras import ops

from glowseis.layers.invertible import InvertibleLayer, bounded_log_scale, even_channels, sum_per_item
from glowseis.layers.types import Shape, Tensor


@keras.saving.register_keras_serializable("glowseis")
class AffineCoupling(InvertibleLayer):
    """Scale and shift the second half of the channels by what a network makes of the first half.

    With `x1, x2` the halves, `raw, t = conditioner(x1)` and `log_s = scale_cap * tanh(raw / scale_cap)`:

    forward: `y1 = x1`, `y2 = x2 * exp(log_s) + t`
    log-det: `sum(log_s)`
    inverse: `x1 = y1`, `x2 = (y2 - t) * exp(-log_s)`
    log-det: `-sum(log_s)`

    In a conditional flow the first channels are the condition: `x = c, x1, x2`. They stay, and the network sees them
    too: `raw, t = conditioner(c, x1)`.

    Args:
        conditioner: A layer from `[batch, time, trace, condition + channel / 2]` to `[batch, time, trace, channel]`,
            where `channel` does not count the condition. It should start at zero, which makes the coupling the
            identity.
        scale_cap: Bound of the log-scale. An unbounded exponential is a known cause of NaN in the inverse.
        condition: How many of the first channels are the condition.

    Shapes:
        x, y: `[batch, time, trace, condition + channel]`, `channel` even; log_det: `[batch]`.

    Raises:
        ValueError: The number of channels is odd.

    Source: the paper's section 4.3, equations 12 to 14; Dinh et al. (2016), "Density estimation using Real NVP". The
    bound is ours. Conditions: Lu & Huang (2020), "Structured output learning with conditional generative flows".
    """

    def __init__(self, conditioner: keras.layers.Layer, scale_cap: float = 2.0, condition: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.conditioner = conditioner
        self.scale_cap = scale_cap
        self.condition = condition

    def build(self, input_shape: Shape) -> None:
        """Build the conditioner on the condition and half of the other channels."""
        channels = even_channels(self, (*input_shape[:-1], input_shape[-1] - self.condition))
        if not self.conditioner.built:
            self.conditioner.build((*input_shape[:-1], self.condition + channels // 2))

    def halves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The channels that stay, the condition's among them, and those that are scaled and shifted."""
        if not self.condition:
            kept, changed = ops.split(x, 2, axis=-1)
        else:
            kept, changed = ops.split(x, [(self.condition + x.shape[-1]) // 2], axis=-1)
        return kept, changed

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift the second half."""
        kept, changed = self.halves(x)
        log_scale, shift = self.scale_and_shift(kept)
        return ops.concatenate([kept, change(changed, log_scale, shift)], axis=-1), sum_per_item(log_scale)

    def _inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale the second half back."""
        kept, changed = self.halves(y)
        log_scale, shift = self.scale_and_shift(kept)
        return ops.concatenate([kept, change_back(changed, log_scale, shift)], axis=-1), -sum_per_item(log_scale)

    def scale_and_shift(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """What the network predicts from what stays: `log_s` and `t`, each `[batch, time, trace, channel / 2]`."""
        raw, shift = ops.split(ops.cast(self.conditioner(kept), self.variable_dtype), 2, axis=-1)
        return bounded_log_scale(raw, self.scale_cap), shift

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        conditioner = keras.saving.serialize_keras_object(self.conditioner)
        return {**config, "conditioner": conditioner, "scale_cap": self.scale_cap, "condition": self.condition}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the layer from `get_config`'s dictionary."""
        conditioner = keras.saving.deserialize_keras_object(config["conditioner"])
        return cls(**{**config, "conditioner": conditioner})


def change(half: Tensor, log_scale: Tensor, shift: Tensor) -> Tensor:
    """`half * exp(log_scale) + shift`, all `[batch, time, trace, channel / 2]`."""
    return half * ops.exp(log_scale) + shift


def change_back(half: Tensor, log_scale: Tensor, shift: Tensor) -> Tensor:
    """Undo `change`."""
    return (half - shift) * ops.exp(-log_scale)
