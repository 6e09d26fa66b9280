"""What a run shows while it runs: TensorBoard and a progress bar."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from glowseis.fitting.trainer import FlowTrainer
from glowseis.models.glow import between, from_levels, to_levels

SHOWN = 3
"""Gathers in a row of pictures."""

GAP = 4
"""White columns between them."""

SAMPLE_TEMPERATURE = 0.7


class RunLog:
    """Scalars and pictures for TensorBoard, and a progress bar; where there is no terminal, a line an epoch.

    Args:
        folder: Where the event files go.
        steps: Steps of the whole run.
        done: Steps that an earlier process did.
    """

    def __init__(self, folder: Path, steps: int, done: int):
        self._writer = tf.summary.create_file_writer(str(folder))
        self._steps = steps
        self._bar = tqdm(total=steps, initial=done, unit="step", desc="training", dynamic_ncols=True, disable=None)
        self._shown: dict[str, str] = {}

    def step(self, step: int, bits: float, gradient_norm: float, learning_rate: float) -> None:
        """Log one optimiser step, counted from 1."""
        with self._writer.as_default(step):
            tf.summary.scalar("bits_per_dimension/training", bits)
            tf.summary.scalar("gradient_norm", gradient_norm)
            tf.summary.scalar("learning_rate", learning_rate)
        self._shown["bits"] = f"{bits:.3f}"
        self._bar.set_postfix(self._shown, refresh=False)
        self._bar.update(1)

    def evaluation(self, step: int, held_out_bits: float | None, round_trip_error: float, best: bool) -> None:
        """Log what was measured at an epoch's end."""
        with self._writer.as_default(step):
            tf.summary.scalar("round_trip_error", round_trip_error)
            if held_out_bits is not None:
                tf.summary.scalar("bits_per_dimension/held_out", held_out_bits)
                self._shown["held_out"] = f"{held_out_bits:.3f}" + ("*" if best else "")
        if self._bar.disable:
            # Not a terminal, such as a batch system's log: a line an epoch instead of a bar.
            print(
                f"step {step} of {self._steps}:",
                *(f"{name} {value}" for name, value in self._shown.items()),
                flush=True,
            )
        self._bar.set_postfix(self._shown)

    def pictures(self, step: int, rows: dict[str, np.ndarray]) -> None:
        """Log rows of pictures, uint8 `[gather, time, trace, 1]` each; a row is shown side by side."""
        with self._writer.as_default(step):
            for name, images in rows.items():
                apart = np.pad(images, ((0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=255)
                tf.summary.image(f"gathers/{name}", np.concatenate(list(apart), axis=1)[np.newaxis])

    def close(self) -> None:
        """Flush everything."""
        self._writer.close()
        self._bar.close()


class Pictures:
    """Real, reconstructed, interpolated and sampled gathers, side by side.

    Args:
        trainer: Whose flow makes them.
        images: Real pictures, uint8 `[gather, time, trace]`, at least two.
    """

    def __init__(self, trainer: FlowTrainer, images: np.ndarray):
        flow = trainer.flow
        self._images = images[:SHOWN, ..., np.newaxis]
        real = from_levels(self._images)

        @tf.function
        def make(noise):
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
        """Pictures by name, uint8 `[gather, time, trace, 1]` each."""
        names = ("reconstructed", "interpolated", "sampled")
        made = zip(names, self._make(self._noise), strict=True)
        return {"real": self._images} | {name: np.asarray(to_levels(images)) for name, images in made}
