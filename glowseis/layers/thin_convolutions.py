"""The convolutional conditioner of a few channels, computed as matrix products."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

import keras
import numpy as np
from keras import ops

from glowseis.layers.types import Tensor

FEW_CHANNELS = 4
"""Up to this many input channels, matrix products are faster than convolutions (docs/performance.md)."""

POSITIONS_AT_ONCE = 8960
"""Positions in one part: 3.4 MB of hidden activations with 96 channels."""

_in_parts = ContextVar("in_parts", default=False)


@contextmanager
def working_in_parts(yes: bool) -> Iterator[None]:
    """A context in which many positions are, or are not, processed part by part, in whatever is called or traced.

    Parts are faster on a CPU, but not on a GPU or with XLA; without such a context there are no parts.
    """
    before = _in_parts.set(yes)
    try:
        yield
    finally:
        _in_parts.reset(before)


class ThinConvolutions:
    """Convolution, ReLU, 1x1 convolution, ReLU, layer normalisation, convolution: the same numbers, fewer passes.

    The first levels of a flow have many positions and few channels. There, convolutions from and to a few channels
    leave a processor idle, and layer normalisation takes as long as they do. Instead:

    - A 3x3 convolution of c channels gathers each position's `9 c` neighbours, then multiplies by a matrix. A
      convolution to c channels first multiplies by a matrix, into `9 c` columns, then adds each column to its
      neighbour. Both moves are convolutions with a kernel of ones and zeros, or slices where a compiler joins them with
      what is around them (JAX); there a GPU's convolutions would also round what is only moved.
    - Normalisation and the last convolution are one product. With `W` the convolution's matrix, `gamma` and `beta` the
      normalisation's weights and C the centring of a column, `normalised(h) W = h C(gamma W) / deviation(h) + beta W`:
      normalised activations are never written to memory.
    - Within `working_in_parts`, one part of the positions is processed at a time, so that its hidden activations stay
      in a CPU's caches.

    It uses the weights of the given layers, which are the reference for what it computes.

    Args:
        first: The 3x3 convolution, built, of few channels.
        second: The 1x1 convolution, built.
        normalization: The layer normalisation, built.
        last: The 3x3 convolution, built, to few channels.
    """

    def __init__(
        self,
        first: keras.layers.Layer,
        second: keras.layers.Layer,
        normalization: keras.layers.Layer,
        last: keras.layers.Layer,
    ):
        # A tuple, because Keras would track a list.
        self._layers = (first, second, normalization, last)

    def __call__(self, x: Tensor) -> Tensor:
        """`[batch, time, trace, channel] -> [batch, time, trace, channels of last]`."""
        first, second, normalization, last = self._layers
        weights = (_matrix(first.kernel), first.bias, _matrix(second.kernel), second.bias, *self._folded())
        gather, scatter = (_gather_slices, _scatter_slices) if _compiled() else (_gather, _scatter)
        columns = self._by_parts(lambda part: _hidden_columns(part, weights, normalization.epsilon), gather(x))
        y = scatter(columns)
        return y + ops.cast(last.bias, y.dtype)

    def _by_parts(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """`function` of `x`, `[batch, time, trace, width]`, of all of it or of one block of rows after another."""
        _, time, trace, width = x.shape
        rows = next(rows for rows in range(time, 0, -1) if time % rows == 0 and rows * trace <= POSITIONS_AT_ONCE)
        if not _in_parts.get() or rows == time:
            return function(x)
        y = ops.map(function, ops.reshape(x, (-1, rows, trace, width)))
        return ops.reshape(y, (-1, time, trace, y.shape[-1]))

    def _folded(self) -> tuple[Tensor, Tensor]:
        """Matrix and bias of normalisation and last convolution combined, in the normalisation's precision."""
        _, _, normalization, last = self._layers
        gamma, beta = ops.convert_to_tensor(normalization.gamma), ops.convert_to_tensor(normalization.beta)
        matrix = ops.reshape(ops.transpose(last.kernel, (2, 0, 1, 3)), (last.kernel.shape[2], -1))
        matrix = ops.cast(matrix, gamma.dtype)
        scaled = gamma[:, None] * matrix
        return scaled - ops.mean(scaled, axis=0), ops.matmul(beta, matrix)


