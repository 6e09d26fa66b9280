"""Pictures of what a flow makes of gathers while it is trained."""

import numpy as np
import tensorflow as tf

from glowseis.fitting.flow.trainer import FlowTrainer
from glowseis.models.grey_levels import from_levels, to_levels
from glowseis.models.interpolation import between

SHOWN = 3
"""Gathers in a row of pictures."""

SAMPLE_TEMPERATURE = 0.7


class Pictures:
    """Real, reconstructed, interpolated and sampled gathers, side by side.

    Args:
        trainer: The trainer whose flow makes them.
        images: Real gathers, uint8 `[gather, time, trace]`, at least two.
    """

    def __init__(self, trainer: FlowTrainer, images: np.ndarray):
        self._trainer, self._images = trainer, images[:SHOWN, ..., np.newaxis]
        # Traced once each, whatever is decoded.
        self._encode, self._decode = (
            tf.function(way, autograph=False) for way in (trainer.flow.encode, trainer.flow.decode)
        )
        random = np.random.default_rng(0)
        self._noise = tuple(
            tf.constant(SAMPLE_TEMPERATURE * random.standard_normal((len(self._images), *shape)), dtype=tf.float32)
            for shape in trainer.flow.latent_shapes
        )

    def rows(self) -> dict[str, np.ndarray]:
        """Rows of gathers by name, uint8 `[gather, time, trace, 1]` each."""
        with self._trainer.running():
            latents = tuple(self._encode(from_levels(self._images)))
            latents, condition = latents[: len(self._noise)], latents[len(self._noise) :]
            neighbours = [tf.roll(eps, 1, axis=0) for eps in latents]
            half_way = between(latents, neighbours, tf.fill((len(self._images),), 0.5), "spherical")
            made = {"reconstructed": latents, "interpolated": tuple(half_way), "sampled": self._noise}
            made = {name: (*each, *condition) for name, each in made.items()}
            decoded = {name: to_levels(self._decode(each)) for name, each in made.items()}
        return {"real": self._images} | {name: np.asarray(images) for name, images in decoded.items()}
