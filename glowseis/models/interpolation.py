"""Paths between two images' latents."""

from collections.abc import Sequence

from keras import ops

from glowseis.layers.invertible import sum_per_item
from glowseis.layers.types import Tensor

DEFAULT_PATH = "spherical"
"""The default path between latents (see `between`)."""


def between(first: Sequence[Tensor], second: Sequence[Tensor], alpha: Tensor, path: str = DEFAULT_PATH) -> list[Tensor]:
    """Latents on a path from one image's to another's.

    linear: `(1 - alpha) first + alpha second`. Half-way between two independent images, whose latents have about unit
    variance, it is 0.7 times as long as its ends, as if sampled at that temperature.
    spherical: `(sin((1 - alpha) angle) first + sin(alpha angle) second) / sin(angle)`, the angle being that between all
    latents of the two images. It keeps the length.

    Args:
        first: One tensor per level, `[batch, time, trace, channel]` each; the result at alpha 0.
        second: As many; the result at alpha 1.
        alpha: Weights of the second, `[batch]`.
        path: `spherical` or `linear`.

    Raises:
        ValueError: Another path.

    Source: White (2016), "Sampling generative networks", for the spherical path.
    """
    alpha = ops.cast(alpha, first[0].dtype)
    if path == "linear":
        weights = 1 - alpha, alpha
    elif path == "spherical":
        product, one, other = (
            sum(sum_per_item(a * b) for a, b in zip(left, right, strict=True))
            for left, right in ((first, second), (first, first), (second, second))
        )
        # Kept below 1, so that an image and itself are joined by a line.
        angle = ops.arccos(ops.clip(product / ops.sqrt(one * other), -1 + 1e-6, 1 - 1e-6))
        weights = ops.sin((1 - alpha) * angle) / ops.sin(angle), ops.sin(alpha * angle) / ops.sin(angle)
    else:
        raise ValueError(f"A path between latents is 'linear' or 'spherical'; it received {path!r}.")
    weight, other_weight = (ops.reshape(value, (-1, 1, 1, 1)) for value in weights)
    return [weight * one + other_weight * other for one, other in zip(first, second, strict=True)]
