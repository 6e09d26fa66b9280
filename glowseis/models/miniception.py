"""Miniception, the classifier of shot gathers: a small network of Inception blocks with squeeze-and-excite."""

from typing import Any

import keras
from keras import ops

from glowseis.layers.types import Shape, Tensor

BLOCKS = 4

JOINED = 8
"""Up to this many filters, a block's 3x3 and 5x5 convolutions are computed as one."""


@keras.saving.register_keras_serializable("glowseis")
class MiniceptionBlock(keras.layers.Layer):
    """One block: two paths of convolutions that are added, without an activation after the sum.

    Main path: 3x3 and 5x5 convolutions side by side, concatenated, then a 3x3 convolution. Auxiliary path: a 1x1
    convolution whose channels are weighed by squeeze-and-excite. All convolutions have stride 1, SAME padding and ReLU.

    Args:
        filters: Channels of each of the two convolutions side by side; the block returns twice as many.

    Shapes:
        `[batch, time, trace, channel]` -> `[batch, time, trace, 2 filters]`
    """

    def __init__(self, filters: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters = filters
        wide, dtype = 2 * filters, self.dtype_policy
        self.narrow = _convolution(filters, 3, "narrow", dtype)
        self.broad = _convolution(filters, 5, "broad", dtype)
        self.merge = _convolution(wide, 3, "merge", dtype)
        self.shortcut = _convolution(wide, 1, "shortcut", dtype)
        self.squeeze = keras.layers.Dense(filters, activation="relu", name="squeeze", dtype=dtype)
        self.excite = keras.layers.Dense(wide, activation="sigmoid", name="excite", dtype=dtype)

    def build(self, input_shape: Shape) -> None:
        """Make the weights for inputs of this many channels."""
        front, wide = tuple(input_shape[:-1]), 2 * self.filters
        for layer in (self.narrow, self.broad, self.shortcut):
            layer.build(input_shape)
        self.merge.build((*front, wide))
        self.squeeze.build((input_shape[0], wide))
        self.excite.build((input_shape[0], self.filters))
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        """The block's features."""
        main = self.merge(self._side_by_side(x))
        auxiliary = self.shortcut(x)
        scale = self.excite(self.squeeze(ops.mean(auxiliary, axis=(1, 2))))
        return main + auxiliary * scale[:, None, None, :]

    def _side_by_side(self, x: Tensor) -> Tensor:
        """The results of the 3x3 and the 5x5 convolution, concatenated."""
        if self.filters > JOINED:
            return ops.concatenate([self.narrow(x), self.broad(x)], axis=-1)
        # So few channels leave most of a processor's lanes idle: compute both as one 5x5, the 3x3 padded with zeros.
        framed = ops.pad(self.narrow.kernel, ((1, 1), (1, 1), (0, 0), (0, 0)))
        kernel = ops.concatenate([framed, self.broad.kernel], axis=-1)
        bias = ops.concatenate([self.narrow.bias, self.broad.bias])
        return ops.relu(ops.conv(x, kernel, padding="same") + bias)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Twice `filters` channels, the same time and traces."""
        return (*input_shape[:-1], 2 * self.filters)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "filters": self.filters}


def _convolution(filters: int, size: int, name: str, dtype: keras.DTypePolicy) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(filters, size, padding="same", activation="relu", name=name, dtype=dtype)


@keras.saving.register_keras_serializable("glowseis")
class OrdinalHead(keras.layers.Layer):
    """One score compared with rising thresholds: a gather's class is the interval that its score falls in.

    P(class <= k) = sigmoid(threshold_k - score) / sigmoid(threshold_last - score), with
    threshold_k = threshold_1 + the sum of softplus(step_2) to softplus(step_k).

    Args:
        classes: Number of classes, in order of severity.

    Shapes:
        `[batch, feature]` -> logarithms of probabilities `[batch, classes]`
    """

    def __init__(self, classes: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.classes = classes
        self.score = keras.layers.Dense(1, name="score", dtype=self.dtype_policy)

    def build(self, input_shape: Shape) -> None:
        """Make the score's weights and the thresholds."""
        self.score.build(input_shape)
        start = [1.0 - self.classes / 2] + [0.5413] * (self.classes - 1)  # softplus(0.5413) = 1
        self.steps = self.add_weight(
            shape=(self.classes,),
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(start, dtype),
            name="steps",
        )
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        """Logarithms of the classes' probabilities."""
        thresholds = ops.cumsum(ops.concatenate([self.steps[:1], ops.softplus(self.steps[1:])]))
        below = ops.log_sigmoid(thresholds - self.score(x))
        # log(sigmoid(b) - sigmoid(a)), without the difference of two numbers near 1.
        gap = ops.log1p(-ops.exp(below[:, :-1] - below[:, 1:]) * (1.0 - 1e-6))
        return ops.concatenate([below[:, :1], below[:, 1:] + gap], axis=-1) - below[:, -1:]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "classes": self.classes}


