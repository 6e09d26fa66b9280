"""What a run shows while it runs: TensorBoard and a progress bar."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from glowseis.survey.content.gather_plot import pixels_of_row


class RunLog:
    """Scalars and pictures for TensorBoard, and a progress bar; without a terminal, one line per epoch.

    Args:
        folder: Where the event files go.
        steps: Steps of the whole run.
        done: Steps that an earlier process did.
        silent: Whether nothing is written or shown, as in all processes but the chief.
    """

    def __init__(self, folder: Path, steps: int, done: int, *, silent: bool = False):
        self._writer = tf.summary.create_noop_writer() if silent else tf.summary.create_file_writer(str(folder))
        self._steps = steps
        self._silent = silent
        # None: where there is a terminal.
        disable = True if silent else None
        self._bar = tqdm(total=steps, initial=done, unit="step", desc="training", dynamic_ncols=True, disable=disable)
        self._shown: dict[str, str] = {}

    def step(self, step: int, scalars: dict[str, float], shown: dict[str, str]) -> None:
        """Log one optimiser step, counted from 1.

        Args:
            step: Its number.
            scalars: Values for TensorBoard by tag.
            shown: Values to add to those in the progress bar.
        """
        self._scalars(step, scalars)
        self._shown |= shown
        self._bar.set_postfix(self._shown, refresh=False)
        self._bar.update(1)

    def evaluation(self, step: int, scalars: dict[str, float], shown: dict[str, str]) -> None:
        """Log the measurements at an epoch's end; the arguments are those of `step`."""
        self._scalars(step, scalars)
        self._shown |= shown
        if self._bar.disable and not self._silent:
            # Not a terminal, for example a batch system's log: one line per epoch instead of a bar.
            print(
                f"step {step} of {self._steps}:",
                *(f"{name} {value}" for name, value in self._shown.items()),
                flush=True,
            )
        self._bar.set_postfix(self._shown)

    def picture(self, step: int, name: str, image: np.ndarray) -> None:
        """Log a picture, uint8 `[height, width, channel]`."""
        with self._writer.as_default(step):
            tf.summary.image(name, image[np.newaxis])

    def pictures(self, step: int, rows: dict[str, np.ndarray]) -> None:
        """Log rows of gathers, uint8 `[gather, time, trace, 1]` each, as pictures side by side."""
        with self._writer.as_default(step):
            for name, images in rows.items():
                tf.summary.image(f"gathers/{name}", pixels_of_row(list(images[..., 0]))[np.newaxis])

    def _scalars(self, step: int, scalars: dict[str, float]) -> None:
        with self._writer.as_default(step):
            for tag, value in scalars.items():
                tf.summary.scalar(tag, value)

    def close(self) -> None:
        """Flush everything."""
        self._writer.close()
        self._bar.close()
