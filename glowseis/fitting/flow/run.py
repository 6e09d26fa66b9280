"""What a flow's run saves and shows while it runs: checkpoints, TensorBoard, a progress bar."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from glowseis.errors import StoppedError
from glowseis.fitting.checkpoints import Checkpoints
from glowseis.fitting.flow.fitting import Epoch, Fitted, FlowFitting, Watcher
from glowseis.fitting.flow.pictures import SHOWN, Pictures
from glowseis.fitting.log import RunLog
from glowseis.fitting.stopping import STOPPED, Stopping


class FlowRun(Watcher):
    """A fitting in a run's folder, from its start or its last checkpoint to its end.

    Each of several processes has one; only the chief writes and reads checkpoints.

    Args:
        fitting: The fitting to run.
        folder: The run's folder, which gets `checkpoints/` and `logs/`.
        stopping: Checked between steps.
        identity: The run's identity, which its checkpoints hold.
        say: Called with a line if a damaged checkpoint is skipped.

    Attributes:
        fitting: The fitting.
        checkpoints: The state on disk.
        restored: Whether an earlier process left a state, which has then been restored.
        first_step_at: When this process had done its first step, by `time.monotonic`; None before.

    Raises:
        InputError: The run has checkpoints but none can be read.
    """

    def __init__(
        self,
        fitting: FlowFitting,
        folder: Path,
        stopping: Stopping,
        identity: str = "",
        say: Callable[[str], None] | None = None,
    ):
        self.fitting = fitting
        self._devices = fitting.devices
        self.checkpoints = Checkpoints(
            folder / "checkpoints", fitting.flow, fitting.trainer.optimizer, identity, keeps=self._devices.is_chief
        )
        self.restored = bool(self._devices.of_chief(lambda: self.checkpoints.restore(say)))
        if self.restored:
            self._devices.follow_chief(self.checkpoints.state)
        self.first_step_at: float | None = None
        self._folder = folder
        self._stopping = stopping
        self._saved_at = 0.0
        self._log: RunLog
        rows = fitting.judged_rows if len(fitting.judged_rows) > 1 else fitting.selection.rare
        self._pictures = Pictures(fitting.trainer, fitting.images(rows[:SHOWN]))

    def run(self, callbacks: Sequence[keras.callbacks.Callback] = ()) -> Fitted:
        """Train to the end.

        Args:
            callbacks: See `FlowFitting.run`.

        Raises:
            StoppedError: A signal came; the state is saved.
            FittingError: The loss is not finite, the flow no longer inverts, or another process is gone.
            InputError: A record or a checkpoint cannot be read.
        """
        self._saved_at = time.monotonic()
        silent = not self._devices.is_chief
        self._log = RunLog(self._folder / "logs", self.fitting.steps, self.checkpoints.step, silent=silent)
        try:
            return self.fitting.run(self.checkpoints, self, callbacks)
        finally:
            self._log.close()

    def while_adapting(self) -> None:
        """Stop on a signal: there is nothing to save yet."""
        self._stopping.check()

    def after_step(self, step: int, bits: float, gradient_norm: float, learning_rate: float) -> None:
        """Log the step."""
        self.first_step_at = self.first_step_at or time.monotonic()
        scalars = {
            "bits_per_dimension/training": bits,
            "gradient_norm": gradient_norm,
            "learning_rate": learning_rate,
        }
        self._log.step(step, scalars, {"bits": f"{bits:.3f}"})

    def after_epoch(self, epoch: Epoch, best: bool) -> None:
        """Save the state with the best weights, so that it is never older than they are; log the measurements."""
        if best:
            self._save(epoch.step)
        if epoch.round_trip_error is not None:
            scalars, shown = {"round_trip_error": epoch.round_trip_error}, {}
            if epoch.held_out_bits is not None:
                scalars["bits_per_dimension/held_out"] = epoch.held_out_bits
                shown["held_out"] = f"{epoch.held_out_bits:.3f}" + ("*" if best else "")
            self._log.evaluation(epoch.step, scalars, shown)
        due = epoch.step == self.fitting.steps or epoch.number % self.fitting.training.pictures_every_epochs == 0
        if due and self._devices.is_chief:
            self._log.pictures(epoch.step, self._pictures.rows())

    def between_steps(self, step: int, last: bool) -> None:
        """Save the state when it is time, and before stopping on a signal; the fitting itself saves the last one."""
        due = time.monotonic() - self._saved_at > self.fitting.training.checkpoint_every_s
        # A signal to any process stops all of them after the same step; the chief's clock decides when to save.
        stop, due = self._devices.total([self._stopping.requested, due and self._devices.is_chief]) > 0
        if not last and (stop or due):
            self._save(step)
            if stop:
                raise StoppedError(STOPPED)

    def _save(self, step: int) -> None:
        self.fitting.keep(step)
        self._saved_at = time.monotonic()
