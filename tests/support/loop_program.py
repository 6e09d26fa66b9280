"""A run's own loop on the devices of TF_CONFIG, or on one: `python loop_program.py RECIPE SURVEY OUT`.

Each process writes the weights that it ends with, its counter of steps, and what its callback was told.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np

from glowseis.fitting.devices.cluster import from_tf_config
from glowseis.fitting.devices.devices import devices_of
from glowseis.fitting.flow.run import FlowRun
from glowseis.fitting.flow.selection import select
from glowseis.fitting.stopping import Stopping
from glowseis.recipe import read_recipe
from glowseis.run.flow import fitting_of
from glowseis.survey.store.survey import open_survey


class Telling(keras.callbacks.Callback):
    """Keeps what it is told at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.epochs: list[dict[str, float]] = []

    def on_epoch_end(self, epoch, logs=None):
        """One more."""
        self.epochs.append({"epoch": epoch, **logs})


CHANGES = ["training.batch=4", "training.keep=last", "flow.levels=1", "flow.steps=1", "flow.attention_levels=0"]


def train(path: Path, survey_path: Path, out: Path) -> None:
    """Train to the end."""
    recipe, survey = read_recipe(path, CHANGES), open_survey(survey_path)
    devices, telling = devices_of(from_tf_config()), Telling()
    with Stopping() as stopping:
        fitting = fitting_of(recipe, survey, select(survey, recipe), devices)
        run = FlowRun(fitting, out / "run", stopping)
        # As if another processor had drawn other weights.
        for weight in fitting.trainer.flow.trainable_weights:
            weight.assign(weight + 0.01 * devices.worker)
        run.run([telling])
    told = {"step": run.checkpoints.step, "epochs": telling.epochs}
    (out / f"worker-{devices.worker}.json").write_text(json.dumps(told))
    np.savez(
        out / f"worker-{devices.worker}.npz",
        **{str(number): weight.numpy() for number, weight in enumerate(fitting.trainer.flow.weights)},
    )


if __name__ == "__main__":
    train(*map(Path, sys.argv[1:]))