@keras.saving.register_keras_serializable("glowseis")
class Miniception(keras.Model):
    """Grades a gather: probabilities of classes in order of severity, the mildest first.

    >>> import glowseis, numpy as np
    >>> classifier = glowseis.Miniception(classes=3, alpha=1)
    >>> probabilities = classifier(np.zeros((2, 32, 32, 1), np.float32))
    >>> tuple(probabilities.shape), bool(np.allclose(np.sum(probabilities, axis=1), 1))
    ((2, 3), True)

    Four blocks of rising width, a 5x5 max-pooling of stride 2 after each, then global average pooling, a dense layer
    and the head. No batch normalisation and no dropout; Glorot initialisation. Images may have any size.

    Args:
        classes: Number of classes.
        alpha: Width of the network; its authors' default is 4.
        head: `softmax`, one logit per class; or `ordinal`, one score and rising trainable thresholds.
        companded: Whether the first block sees the square root of the absolute amplitude, with its sign: noise of one
            grey level is then 0.09 beside events of 1, not 0.008. Ours; the network's authors feed amplitudes as is.

    Shapes:
        `[batch, time, trace, 1]` in [-1, 1] -> probabilities `[batch, classes]`

    Source: the classifier of the paper's section 5.3; widths and head as its authors published them.
    """

    def __init__(self, classes: int = 3, alpha: int = 4, head: str = "softmax", companded: bool = False, **kwargs: Any):
        # float32 whatever the global policy: a lower precision gains nothing here, and results repeat bit for bit.
        super().__init__(**{"dtype": "float32", **kwargs})
        if classes < 2 or alpha < 1 or head not in ("softmax", "ordinal"):
            raise ValueError(
                f"classes={classes}, alpha={alpha}, head={head!r}: give at least 2 classes, an alpha of at least 1, "
                "and softmax or ordinal"
            )
        self.classes, self.alpha, self.head, self.companded = classes, alpha, head, companded
        dtype = self.dtype_policy
        self.blocks = [
            MiniceptionBlock(2**number * alpha, name=f"block_{number}", dtype=dtype) for number in range(BLOCKS)
        ]
        self.pool = keras.layers.MaxPooling2D(5, 2, padding="same", dtype=dtype)
        self.hidden = keras.layers.Dense(32 * alpha, activation="relu", name="hidden", dtype=dtype)
        if head == "softmax":
            self.output_head = keras.layers.Dense(classes, name="logits", dtype=dtype)
        else:
            self.output_head = OrdinalHead(classes, name="ordinal", dtype=dtype)

    def build(self, input_shape: Shape = (None, None, None, 1)) -> None:
        """Make the weights; they do not depend on the size of the images."""
        shape = (None, None, None, 1)
        for block in self.blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        self.hidden.build((None, shape[-1]))
        self.output_head.build((None, 32 * self.alpha))
        self.built = True

    def features(self, x: Tensor) -> Tensor:
        """The head's input: the activations of the dense layer, `[batch, 32 alpha]`.

        Raises:
            ValueError: `x` holds integers, or is not a batch of images with one channel.
        """
        _check_images(x)
        if self.companded:
            x = ops.sign(x) * ops.sqrt(ops.abs(x))
        for block in self.blocks:
            x = self.pool(block(x))
        return self.hidden(ops.mean(x, axis=(1, 2)))

    def logits(self, x: Tensor) -> Tensor:
        """Logarithms of the classes' probabilities up to a constant, `[batch, classes]`."""
        return self.output_head(self.features(x))

    def call(self, x: Tensor) -> Tensor:
        """Probabilities of the classes, `[batch, classes]`."""
        return ops.softmax(self.logits(x))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        settings = {"classes": self.classes, "alpha": self.alpha, "head": self.head, "companded": self.companded}
        return {**super().get_config(), **settings}


def _check_images(x: Tensor) -> None:
    dtype = keras.backend.standardize_dtype(x.dtype)
    if "int" in dtype or len(x.shape) != 4 or x.shape[-1] != 1:
        raise ValueError(
            f"Miniception takes images in [-1, 1], [batch, time, trace, 1]; it received {dtype} of shape "
            f"{tuple(x.shape)}. Make them from grey levels with glowseis.models.miniception.from_grey_levels."
        )


def from_grey_levels(levels: Tensor) -> Tensor:
    """Scale grey levels for Miniception: (level - 128) / 128, so that zero amplitude is 0.

    Args:
        levels: uint8 `[batch, time, trace]` or `[batch, time, trace, 1]`.

    Returns:
        float32 in [-1, 1), `[batch, time, trace, 1]`.
    """
    x = (ops.cast(levels, "float32") - 128.0) / 128.0
    return x if len(x.shape) == 4 else ops.expand_dims(x, -1)
