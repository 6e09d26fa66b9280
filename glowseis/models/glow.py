"""The multi-scale flow: SeismoGlow."""

import math
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from glowseis.layers import AttentionConditioner, ConvolutionalConditioner, FactorOut, FlowStep, Squeeze, StepStack
from glowseis.layers.invertible import check_precision, sum_per_item
from glowseis.layers.types import Shape, Tensor
from glowseis.models.grey_levels import GREY_LEVELS
from glowseis.models.interpolation import DEFAULT_PATH, between

CENTRE = 0.5
"""Middle of the images' range [0, 1), which the flow subtracts; its log-det is zero."""

OUT_OF_RANGE = (
    "A flow is trained on images in [0, 1); these hold values outside that range, or NaN. Make them from "
    "grey levels with glowseis.models.grey_levels.dequantise."
)
"""The error for other images. Exactly 1, which is white divided by 255, is let through."""


@keras.saving.register_keras_serializable("glowseis")
class Glow(keras.Model):
    """A normalising flow of `levels` scales, each a squeeze, a stack of flow steps and a factored-out half.

    >>> import glowseis, numpy as np
    >>> flow = glowseis.Glow((16, 16, 1), levels=2, steps=1, filters=4, attention_levels=0)
    >>> x = np.random.default_rng(1).random((2, 16, 16, 1), np.float32)
    >>> flow.adapt([x])
    >>> bool(np.abs(flow.decode(flow.encode(x)) - x).max() < 1e-5)
    True

    forward: `latents = f(x)`, the factored-out halves of levels 1 .. L-1 and all of level L
    log-det: the sum over all maps
    inverse: `x = f^-1(latents)`
    log-det: the sum over all inverses

    `glow(x)` returns `(latents, log_det)`, `glow(latents, inverse=True)` returns `(x, log_det)`.

    A conditional flow models the upper half of an image given its lower half, the condition, such as one band of a
    gather given another: pairs are stacked in time, as one image. A strided convolution per level makes features of the
    condition, which that level's couplings see. The condition itself is the last of the latents, so that what was
    encoded under one condition can be decoded under another.

    Args:
        image_shape: `(time, trace, channel)` of the images.
        levels: Number of scales.
        steps: Flow steps per level: one number, or one per level.
        filters: Channels of the conditioners' hidden layers: one number, or one per level.
        attention_levels: How many of the last levels have attention conditioners; the others are convolutional.
        heads: Attention heads.
        scale_cap: Bound of every log-scale that a network predicts.
        condition: Features per level of the condition; 0 for a flow of whole images.

    Shapes:
        x: `[batch, time, trace, channel]`, grey levels as fractions in [0, 1).
        latents: `[batch, time / 2^l, trace / 2^l, channel * 2^l]` for level l < L, twice the channels for level L. With
            a condition, time is that of the upper half, and `[batch, time, trace, channel]` in [0, 1) follows.
        log_det: `[batch]`.

    Raises:
        ValueError: Time or trace is not divisible by 2^levels, or a list of settings has not one value per level.

    Source: the paper's sections 4 and 5.2, whose sizes are the defaults. Conditions: Lu & Huang (2020), "Structured
    output learning with conditional generative flows".
    """

    built: bool

    def __init__(
        self,
        image_shape: tuple[int, int, int] = (896, 640, 1),
        levels: int = 6,
        steps: int | Sequence[int] = 15,
        filters: int | Sequence[int] = 96,
        attention_levels: int = 2,
        heads: int = 4,
        scale_cap: float = 2.0,
        condition: int = 0,
        *,
        dtype: Any = "float32",
        **kwargs: Any,
    ):
        super().__init__(dtype=dtype, autocast=False, **kwargs)
        check_precision(self)
        self.image_shape = tuple(image_shape)
        self.levels = levels
        self.steps = _per_level("steps", steps, levels)
        self.filters = _per_level("filters", filters, levels)
        self.attention_levels = attention_levels
        self.heads = heads
        self.scale_cap = scale_cap
        self.condition = condition
        _check_divisible(self.image_shape, levels)
        if condition and self.image_shape[0] % 2 ** (levels + 1):
            raise ValueError(
                f"Images of {self.image_shape[0]} x {self.image_shape[1]} with a condition are halves of "
                f"{self.image_shape[0] / 2:g}, which cannot be halved {levels} times. Pad each, or use fewer levels."
            )
        if not 0 <= attention_levels <= levels:
            raise ValueError(f"attention_levels is {attention_levels}; it must be between 0 and levels, {levels}.")
        self.squeezes = [Squeeze(dtype=dtype, name=f"squeeze_{level}") for level in range(1, levels + 1)]
        self.stacks = [self._stack(level) for level in range(1, levels + 1)]
        self.factor_outs = [FactorOut(scale_cap, dtype=dtype, name=f"factor_out_{level}") for level in range(1, levels)]
        self.features = [self._features(level) for level in range(1, levels + 1)] if condition else []

    def _stack(self, level: int) -> StepStack:
        width, condition = self.filters[level - 1], self.condition
        settings = {"condition": condition, "dtype": self.dtype_policy, "name": "conditioner"}
        conditioner: keras.layers.Layer
        if level > self.levels - self.attention_levels:
            conditioner = AttentionConditioner(width, self.heads, **settings)
        else:
            conditioner = ConvolutionalConditioner(width, **settings)
        step = FlowStep(conditioner, self.scale_cap, condition, dtype=self.dtype_policy, name="step")
        return StepStack(step, self.steps[level - 1], dtype=self.dtype_policy, name=f"steps_{level}")

    def _features(self, level: int) -> keras.layers.Layer:
        return keras.layers.Conv2D(
            self.condition,
            3,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            dtype=self.dtype_policy,
            autocast=False,
            name=f"features_{level}",
        )

    def build(self, input_shape: Shape | None = None) -> None:
        """Make all weights; the shape is `image_shape`'s, whatever the batch."""
        if self.built:
            return
        shape = seen = (None, *self.modelled_shape)
        for layer in self.features:
            layer.build(seen)
            seen = layer.compute_output_shape(seen)
        for squeeze, stack, factor_out in self._levels():
            squeeze.build(shape)
            shape, _ = squeeze.compute_output_shape(shape)
            stack.build((*shape[:-1], self.condition + shape[-1]))
            if factor_out is not None:
                factor_out.build(shape)
                (shape, _), _ = factor_out.compute_output_shape(shape)
        self.built = True

    def _levels(self) -> list[tuple[Squeeze, StepStack, FactorOut | None]]:
        return list(zip(self.squeezes, self.stacks, [*self.factor_outs, None], strict=True))

    @property
    def modelled_shape(self) -> tuple[int, int, int]:
        """`(time, trace, channel)` of what is modelled, and of its condition: half of an image if there is one."""
        time, trace, channels = self.image_shape
        return (time // 2 if self.condition else time), trace, channels

    @property
    def latent_shapes(self) -> list[tuple[int, int, int]]:
        """`(time, trace, channel)` of each level's latent."""
        time, trace, channels = self.modelled_shape
        shapes = [(time >> level, trace >> level, channels << level) for level in range(1, self.levels + 1)]
        last = shapes[-1]
        return [*shapes[:-1], (last[0], last[1], 2 * last[2])]

    def call(self, x: Any, inverse: bool = False) -> tuple[Any, Tensor]:
        """Map images to latents, or latents to images if `inverse`; return the result and its log-det."""
        return self.decode_with_log_det(x) if inverse else self.encode_with_log_det(x)

    def encode_with_log_det(self, x: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Latents of images in [0, 1), `[batch, time, trace, channel]`, and the log-det, `[batch]`."""
        self.build()
        h, *condition = self._apart(self.checked(x))
        h = h - CENTRE
        log_det = ops.zeros((ops.shape(x)[0],), dtype=self.variable_dtype)
        latents = []
        for (squeeze, stack, factor_out), seen in zip(self._levels(), self._seen(*condition), strict=True):
            h, _ = squeeze(h)
            h, change = stack(_joined(seen, h))
            h = _without(seen, h)
            log_det = log_det + change
            if factor_out is not None:
                (h, eps), change = factor_out(h)
                log_det = log_det + change
                latents.append(eps)
        return (*latents, h, *condition), log_det

    def decode_with_log_det(self, latents: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Images decoded from latents, and the inverse's log-det."""
        self.build()
        latents = self._latents(latents)
        *factored_out, h = latents[: self.levels]
        condition = latents[self.levels :]
        log_det = ops.zeros((ops.shape(h)[0],), dtype=self.variable_dtype)
        for (squeeze, stack, factor_out), seen in reversed(
            list(zip(self._levels(), self._seen(*condition), strict=True))
        ):
            if factor_out is not None:
                h, change = factor_out((h, factored_out.pop()), inverse=True)
                log_det = log_det + change
            h, change = stack(_joined(seen, h), inverse=True)
            h = _without(seen, h)
            log_det = log_det + change
            h, _ = squeeze(h, inverse=True)
        return ops.concatenate([h + CENTRE, *condition], axis=1) if condition else h + CENTRE, log_det

    def _apart(self, x: Tensor) -> list[Tensor]:
        """What is modelled and, if there is one, its condition."""
        return ops.split(x, 2, axis=1) if self.condition else [x]

    def _seen(self, condition: Tensor | None = None) -> list[Tensor | None]:
        """What each level's couplings see of a condition in [0, 1)."""
        if condition is None:
            return [None] * self.levels
        seen = [condition - CENTRE]
        for layer in self.features:
            seen.append(layer(seen[-1]))
        return seen[1:]

    def checked(self, x: Tensor) -> Tensor:
        """Images in the flow's precision, or a ValueError that says what is wrong with them."""
        if "int" in keras.backend.standardize_dtype(getattr(x, "dtype", "float32")):
            raise ValueError(
                "Glow takes images in [0, 1); it received integers. Use glowseis.models.grey_levels.from_levels, or "
                "dequantise from there to train."
            )
        x = ops.convert_to_tensor(x, dtype=self.variable_dtype)
        self._check_shapes([x], [self.image_shape])
        return x

    def _latents(self, latents: Sequence[Tensor]) -> list[Tensor]:
        tensors = [ops.convert_to_tensor(eps, dtype=self.variable_dtype) for eps in latents]
        self._check_shapes(tensors, [*self.latent_shapes, *([self.modelled_shape] if self.condition else [])])
        return tensors

    def _check_shapes(self, tensors: Sequence[Tensor], expected: Sequence[Shape]) -> None:
        received = [tuple(tensor.shape[1:]) for tensor in tensors]
        if received != list(expected):
            raise ValueError(
                f"This Glow is for images {self.image_shape}; it expects shapes (batch, *{list(expected)}) and "
                f"received (batch, *{received})."
            )

    def encode(self, x: Tensor) -> tuple[Tensor, ...]:
        """Latents, a tuple with one tensor per level and the condition, of images in [0, 1), `[batch, time, ...]`."""
        return self.encode_with_log_det(x)[0]

    def decode(self, latents: Sequence[Tensor]) -> Tensor:
        """Images, `[batch, time, trace, channel]`, decoded from latents. Values outside [0, 1) are possible."""
        return self.decode_with_log_det(latents)[0]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats, `[batch]`, of images in [0, 1), `[batch, time, trace, channel]` (equation 8).

        With a condition, the density of the upper halves given the lower ones.
        """
        latents, log_det = self.encode_with_log_det(x)
        for eps in latents[: self.levels]:
            log_det = log_det - 0.5 * sum_per_item(ops.square(eps) + math.log(2 * math.pi))
        return log_det

    def bits_per_dimension(self, log_prob: Tensor) -> Tensor:
        """Bits per grey value of 8-bit data, from the log-density of `log_prob`: the loss with c of equation 2."""
        return math.log2(GREY_LEVELS) - log_prob / (math.prod(self.modelled_shape) * math.log(2))

    def sample(
        self, count: int, temperature: float = 1.0, seed: int | None = None, condition: Tensor | None = None
    ) -> Tensor:
        """Images, `[count, time, trace, channel]`, decoded from standard normal latents times `temperature`.

        Args:
            count: Number of images.
            temperature: Standard deviation of the latents.
            seed: Seed of the latents; drawn if None.
            condition: Of a conditional flow, the lower halves of the images, in [0, 1).

        Raises:
            ValueError: The temperature is NaN, below 0 or infinite, or a condition is missing or has another shape.
        """
        if not 0 <= temperature < math.inf:
            raise ValueError(f"temperature is {temperature}; give a number of at least 0, such as 0.7")
        generator = keras.random.SeedGenerator(int(np.random.default_rng().integers(2**31)) if seed is None else seed)
        return self.decode(
            [
                temperature * keras.random.normal((count, *shape), dtype=self.variable_dtype, seed=generator)
                for shape in self.latent_shapes
            ]
            + ([] if condition is None else [condition])
        )

    def interpolate(self, first: Tensor, second: Tensor, alpha: Tensor, path: str = DEFAULT_PATH) -> Tensor:
        """Images decoded from points between two images' latents, at all scales (the paper's section 1).

        Args:
            first: Images in [0, 1), `[batch, time, trace, channel]`; the result at alpha 0.
            second: Images in [0, 1), `[batch, time, trace, channel]`; the result at alpha 1.
            alpha: Weights of the second, `[batch]`.
            path: `spherical` or `linear` (see `between`).

        Returns:
            Images `[batch, time, trace, channel]`; with a condition, all of them under the first images'.
        """
        first, second = self.encode(first), self.encode(second)
        latents = between(first[: self.levels], second[: self.levels], alpha, path)
        return self.decode([*latents, *first[self.levels :]])

    def adapt(self, images: Iterable[Tensor], progress: Callable[[], None] | None = None) -> None:
        """Set every ActNorm from data: step by step, each from the whole set, which then passes through the step.

        Args:
            images: Batches of images in [0, 1), each `[batch, time, trace, channel]`. One batch or many; all of them
                are held in memory.
            progress: Called after every step of the flow, to report progress.

        Raises:
            ValueError: There are none, or one holds NaN or values outside [0, 1].

        Source: the paper's section 4.1. Call it once, before training.
        """
        self.build()
        batches = [ops.convert_to_numpy(self.checked(batch)) for batch in images]
        if not batches or not all(((batch >= 0) & (batch <= 1)).all() for batch in batches):
            raise ValueError(OUT_OF_RANGE if batches else "adapt needs at least one batch of images")
        parts = [self._apart(batch) for batch in batches]
        batches = [ops.convert_to_numpy(h) - np.float32(CENTRE) for h, *_ in parts]
        seen = [self._seen(*condition) for _, *condition in parts]
        for level, (squeeze, stack, factor_out) in enumerate(self._levels()):
            batches = [
                ops.convert_to_numpy(_joined(features[level], squeeze(h)[0]))
                for h, features in zip(batches, seen, strict=True)
            ]
            for index in range(stack.count):
                stack.adapt_step(index, *_moments(batches))
                batches = [ops.convert_to_numpy(stack.step(index, h)[0]) for h in batches]
                if progress is not None:
                    progress()
            batches = [_without(features[level], h) for h, features in zip(batches, seen, strict=True)]
            if factor_out is not None:
                batches = [ops.convert_to_numpy(factor_out(h)[0][0]) for h in batches]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = ("image_shape", "levels", "steps", "filters", "attention_levels", "heads", "scale_cap", "condition")
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype_policy.name,
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the model from `get_config`'s dictionary."""
        return cls(**config)


def _joined(seen: Tensor | None, h: Tensor) -> Tensor:
    """Channels with those of a condition's features before them."""
    return h if seen is None else ops.concatenate([seen, h], axis=-1)


def _without(seen: Tensor | None, h: Tensor) -> Tensor:
    """Undo `_joined`."""
    return h if seen is None else h[..., seen.shape[-1] :]


def _moments(batches: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each channel, `[channel]`, over all batches, in float64."""
    pixels = sum(batch[..., 0].size for batch in batches)
    mean = sum(batch.sum(axis=(0, 1, 2), dtype=np.float64) for batch in batches) / pixels
    variance = sum(((batch - mean) ** 2).sum(axis=(0, 1, 2), dtype=np.float64) for batch in batches) / pixels
    return mean, variance


def _per_level(name: str, value: int | Sequence[int], levels: int) -> tuple[int, ...]:
    values = (int(value),) * levels if isinstance(value, int | Integral) else tuple(value)
    if len(values) != levels:
        raise ValueError(f"{name} has {len(values)} values for {levels} levels; give one number, or one per level.")
    return values


def _check_divisible(image_shape: tuple[int, ...], levels: int) -> None:
    if len(image_shape) != 3:
        raise ValueError(f"image_shape is (time, trace, channel); it received {image_shape}.")
    time, trace, _ = image_shape
    unit = 2**levels
    if levels < 1:
        raise ValueError(f"A flow needs at least one level; levels is {levels}.")
    if time % unit or trace % unit:
        padded = f"{-(-time // unit) * unit} x {-(-trace // unit) * unit}"
        raise ValueError(
            f"Images of {time} x {trace} cannot be halved {levels} times: both sides must be divisible by "
            f"2^levels = {unit}. Pad them to {padded}, or use fewer levels."
        )
