"""A sampler for imbalanced-learn: new images of rare classes by a flow (`pip install 'glowseis[sampler]'`)."""

import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from glowseis.errors import FittingError, InputError
from glowseis.fitting.backend import require_tensorflow

require_tensorflow()

import keras  # noqa: E402, after the line about another backend
import tensorflow as tf  # noqa: E402

try:
    from imblearn.over_sampling.base import BaseOverSampler
    from imblearn.utils import check_target_type
except ImportError as wrong:
    raise InputError(
        "glowseis.FlowSampler needs imbalanced-learn, of a version that suits scikit-learn; install it with "
        f"pip install 'glowseis[sampler]' ({wrong})"
    ) from None

from glowseis.export.network import load_network  # noqa: E402
from glowseis.fitting.adam import FusedAdam  # noqa: E402
from glowseis.fitting.flow.schedule import WarmUpThenDecay  # noqa: E402
from glowseis.fitting.flow.trainer import FlowTrainer  # noqa: E402
from glowseis.models.glow import Glow  # noqa: E402
from glowseis.models.grey_levels import GREY_LEVELS  # noqa: E402
from glowseis.models.interpolation import DEFAULT_PATH  # noqa: E402
from glowseis.survey.pairs import draw_pairs  # noqa: E402

ROUND_TRIP_BOUND = 1e-3
"""Largest |decode(encode(x)) - x| of a usable flow, as a fraction of full scale."""

ADAPTED, AT_ONCE = 64, 50
"""Images that set ActNorm, and images that are made at a time."""


