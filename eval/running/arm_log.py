"""Records the training of an arm: its learning curve, and TensorBoard logs to compare arms by."""

import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.hparams import api_pb2, summary
from tqdm import tqdm

from eval.study.names import ARMS
from glowseis.fitting.classifier.fitting import Epoch, Watcher
from glowseis.fitting.stopping import Stopping

SETTINGS = {
    "arm": hparams.HParam("arm", hparams.Discrete(list(ARMS))),
    "kind": hparams.HParam("kind", description="kind of the folds"),
    "fold": hparams.HParam("fold", hparams.IntInterval(0, 99)),
    "augmentations": hparams.HParam("augmentations", description="gathers that the arm added"),
    "seed": hparams.HParam("seed", description="of weights and order"),
}
"""Settings that TensorBoard's table of arms can be sorted and filtered by."""

FIGURES = {
    "test/f1_rare": "F1 of the rare class, test fold",
    "test/f1_mean": "mean F1 of the classes, test fold",
    "test/accuracy": "accuracy, test fold",
    "test/balanced_accuracy": "balanced accuracy, test fold",
    "test/average_precision_rare": "PR-AUC of the rare class, test fold",
    "test/calibration_error": "expected calibration error, test fold",
    "independent/f1_rare": "F1 of the rare class, independent survey",
}
"""The columns of the table: tags of the final scalars, with their titles."""


class ArmLog(Watcher):
    """Logs of an arm in a fold; those of an earlier, unfinished process are removed.

    Use as a context manager.

    Args:
        folder: Folder for the event file.
        settings: Values by the names of `SETTINGS`.
        rare: Number of the rare class.
        stopping: Checked between steps; None never stops.
        bar: Title of the progress bar, which is only shown on a terminal.

    Attributes:
        epochs: Learning curve, as `eval.study.outcome.Outcome.epochs`.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, str | int],
        rare: int,
        stopping: Stopping | None = None,
        bar: str = "training",
    ):
        shutil.rmtree(folder, ignore_errors=True)
        self.epochs: list[dict[str, float]] = []
        self._rare = rare
        self._stopping = stopping
        self._writer = tf.summary.create_file_writer(str(folder))
        self._bar = tqdm(unit="step", desc=bar, dynamic_ncols=True, leave=False, disable=None)
        self._finished = False
        with self._writer.as_default(0):
            hparams.hparams_config(
                hparams=list(SETTINGS.values()),
                metrics=[hparams.Metric(tag, display_name=title) for tag, title in FIGURES.items()],
            )
            hparams.hparams({SETTINGS[name]: value for name, value in settings.items()})

    def __enter__(self) -> "ArmLog":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Close the logs, and log how the arm ended."""
        ended = api_pb2.Status.Value("STATUS_SUCCESS" if kind is None and self._finished else "STATUS_FAILURE")
        with self._writer.as_default(0):
            tf.summary.experimental.write_raw_pb(summary.session_end_pb(ended).SerializeToString())
        self._writer.close()
        self._bar.close()

    def after_step(self, step: int, loss: float, accuracy: float, learning_rate: float) -> None:
        """Log the step."""
        self._scalars(step, {"loss/training": loss, "accuracy/training": accuracy})
        self._bar.update(1)

    def after_epoch(self, epoch: Epoch, best: bool) -> None:
        """Keep and log the epoch's figures."""
        measured = {"step": float(epoch.step), "loss": epoch.loss}
        if epoch.validation is not None and epoch.validation_loss is not None:
            judged = epoch.validation
            measured["validation_loss"] = epoch.validation_loss
            measured["validation_rare_f1"] = float(judged.f1[self._rare])
            f1 = {f"f1/{label}": float(one) for label, one in zip(judged.labels, judged.f1, strict=True)}
            self._scalars(epoch.step, {"loss/validation": epoch.validation_loss, **f1})
        self.epochs.append(measured)
        self._bar.set_postfix(
            {name: f"{value:.3f}" for name, value in measured.items() if name != "step"}, refresh=False
        )

    def between_steps(self, step: int, last: bool) -> None:
        """Raise StoppedError if a signal came."""
        if self._stopping and not last:
            self._stopping.check()

    def finish(self, step: int, figures: dict[str, float]) -> None:
        """Log the arm's results.

        Args:
            step: The step whose weights were scored.
            figures: Values by the tags of `FIGURES`, some of them or all.
        """
        self._scalars(step, {tag: value for tag, value in figures.items() if np.isfinite(value)})
        self._finished = True

    def _scalars(self, step: int, values: dict[str, float]) -> None:
        with self._writer.as_default(step):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)
