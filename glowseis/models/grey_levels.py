"""Grey levels of 8-bit images, and the fractions in [0, 1) that a flow models.

A flow models grey level k as the interval [k, k + 1) / 256.
"""

import numpy as np
from keras import ops

from glowseis.layers.types import Tensor

GREY_LEVELS = 256
"""How many there are."""


def to_levels(x: Tensor) -> Tensor:
    """Grey levels, a uint8 tensor, of images in [0, 1): `floor(256 x)`, clipped. Any shape."""
    return ops.cast(ops.clip(ops.floor(ops.convert_to_tensor(x) * GREY_LEVELS), 0, GREY_LEVELS - 1), "uint8")


def from_levels(image: Tensor) -> Tensor:
    """Centres `(k + 0.5) / 256`, a float32 tensor, of grey levels. Any shape."""
    return (ops.cast(image, "float32") + 0.5) / GREY_LEVELS


def dequantise(levels: np.ndarray, seed: int | None = None) -> np.ndarray:
    """Spread grey levels over their intervals, which a flow needs for training: `(k + u) / 256`, u uniform in [0, 1).

    Trained on the levels themselves, a flow piles up density on 256 values and learns nothing else. u has 16 bits,
    which with the level's 8 make the 24 that float32 holds: `to_levels` gives every level back.

    ```
    trainer.fit(dequantise(levels, seed=1), batch_size=8, epochs=10)
    ```

    Args:
        levels: Grey levels, uint8 `[gather, time, trace]`, or with channels `[gather, time, trace, channel]`.
        seed: Seed of u; random when None.

    Returns:
        Images in [0, 1), float32 `[gather, time, trace, channel]`.

    Raises:
        ValueError: The array has another dtype or shape.

    Source: the paper's section 3; Theis et al. (2016), "A note on the evaluation of generative models".
    """
    levels = np.asarray(levels)
    if levels.dtype != np.uint8 or levels.ndim not in (3, 4):
        raise ValueError(
            f"dequantise takes grey levels, uint8 [gather, time, trace] or [gather, time, trace, channel]; it received "
            f"{levels.dtype} of shape {levels.shape}"
        )
    fine = np.random.default_rng(seed).integers(0, 2**16, levels.shape, np.uint16)
    images = (levels.astype(np.float32) * 2**16 + fine) * np.float32(2**-24)
    return images if images.ndim == 4 else images[..., np.newaxis]
