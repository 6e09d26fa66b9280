"""What must hold for every map of a flow: it inverts, its log-det is the Jacobian's, every weight gets a gradient."""

import math
from collections.abc import Sequence

import keras
import numpy as np

from glowseis.layers.types import Mapped, Tensor


def check_invertible(
    layer: keras.layers.Layer,
    x: Mapped,
    tolerance: float = 1e-6,
    *,
    jacobian: bool = True,
    perturbation: float = 0.1,
    seed: int = 0,
    without_gradient: Sequence[str] = (),
) -> None:
    """Check that a map inverts, that its log-det is the Jacobian's, and that every weight gets a gradient.

    >>> import glowseis, numpy as np
    >>> from glowseis.layers import InvertibleConv1x1
    >>> x = np.random.default_rng(1).random((1, 2, 2, 4))
    >>> glowseis.check_invertible(InvertibleConv1x1(dtype="float64"), x)

    It needs Keras' TensorFlow backend, for gradients.

    The weights are perturbed first: a zero-initialised flow is the identity, which passes every check.

    Args:
        layer: A map that follows the contract of `glowseis.layers.InvertibleLayer`.
        x: Input, `[batch, ...]`, or a tuple of such, in the layer's precision.
        tolerance: Largest error accepted, relative to values of order one.
        jacobian: Whether to compare with the autodiff Jacobian, whose size is that of one item squared. Use it with
            float64.
        perturbation: Standard deviation of the noise that is added to every trainable weight.
        seed: Seed of that noise.
        without_gradient: Ends of the paths of weights that the result does not depend on, such as attention's
            `key/bias`: softmax ignores a constant added to all scores of a query.

    Raises:
        ValueError: Keras runs on another backend.
        AssertionError: One of the properties fails; the message says which and by how much.
    """
    if keras.backend.backend() != "tensorflow":
        found = keras.backend.backend()
        raise ValueError(
            f"check_invertible needs Keras' TensorFlow backend, not {found!r}; set KERAS_BACKEND=tensorflow"
        )
    import tensorflow as tf

    layer(x)
    perturb(layer, perturbation, seed)
    with tf.GradientTape() as tape:
        y, log_det = layer(x)
        objective = sum(tf.reduce_sum(tf.sin(part)) for part in _parts(y)) + tf.reduce_sum(log_det)
    gradients = tape.gradient(objective, [weight.value for weight in layer.trainable_weights])
    sizes = {}
    for weight, gradient in zip(layer.trainable_weights, gradients, strict=True):
        _require(gradient is not None, f"{weight.path} gets no gradient")
        sizes[weight.path] = float(np.max(np.abs(gradient)))
        _require(np.isfinite(sizes[weight.path]), f"the gradient of {weight.path} is not finite")
    for path, size in sizes.items():
        # Rounding leaves noise where a gradient is zero.
        zero = size <= 1e-9 * max(sizes.values())
        _require(not zero or path.endswith(tuple(without_gradient)), f"the gradient of {path} is zero")

    batch = _parts(x)[0].shape[0]
    _require(tuple(log_det.shape) == (batch,), f"log_det has shape {tuple(log_det.shape)}, not ({batch},)")
    precision = keras.backend.standardize_dtype(log_det.dtype)
    _require(precision in ("float32", "float64"), f"log_det is {precision}, not float32 or wider")
    back, log_det_back = layer(y, inverse=True)
    for one, other in zip(_parts(x), _parts(back), strict=True):
        _close(other, one, tolerance, "the inverse does not return the input")
    _close(log_det_back, -np.asarray(log_det), tolerance, "the log-dets of both directions do not sum to zero")
    if jacobian:
        for direction, start, log_dets in ((False, x, log_det), (True, y, log_det_back)):
            expected = _log_det_by_autodiff(layer, start, direction)
            name = "inverse" if direction else "forward"
            _close(log_dets, expected, tolerance, f"the {name} log-det is not the Jacobian's")


def perturb(layer: keras.layers.Layer, perturbation: float = 0.1, seed: int = 0) -> None:
    """Add normal noise of standard deviation `perturbation` to every trainable weight of a layer or model."""
    random = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        weight.assign_add(keras.ops.cast(perturbation * random.standard_normal(weight.shape), weight.dtype))


def _log_det_by_autodiff(layer: keras.layers.Layer, x: Mapped, inverse: bool) -> np.ndarray:
    """Log of the absolute determinant of the Jacobian of each item, `[batch]`."""
    import tensorflow as tf

    log_dets = []
    for item in range(_parts(x)[0].shape[0]):
        size = sum(math.prod(part.shape[1:]) for part in _parts(x))
        # As many copies of the item as it has values: each copy gives one row, and one gradient gives all.
        copies = [tf.repeat(tf.convert_to_tensor(part[item : item + 1]), size, axis=0) for part in _parts(x)]
        with tf.GradientTape() as tape:
            tape.watch(copies)
            y, _ = layer(tuple(copies) if isinstance(x, (tuple, list)) else copies[0], inverse=inverse)
            flat = tf.concat([tf.reshape(part, (size, -1)) for part in _parts(y)], axis=1)
            _require(flat.shape[1] == size, f"an item of {size} values is mapped to {flat.shape[1]}")
            each = tf.linalg.trace(flat)
        rows = tape.gradient(each, copies, unconnected_gradients="zero")
        log_dets.append(np.linalg.slogdet(np.concatenate([tf.reshape(one, (size, -1)) for one in rows], axis=1))[1])
    return np.array(log_dets)


def _parts(x: Mapped) -> list[Tensor]:
    return list(x) if isinstance(x, (tuple, list)) else [x]


def _close(actual: Tensor, expected: Tensor, tolerance: float, message: str) -> None:
    actual, expected = np.asarray(actual), np.asarray(expected)
    error = np.max(np.abs(actual - expected) / np.maximum(1.0, np.abs(expected)))
    _require(error <= tolerance, f"{message}: off by {error:.3g}, more than {tolerance:.3g}")


def _require(condition: bool | np.bool_, message: str) -> None:
    if not condition:
        raise AssertionError(message)
