"""Small changes of an image, for classes of few gathers.

They keep amplitudes, frequencies, slopes and noise, but a mirror image comes in at a border, times and offsets move a
little, and every event may change its sign: such a gather was not recorded, it only looks like one that was.
"""

from collections.abc import Callable

import tensorflow as tf

SHIFTED_BY = 8
"""Largest shift, in samples or traces: as much as events move between neighbouring shots."""


def _shift(image: tf.Tensor, valid: tf.Tensor, key: tf.Tensor, axis: int) -> tf.Tensor:
    """Move the valid region along an axis; its mirror image comes in at the border, and padding stays."""
    shift = tf.random.stateless_uniform([], key, -SHIFTED_BY, SHIFTED_BY + 1, tf.int64, alg="philox")
    last = valid[axis] - 1
    positions = tf.range(image.shape[axis], dtype=tf.int64)
    moved = last - tf.abs(last - tf.abs(positions - shift))
    return tf.gather(image, tf.where(positions <= last, tf.clip_by_value(moved, 0, last), positions), axis=axis)


def _polarity(image: tf.Tensor, valid: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Reverse the polarity of half of the gathers about mid-grey, which keeps zero and padding; level 0 becomes 255."""
    del valid
    turned = tf.cast(tf.minimum(256 - tf.cast(image, tf.int32), 255), tf.uint8)
    return tf.where(tf.random.stateless_uniform([], key, 0, 2, tf.int32, alg="philox") == 1, turned, image)


AUGMENTATIONS: dict[str, Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "shift_time": lambda image, valid, key: _shift(image, valid, key, 0),
    "shift_trace": lambda image, valid, key: _shift(image, valid, key, 1),
    "polarity": _polarity,
}
"""Augmentations by name: (image uint8 `[time, trace]`, valid samples and traces int64 `[2]`, seed int64
`[2]`) -> image. They are applied in this order."""