class FlowSampler(BaseOverSampler):
    """Over-samples rare classes of images: for each, fits a flow to its rows, and interpolates between pairs of them.

    >>> import glowseis, numpy as np
    >>> X = np.random.default_rng(1).integers(0, 256, (12, 8, 8, 1)).astype(np.uint8)
    >>> y = np.array(["good"] * 9 + ["bad"] * 3)
    >>> sampler = glowseis.FlowSampler(levels=1, steps=1, filters=4, training_steps=2, random_state=1)
    >>> X_new, y_new = sampler.fit_resample(X, y)
    >>> X_new.shape, X_new.dtype.name, int((y_new == "bad").sum())
    ((18, 8, 8, 1), 'uint8', 9)

    It is an over-sampler of imbalanced-learn, so it works in `imblearn.pipeline.Pipeline`, where only training rows
    reach it. The given rows come first and unchanged in the result, then the new ones, class by class.

    Args:
        sampling_strategy: Which classes get how many rows; see imbalanced-learn's over-samplers.
        random_state: Seed, generator or None, for weights, order, noise, pairs and places between them.
        image_shape: `(height, width)` or `(height, width, channel)` of the images that the rows of a 2-D X hold,
            flattened; one of them may be -1. None for images, `[row, height, width]` or
            `[row, height, width, channel]`.
        value_range: The values of black and white: `(low, high)`, or `data` for the least and largest of X. When None,
            integers are grey levels from 0 to 255 and floats fractions in [0, 1).
        flow: A trained flow, or the folder of its SavedModel, to start from in place of random weights. It is copied,
            not changed. If it was trained on rows that a cross-validation tests on, they leak.
        training_steps: Optimiser steps for each class; with a flow, 0 uses it as it is.
        batch_size: Images of a step.
        learning_rate: Highest learning rate of Adam; it warms up, then falls to a tenth.
        levels: Levels of the flow; when None from the images' size, at most 4. Not used with a flow, nor are the next.
        steps: Flow steps of each level.
        filters: Channels of the hidden layers, a multiple of 4.
        path: `spherical` or `linear` (see `glowseis.models.interpolation.between`).
        farthest: How far a new image may lie from its first parent towards the other, at most 1.

    Attributes:
        sampling_strategy_: Number of new rows of each class.
        flows_: The fitted flow of each class.
        parents_: Rows of X that the new rows lie between, int64 `[new row, 2]`.
        weights_: Weights of the second parent in the latent space, float64 `[new row]`.

    Raises:
        ValueError: A class that gets new rows has fewer than two; X holds NaN, infinity or values out of range; flat
            rows have no shape, or the flow another one.
        FittingError: The fitted flow's values are not finite, or it does not invert.

    Source: the paper's sections 1 and 5.4. Lemaitre et al. (2017), "Imbalanced-learn", for what a sampler is.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **BaseOverSampler._parameter_constraints,
        "image_shape": [tuple, list, None],
        "value_range": [StrOptions({"data"}), tuple, list, None],
        "flow": [Glow, str, Path, None],
        "training_steps": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "levels": [Interval(Integral, 1, None, closed="left"), None],
        "steps": [Interval(Integral, 1, None, closed="left")],
        "filters": [Interval(Integral, 4, None, closed="left")],
        "path": [StrOptions({"spherical", "linear"})],
        "farthest": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(
        self,
        *,
        sampling_strategy: Any = "auto",
        random_state: Any = None,
        image_shape: tuple[int, ...] | None = None,
        value_range: tuple[float, float] | str | None = None,
        flow: Glow | str | Path | None = None,
        training_steps: int = 300,
        batch_size: int = 8,
        learning_rate: float = 1e-3,
        levels: int | None = None,
        steps: int = 4,
        filters: int = 32,
        path: str = DEFAULT_PATH,
        farthest: float = 1.0,
    ):
        super().__init__(sampling_strategy=sampling_strategy)
        self.random_state = random_state
        self.image_shape = image_shape
        self.value_range = value_range
        self.flow = flow
        self.training_steps = training_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.levels = levels
        self.steps = steps
        self.filters = filters
        self.path = path
        self.farthest = farthest

    def __sklearn_tags__(self) -> Any:
        """What imbalanced-learn's checks may try: arrays and tables, but no sparse matrices."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.three_d_array = True
        return tags

    def _check_X_y(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray, bool]:
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        X, y = validate_data(self, X=X, y=y, reset=True, allow_nd=True, dtype="numeric", ensure_all_finite=False)
        if X.dtype.kind not in "iuf":
            raise ValueError(f"images are integers or floats; X holds {X.dtype}")
        wrong = np.flatnonzero(~np.isfinite(X).reshape(len(X), -1).all(axis=1))
        if len(wrong):
            raise ValueError(f"X holds NaN or infinity in {len(wrong)} of {len(X)} rows, first in row {wrong[0]}")
        return X, y, binarize_y

    def _fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        wanted = {label: int(count) for label, count in self.sampling_strategy_.items() if count}
        for label in wanted:
            there = int((y == label).sum())
            if there < 2:
                raise ValueError(
                    f"class {label} has {there} row, but a new image lies between two; give at least two, or leave the "
                    "class out by sampling_strategy"
                )
        scale = _Scale(X, self.value_range)
        images = _as_images(X, self.image_shape)
        start = self._start(images.shape[1:])
        random_state = check_random_state(self.random_state)
        made, labels, parents, weights = [X], [y], [np.zeros((0, 2), np.int64)], [np.zeros(0)]
        self.flows_ = {}
        for label, count in wanted.items():
            seed = int(random_state.randint(2**31 - 1))
            rows = np.flatnonzero(y == label)
            fitted = self._fitted(start, scale.fractions(images[rows]), scale.step, seed)
            pairs = draw_pairs(rows, count, seed, self.farthest)
            first, second, alpha = (np.array([getattr(pair, name) for pair in pairs]) for name in _PAIR)
            ends = [scale.fractions(images[one]) for one in (first, second)]
            new = _between(fitted, ends[0], ends[1], alpha, self.path)
            made.append(scale.values(new).reshape(count, *X.shape[1:]))
            labels.append(np.full(count, label, y.dtype))
            parents.append(np.stack([first, second], axis=1))
            weights.append(alpha)
            self.flows_[label] = fitted.flow
        self.parents_, self.weights_ = np.concatenate(parents), np.concatenate(weights)
        return np.concatenate(made), np.concatenate(labels)

    def _start(self, shape: tuple[int, ...]) -> Glow | None:
        """The flow to start from, which suits images `(height, width, channel)`; None for random weights."""
        flow = self.flow
        if flow is None:
            if not self.training_steps:
                raise ValueError("training_steps is 0, but there is no flow; give one, or train for some 300 steps")
            return None
        if not isinstance(flow, Glow):
            try:
                flow = load_network(flow, "flow")
            except InputError as wrong:
                raise ValueError(str(wrong)) from None
        if flow.condition or flow.image_shape != _padded(shape, flow.levels):
            condition = " and a condition" if flow.condition else ""
            raise ValueError(
                f"the flow is for images of {flow.image_shape}{condition}; X holds images of {tuple(shape)}"
            )
        return flow

    def _fitted(self, start: Glow | None, images: np.ndarray, step: float, seed: int) -> FlowTrainer:
        """A flow fitted to images, fractions in [0, 1], in its trainer."""
        shape = images.shape[1:]
        with _seeded(seed):
            if start:
                flow = Glow.from_config(start.get_config())
                flow.build()
                flow.set_weights(start.get_weights())
            else:
                levels = self.levels or min(max(int(math.log2(min(shape[:2]))) - 1, 1), 4)
                flow = Glow(_padded(shape, levels), levels, self.steps, self.filters, attention_levels=1)
            images = _pad(images, flow.image_shape)
            noise = np.random.default_rng(seed)
            if not start:
                flow.adapt([_spread(images[:ADAPTED], step, noise)])
            trainer = FlowTrainer(flow)
            steps = self.training_steps
            if steps:
                rate = self.learning_rate
                schedule = WarmUpThenDecay(rate, steps, min(50, steps // 4), end=rate / 10)
                trainer.compile(FusedAdam(schedule, global_clipnorm=1.0))
                batches = _batches(images, self.batch_size, step, noise)
                trainer.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)
        some = images[:2].astype(np.float32)
        with trainer.running():
            error = float(np.max(np.abs(flow.decode(flow.encode(some)) - some)))
        if not error <= ROUND_TRIP_BOUND:
            raise FittingError(
                f"the flow does not invert after {steps} steps: |decode(encode(x)) - x| reaches {error:.3g} of full "
                "scale; lower learning_rate"
            )
        return trainer


_PAIR = ("first", "second", "alpha")


class _Scale:
    """Values of images as fractions in [0, 1], and back; each is the middle of an interval, a float of 1/256.

    Args:
        X: All images.
        value_range: As for `FlowSampler`.

    Attributes:
        step: Width of the interval of a value, as a fraction.

    Raises:
        ValueError: The range is none, or X has values outside it.
    """

    def __init__(self, X: np.ndarray, value_range: tuple[float, float] | str | None):
        self._dtype, self._whole = X.dtype, X.dtype.kind in "iu"
        least, largest = float(X.min()), float(X.max())
        if value_range is None:
            low, high = (0.0, GREY_LEVELS - 1.0) if self._whole else (0.0, 1.0)
            kind = "integers are grey levels from 0 to 255" if self._whole else "floats are fractions in [0, 1)"
        elif isinstance(value_range, str):
            low, high = least, largest + (least == largest)
            kind = ""
        else:
            try:
                low, high = map(float, value_range)
            except (TypeError, ValueError):
                raise ValueError(f"value_range is {value_range!r}; give (low, high), or 'data'") from None
            kind = f"value_range is ({low:g}, {high:g})"
            if not low < high:
                raise ValueError(f"{kind}; the first must be the smaller one")
        if least < low or largest > high:
            raise ValueError(
                f"{kind}, but X holds values from {least:g} to {largest:g}; scale them, or give "
                "value_range=(low, high) or value_range='data'"
            )
        self._bounds = low, high
        half = 0.5 if self._whole else (high - low) / (GREY_LEVELS - 1) / 2
        self._low, self._width = low - half, high - low + 2 * half
        self.step = 2 * half / self._width
        # Floats stay below 1, as they were given.
        self._below = value_range is None and not self._whole and largest < 1

    def fractions(self, images: np.ndarray) -> np.ndarray:
        """Values as fractions, float32."""
        return ((images.astype(np.float64) - self._low) / self._width).astype(np.float32)

    def values(self, fractions: np.ndarray) -> np.ndarray:
        """Fractions as values of X's type, in its range."""
        values = fractions.astype(np.float64) * self._width + self._low
        made = np.clip(np.rint(values) if self._whole else values, *self._bounds).astype(self._dtype)
        return np.minimum(made, np.nextafter(self._dtype.type(1), self._dtype.type(0))) if self._below else made


def _as_images(X: np.ndarray, shape: tuple[int, ...] | None) -> np.ndarray:
    """X as `[row, height, width, channel]`."""
    if X.ndim == 2:
        if shape is None:
            raise ValueError(
                f"X has flat rows of {X.shape[1]} values; give image_shape, (height, width) or (height, width, channel)"
            )
        try:
            X = X.reshape(len(X), *shape)
        except (TypeError, ValueError):
            raise ValueError(
                f"image_shape is {tuple(shape)}, but the rows of X have {X.shape[1]} values, which do not make it up"
            ) from None
    if X.ndim not in (3, 4):
        raise ValueError(
            f"images are [row, height, width] or [row, height, width, channel], or flat rows with image_shape "
            f"(height, width) or (height, width, channel); these have the shape {X.shape}"
        )
    return X if X.ndim == 4 else X[..., np.newaxis]


def _padded(shape: tuple[int, ...], levels: int) -> tuple[int, int, int]:
    """The next shape that can be halved so many times."""
    height, width, channels = shape
    unit = 2**levels
    return -(-height // unit) * unit, -(-width // unit) * unit, channels


def _pad(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Images with their last row and column repeated up to a shape."""
    more = [(0, wanted - there) for wanted, there in zip(shape, images.shape[1:], strict=True)]
    return np.pad(images, [(0, 0), *more], mode="edge")


def _spread(images: np.ndarray, step: float, noise: np.random.Generator) -> np.ndarray:
    """Images with each value somewhere in its interval, in [0, 1): a flow cannot model single values."""
    moved = images + (noise.random(images.shape, np.float32) - np.float32(0.5)) * np.float32(step)
    return np.clip(moved, 0, np.float32(1 - 2**-24))


def _batches(images: np.ndarray, size: int, step: float, noise: np.random.Generator) -> Iterator[tuple[np.ndarray]]:
    """Batches of one size without end, each epoch in a new order, as Keras takes them."""
    size = min(size, len(images))
    while True:
        order = noise.permutation(len(images))
        for first in range(0, len(order) - size + 1, size):
            yield (_spread(images[order[first : first + size]], step, noise),)


def _between(trainer: FlowTrainer, first: np.ndarray, second: np.ndarray, weights: np.ndarray, path: str) -> np.ndarray:
    """Images between pairs, fractions `[pair, height, width, channel]` of the pairs' own size."""
    flow = trainer.flow
    height, width, _ = first.shape[1:]
    images = tf.TensorSpec((None, *flow.image_shape))

    @tf.function(input_signature=[images, images, tf.TensorSpec((None,))], autograph=False)
    def interpolated(first: tf.Tensor, second: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        with trainer.running():
            return flow.interpolate(first, second, weights, path)

    parts = []
    for start in range(0, len(first), AT_ONCE):
        some = np.s_[start : start + AT_ONCE]
        ends = (_pad(one[some], flow.image_shape) for one in (first, second))
        parts.append(np.asarray(interpolated(*ends, weights[some].astype(np.float32))))
    made = np.concatenate(parts)[:, :height, :width]
    if not np.isfinite(made).all():
        raise FittingError("the flow's images are not finite; lower learning_rate")
    return made


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random weights follow a seed; afterwards what the caller draws follows the caller's own seed again."""
    after = random.randrange(2**32)
    kept = random.getstate(), np.random.get_state()
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        keras.utils.set_random_seed(after)
        random.setstate(kept[0])
        np.random.set_state(kept[1])
