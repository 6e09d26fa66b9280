"""Pictures of what a flow makes of gathers while it is trained."""

import numpy as np
import tensorflow as tf

from glowseis.fitting.flow.trainer import FlowTrainer
from glowseis.models.glow import between
from glowseis.models.grey_levels import from_levels, to_levels

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
        flow = trainer.flow
        self._images = images[:SHOWN, ..., np.newaxis]
        real = from_levels(self._images)

        @tf.function
        def make(noise: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            with trainer.running():
                latents = flow.encode(real)
                neighbours = [tf.roll(eps, 1, axis=0) for eps in latents]
                half_way = between(latents, neighbours, tf.fill((len(real),), 0.5), "spherical")
                return flow.decode(latents), flow.decode(half_way), flow.decode(noise)

        random = np.random.default_rng(0)
        self._noise = [
            tf.constant(SAMPLE_TEMPERATURE * random.standard_normal((len(real), *shape)), dtype=tf.float32)
            for shape in flow.latent_shapes
        ]
        self._make = make

    def rows(self) -> dict[str, np.ndarray]:
        """Rows of gathers by name, uint8 `[gather, time, trace, 1]` each."""
        names = ("reconstructed", "interpolated", "sampled")
        made = zip(names, self._make(self._noise), strict=True)
        return {"real": self._images} | {name: np.asarray(to_levels(images)) for name, images in made}