def _hidden_columns(neighbours: Tensor, weights: tuple[Tensor, ...], epsilon: float) -> Tensor:
    """Columns for the neighbours, `[..., 9 * channel]`, from gathered neighbours of the same shape."""
    first, first_bias, second, second_bias, last, last_bias = weights
    h = _relu(ops.matmul(ops.reshape(neighbours, (-1, first.shape[0])), first) + first_bias)
    h = _relu(ops.matmul(h, second) + second_bias)
    mean, mean_square = ops.split(_moments(h, last.dtype), 2, axis=-1)
    variance = ops.maximum(mean_square - ops.square(mean), 0)
    columns = ops.cast(ops.matmul(h, ops.cast(last, h.dtype)), last.dtype) * ops.rsqrt(variance + epsilon) + last_bias
    return ops.reshape(columns, (*ops.shape(neighbours)[:-1], last.shape[1]))


def _moments(h: Tensor, dtype: str) -> Tensor:
    """Mean and mean square along the last axis, `[..., 2]`, in `dtype`; the gradient stores only `h`, in its dtype."""

    # One result, because Keras' custom gradient on torch allows only one.
    @ops.custom_gradient
    def moments(h: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> Tensor:
            if upstream is None:
                (upstream,) = arguments
            of_mean, of_square = ops.split(upstream * (1 / h.shape[-1]), 2, axis=-1)
            return ops.cast(ops.cast(h, dtype) * (2 * of_square) + of_mean, h.dtype)

        wide = ops.cast(h, dtype)
        both = ops.mean(wide, axis=-1, keepdims=True), ops.mean(ops.square(wide), axis=-1, keepdims=True)
        return ops.concatenate(both, axis=-1), gradient

    return moments(h)


def _relu(x: Tensor) -> Tensor:
    """ReLU whose gradient stores its result; JAX's own stores its argument's signs too."""
    if not _compiled():
        return ops.relu(x)

    @ops.custom_gradient
    def relu(x: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
        y = ops.relu(x)
        return y, lambda upstream: ops.where(y > 0, upstream, 0)

    return relu(x)


def _compiled() -> bool:
    """Whether a compiler joins small operations into passes."""
    return bool(keras.backend.backend() == "jax")


def _gather(x: Tensor) -> Tensor:
    """Every position's 3 x 3 neighbours side by side, `[batch, time, trace, c] -> [batch, time, trace, 9 * c]`."""
    return ops.conv(x, ops.cast(_to_neighbours(x.shape[-1]), x.dtype), padding="same")


def _scatter(columns: Tensor) -> Tensor:
    """The sum of what every position has for its neighbours, `[..., 9 * c] -> [..., c]`."""
    kernel = np.transpose(_to_neighbours(columns.shape[-1] // 9), (0, 1, 3, 2))
    return ops.conv(columns, ops.cast(kernel, columns.dtype), padding="same")


def _gather_slices(x: Tensor) -> Tensor:
    return ops.concatenate(_moved(x), axis=-1)


def _scatter_slices(columns: Tensor) -> Tensor:
    width = columns.shape[-1] // 9
    return sum(moved[..., index * width : (index + 1) * width] for index, moved in enumerate(_moved(columns)))


def _moved(x: Tensor) -> list[Tensor]:
    """`x[batch, time + i, trace + j, c]` for i and j from -1 to 1, with zeros beyond the edges."""
    _, time, trace, _ = x.shape
    padded = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [padded[:, i : i + time, j : j + trace] for i in range(3) for j in range(3)]


def _matrix(kernel: Tensor) -> Tensor:
    return ops.reshape(kernel, (-1, kernel.shape[-1]))


@cache
def _to_neighbours(channels: int) -> np.ndarray:
    """Kernel `[3, 3, channel, 9 * channel]` that lays a position's neighbourhood side by side."""
    return np.eye(9 * channels).reshape(3, 3, channels, 9 * channels)
