"""What a classifier's run saves and shows while it runs: checkpoints, TensorBoard, a progress bar."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from glowseis.fitting.checkpoints import Checkpoints
from glowseis.fitting.classifier.confusion import confusion_picture
from glowseis.fitting.classifier.fitting import ClassifierFitting, Epoch, Fitted, Watcher
from glowseis.fitting.log import RunLog
from glowseis.fitting.stopping import Stopping


class ClassifierRun(Watcher):
    """A fitting in a run's folder, from its start or its last checkpoint to its end.

    Args:
        fitting: The fitting to run.
        folder: The run's folder, which gets `checkpoints/` and `logs/`.
        stopping: Checked between steps.
        identity: The run's identity, which its checkpoints hold.
        say: Called with a line if a damaged checkpoint is skipped.

    Attributes:
        checkpoints: The state on disk.
        restored: Whether an earlier process left a state, which has then been restored.
        first_step_at: When this process had done its first step, by `time.monotonic`; None before.
    """

    def __init__(
        self,
        fitting: ClassifierFitting,
        folder: Path,
        stopping: Stopping,
        identity: str = "",
        say: Callable[[str], None] | None = None,
    ):
        self.checkpoints = Checkpoints(folder / "checkpoints", fitting.model, fitting.trainer.optimizer, identity)
        self.restored = self.checkpoints.restore(say)
        self.first_step_at: float | None = None
        self._fitting = fitting
        self._folder = folder
        self._stopping = stopping
        self._saved_at = 0.0
        self._log: RunLog

    def run(self, callbacks: Sequence[keras.callbacks.Callback] = ()) -> Fitted:
        """Train to the end.

        Args:
            callbacks: See `ClassifierFitting.run`.

        Raises:
            StoppedError: A signal came; the state is saved.
            FittingError: The loss or a weight is not finite.
            InputError: A record or a checkpoint cannot be read.
        """
        self._saved_at = time.monotonic()
        self._log = RunLog(self._folder / "logs", self._fitting.steps, self.checkpoints.step)
        if not self.restored:
            # Weights that are the best need a state that knows of them.
            self._save(0)
        try:
            return self._fitting.run(self.checkpoints, self, callbacks)
        finally:
            self._log.close()

    def after_step(self, step: int, loss: float, accuracy: float, learning_rate: float) -> None:
        """Log the step."""
        self.first_step_at = self.first_step_at or time.monotonic()
        scalars = {"loss/training": loss, "accuracy/training": accuracy, "learning_rate": learning_rate}
        self._log.step(step, scalars, {"loss": f"{loss:.3f}"})

    def after_epoch(self, epoch: Epoch, best: bool) -> None:
        """Save the state with the best weights, so that it is never older than they are; log the measurements."""
        if best:
            self._save(epoch.step)
        if epoch.validation is None or epoch.validation_loss is None:
            self._log.evaluation(epoch.step, {}, {"accuracy": f"{100 * epoch.accuracy:.1f}"})
            return
        judged = epoch.validation
        f1 = {f"f1/{label}": float(one) for label, one in zip(judged.labels, judged.f1, strict=True)}
        scalars = {"loss/validation": epoch.validation_loss, "accuracy/validation": judged.accuracy, **f1}
        shown = {
            "validation": f"{epoch.validation_loss:.3f}" + ("*" if best else ""),
            "F1": "/".join(f"{100 * one:.0f}" for one in judged.f1),
        }
        self._log.evaluation(epoch.step, scalars, shown)
        self._log.picture(epoch.step, "confusion", confusion_picture(judged))

    def between_steps(self, step: int, last: bool) -> None:
        """Save the state when it is time, and before stopping on a signal; the fitting itself saves the last one."""
        due = time.monotonic() - self._saved_at > self._fitting.training.checkpoint_every_s
        if not last and (due or self._stopping.requested):
            self._save(step)
            self._stopping.check()

    def _save(self, step: int) -> None:
        self._fitting.require_finite_weights(step)
        self.checkpoints.save(step)
        self._saved_at = time.monotonic()
