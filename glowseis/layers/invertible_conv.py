"""The invertible 1x1 convolution, which mixes the channels."""

from collections.abc import Callable

import keras
from keras import ops

from glowseis.layers.invertible import InvertibleLayer
from glowseis.layers.types import Shape, Tensor


@keras.saving.register_keras_serializable("glowseis")
class InvertibleConv1x1(InvertibleLayer):
    """Multiply the channels of every position by one invertible matrix.

    forward: `y = x W`, with `W = P L (U + diag(sign * exp(log_diagonal)))`
    log-det: `time * trace * sum(log_diagonal)`
    inverse: `x = y W^-1`, by two triangular solves
    log-det: `-time * trace * sum(log_diagonal)`

    P is a fixed permutation, L unit lower triangular, U strictly upper triangular. W starts as a random rotation, so
    the log-det starts at zero. In this form the log-det is a sum. It needs no determinant, whose gradient fails on
    singular matrices and for which XLA has no kernel.

    Shapes:
        x, y: `[batch, time, trace, channel]`; log_det: `[batch]`.

    Source: the paper's section 4.2; Kingma & Dhariwal (2018), "Glow", section 3.2 (the LU form).
    """

    def build(self, input_shape: Shape) -> None:
        """Make the factors of a random rotation."""
        channels = input_shape[-1]
        permutation, factors, sign = _factors_of_rotation(channels, self.variable_dtype)
        # One matrix holds L below, U above and log_diagonal on its diagonal: as many weights as W has.
        self.factors = self.add_weight(name="factors", shape=(channels, channels), initializer=_constant(factors))
        self.permutation = self.add_weight(
            name="permutation", shape=(channels, channels), initializer=_constant(permutation), trainable=False
        )
        self.sign = self.add_weight(name="sign", shape=(channels,), initializer=_constant(sign), trainable=False)

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the channels."""
        return multiply_channels(x, self.matrix()), self._constant_log_det(x, self.log_det_per_position())

    def _inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Unmix the channels."""
        return multiply_channels(y, self.inverse_matrix()), self._constant_log_det(y, -self.log_det_per_position())

    def matrix(self) -> Tensor:
        """W, `[channel, channel]`."""
        return mixing_matrix(self.factors, self.permutation, self.sign)

    def inverse_matrix(self) -> Tensor:
        """W^-1, `[channel, channel]`, by two triangular solves."""
        return unmixing_matrix(self.factors, self.permutation, self.sign)

    def log_det_per_position(self) -> Tensor:
        """Log-det of one position's mixing, a scalar."""
        return log_det_of(self.factors)


def mixing_matrix(factors: Tensor, permutation: Tensor, sign: Tensor) -> Tensor:
    """W, `[..., channel, channel]`, of one convolution's weights, or of those of many along leading axes."""
    lower, upper = _triangles(factors, sign)
    return ops.matmul(permutation, ops.matmul(lower, upper))


def unmixing_matrix(factors: Tensor, permutation: Tensor, sign: Tensor) -> Tensor:
    """W^-1, `[..., channel, channel]`, of one convolution's weights, or of those of many along leading axes."""
    lower, upper = _triangles(factors, sign)
    permuted = ops.solve_triangular(lower, ops.swapaxes(permutation, -2, -1), lower=True)
    return ops.solve_triangular(upper, permuted)


def log_det_of(factors: Tensor) -> Tensor:
    """Log-det of one position's mixing, `[...]`, from factors `[..., channel, channel]`."""
    return ops.sum(_diagonal(factors), axis=-1)


def _triangles(factors: Tensor, sign: Tensor) -> tuple[Tensor, Tensor]:
    unit = ops.eye(factors.shape[-1], dtype=factors.dtype)
    lower = ops.tril(factors, -1) + unit
    upper = ops.triu(factors, 1) + unit * (sign * ops.exp(_diagonal(factors)))[..., None]
    return lower, upper


def _diagonal(factors: Tensor) -> Tensor:
    return ops.diagonal(factors, axis1=-2, axis2=-1)


def multiply_channels(x: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply the channels of every position by a matrix, and add a bias.

    Args:
        x: `[batch, time, trace, channel]`.
        matrix: `[channel, channel]`.
        bias: `[channel]`; none when None.
    """
    # Flattened to one matrix product: a product of rank four with rank two runs as many small ones.
    product = ops.matmul(ops.reshape(x, (-1, matrix.shape[0])), matrix)
    return ops.reshape(product if bias is None else product + bias, ops.shape(x))


def _constant(value: Tensor) -> Callable[..., Tensor]:
    def initializer(shape: Shape, dtype: str | None = None) -> Tensor:
        return ops.cast(ops.reshape(value, shape), dtype)

    return initializer


def _factors_of_rotation(channels: int, dtype: str) -> tuple[Tensor, Tensor, Tensor]:
    """Permutation `[channel, channel]`, packed factors `[channel, channel]` and signs `[channel]` of a rotation."""
    rotation, _ = ops.qr(keras.random.normal((channels, channels), dtype=dtype))
    packed, _ = ops.lu_factor(rotation)
    # The permutation is read off the product, because backends write pivots differently.
    product = ops.matmul(ops.tril(packed, -1) + ops.eye(channels, dtype=dtype), ops.triu(packed))
    permutation = ops.round(ops.matmul(rotation, ops.inv(product)))
    diagonal = ops.diagonal(packed)
    factors = ops.tril(packed, -1) + ops.triu(packed, 1) + ops.diag(ops.log(ops.abs(diagonal)))
    return permutation, factors, ops.sign(diagonal)
