"""The networks inside the couplings: ordinary layers, not maps.

Both take half of the channels and return twice as many: a raw log-scale and a shift for the other half. In a
conditional flow they also take the condition's channels, which come first.
Their last convolution starts at zero, so that a coupling starts as the identity (the paper's section 4.3).
"""

from collections.abc import Sequence
from typing import Any

import keras

from glowseis.layers.thin_convolutions import FEW_CHANNELS, ThinConvolutions
from glowseis.layers.types import Shape, Tensor

_CONVOLUTION = {"padding": "same", "kernel_initializer": "he_normal"}


class _Conditioner(keras.layers.Layer):
    """A chain of layers, made when the number of channels is known."""

    def __init__(self, filters: int = 96, *, condition: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = filters
        self.condition = condition

    def build(self, input_shape: Shape) -> None:
        """Make and build the chain."""
        self.chain = self._make_chain(self.compute_output_shape(input_shape)[-1])
        for layer in self.chain:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def call(self, x: Tensor) -> Tensor:
        """`[batch, time, trace, condition + channel] -> [batch, time, trace, 2 * channel]`."""
        for layer in self.chain:
            x = layer(x)
        return x

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Twice the channels, without the condition's."""
        return (*input_shape[:-1], 2 * (input_shape[-1] - self.condition))

    def _make_chain(self, channels_out: int) -> Sequence[keras.layers.Layer]:
        """The layers; the last one has `channels_out` channels."""
        raise TypeError(f"{type(self).__name__} must define _make_chain(channels_out)")

    def _convolution(self, filters: int, size: int, activation: str, name: str) -> keras.layers.Layer:
        return keras.layers.Conv2D(
            filters, size, activation=activation, dtype=self.dtype_policy, name=name, **_CONVOLUTION
        )

    def _zero_convolution(self, filters: int) -> keras.layers.Layer:
        settings = {**_CONVOLUTION, "kernel_initializer": "zeros"}
        return keras.layers.Conv2D(filters, 3, dtype=self.dtype_policy, name="last", **settings)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "filters": self.filters, "condition": self.condition}


@keras.saving.register_keras_serializable("glowseis")
class ConvolutionalConditioner(_Conditioner):
    """3x3 convolution, ReLU, 1x1 convolution, ReLU, layer normalisation, 3x3 convolution that starts at zero.

    With few input channels, as in the first levels, the same is computed as matrix products (`ThinConvolutions`).

    Args:
        filters: Channels of the hidden convolutions.
        condition: How many of the first channels are the condition.

    Shapes:
        `[batch, time, trace, condition + channel] -> [batch, time, trace, 2 * channel]`.

    Source: the paper's section 5.2, the first four levels.
    """

    def _make_chain(self, channels_out: int) -> Sequence[keras.layers.Layer]:
        return [
            self._convolution(self.filters, 3, "relu", "first"),
            self._convolution(self.filters, 1, "relu", "second"),
            keras.layers.LayerNormalization(dtype=self.dtype_policy, name="normalization"),
            self._zero_convolution(channels_out),
        ]

    def build(self, input_shape: Shape) -> None:
        """Make and build the chain."""
        super().build(input_shape)
        self.products = ThinConvolutions(*self.chain) if input_shape[-1] <= FEW_CHANNELS else None

    def call(self, x: Tensor) -> Tensor:
        """`[batch, time, trace, condition + channel] -> [batch, time, trace, 2 * channel]`."""
        return super().call(x) if self.products is None else self.products(x)


@keras.saving.register_keras_serializable("glowseis")
class AttentionConditioner(_Conditioner):
    """Self-attention over all positions, layer normalisation, 3x3 convolution, ReLU, 3x3 convolution from zero.

    Args:
        filters: Width of the attention and channels of the hidden convolution.
        heads: Attention heads; each has keys of `filters // heads`.
        condition: How many of the first channels are the condition.

    Shapes:
        `[batch, time, trace, condition + channel] -> [batch, time, trace, 2 * channel]`.

    Source: the paper's sections 4 and 5.2, the last two levels; Vaswani et al. (2017). It has no residual connection.
    """

    def __init__(self, filters: int = 96, heads: int = 4, *, condition: int = 0, **kwargs: Any):
        super().__init__(filters, condition=condition, **kwargs)
        if filters % heads:
            raise ValueError(
                f"AttentionConditioner splits {filters} filters among {heads} heads; make filters a multiple of heads."
            )
        self.heads = heads

    def _make_chain(self, channels_out: int) -> Sequence[keras.layers.Layer]:
        return [
            _SelfAttention(self.filters, self.heads, dtype=self.dtype_policy, name="attention"),
            keras.layers.LayerNormalization(dtype=self.dtype_policy, name="normalization"),
            self._convolution(self.filters, 3, "relu", "first"),
            self._zero_convolution(channels_out),
        ]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "heads": self.heads}


class _SelfAttention(keras.layers.Layer):
    """Multi-head attention with every position of `[batch, time, trace, channel]` as a token."""

    def __init__(self, filters: int, heads: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = filters
        self.attention = keras.layers.MultiHeadAttention(
            heads, filters // heads, output_shape=filters, dtype=self.dtype_policy, name="attention"
        )

    def build(self, input_shape: Shape) -> None:
        batch, time, trace, channels = input_shape
        tokens = (batch, time * trace, channels)
        self.attention.build(tokens, tokens)

    def call(self, x: Tensor) -> Tensor:
        _, time, trace, channels = x.shape
        tokens = keras.ops.reshape(x, (-1, time * trace, channels))
        return keras.ops.reshape(self.attention(tokens, tokens), (-1, time, trace, self.filters))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.filters)
