"""A run's state on disk, so that a stopped run resumes as if it had never been stopped."""

from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from glowseis.errors import InputError
from glowseis.fitting.checkpoint_folder import BEGIN_ANEW, CheckpointFolder


class Checkpoints:
    """The last state of a run, and its best weights.

    The last state holds weights, optimiser and the counters below. The rest of the run depends on nothing else: order
    and noise of the data are functions of the seed and the epoch. The last two states are kept: if the newer one is
    damaged, the run resumes from the other and ends the same. The last two best weights are kept too, because the older
    state refers to the older ones.

    Args:
        folder: Their folder; made if missing.
        model: The model whose weights they hold.
        optimizer: Its optimiser, built.
        identity: The run's identity, which tells its states from those of another run.
        keeps: Whether anything is written; of processes that train together only the chief writes, the others count.

    Attributes:
        state: The variables of all this.
    """

    def __init__(
        self,
        folder: Path,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        identity: str = "",
        *,
        keeps: bool = True,
    ):
        self.folder = folder
        self._keeps = keeps
        self._identity = identity
        self._run = tf.Variable(identity, trainable=False)
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._best_figure = tf.Variable(float("inf"), dtype=tf.float64, trainable=False)
        self._best_step = tf.Variable(0, dtype=tf.int64, trainable=False)
        weights = [weight.value for weight in model.weights]
        state = [variable.value for variable in optimizer.variables]
        self.state = [*weights, *state, self._step, self._best_figure, self._best_step]
        last = tf.train.Checkpoint(
            weights=weights,
            run=self._run,
            optimizer=state,
            step=self._step,
            best_figure=self._best_figure,
            best_step=self._best_step,
        )
        self._last = CheckpointFolder(folder / "last", last, 2)
        self._best = CheckpointFolder(folder / "best", tf.train.Checkpoint(weights=weights, run=self._run), 2)

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self._step)

    @property
    def best_figure(self) -> float:
        """Best figure on held-out gathers so far, the lower the better; infinite before the first."""
        return float(self._best_figure)

    @property
    def best_step(self) -> int:
        """The step it was measured at; 0 before the first."""
        return int(self._best_step)

    @property
    def last_good(self) -> str:
        """Where the last saved state is, in words."""
        if not self._last.steps():
            return "there is no checkpoint yet"
        return f"the last good checkpoint, after step {self.step}, is kept in {self.folder}"

    def restore(self, say: Callable[[str], None] | None = None) -> bool:
        """Restore the newest state that is whole; return False if there is none yet.

        Args:
            say: Called with a line for each newer state that is damaged.

        Raises:
            InputError: States exist but none can be read, or they are another run's.
        """
        first_problem = None
        for step in reversed(self._last.steps()):
            try:
                self._last.restore(step)
                self._check_identity(self._last, step)
                if self.best_step:
                    # Checked now, not after hours of training: without them the run cannot end.
                    self.restore_best()
                    self._last.restore(step)
            except InputError as wrong:
                first_problem = first_problem or wrong
                continue
            if first_problem is not None and say is not None:
                said = str(first_problem).removesuffix(BEGIN_ANEW)
                say(f"{said}resuming from the newest readable one, after step {step}")
            return True
        if first_problem is not None:
            raise first_problem
        if self._last.lost or self._best.steps():
            raise InputError(f"{self.folder}: the run's last state is missing; {BEGIN_ANEW}")
        return False

    def restore_best(self) -> None:
        """Restore the best weights.

        Raises:
            InputError: They cannot be read.
        """
        self._best.restore(self.best_step)
        self._check_identity(self._best, self.best_step)

    def save(self, step: int) -> None:
        """Save the current state as that after `step` steps."""
        self._step.assign(step)
        if self._keeps:
            self._last.save(step)

    def offer(self, step: int, figure: float) -> bool:
        """Save the current weights as the best if their figure is the lowest; return whether it is."""
        if figure >= self.best_figure:
            return False
        if self._keeps:
            self._best.save(step)
        self._best_figure.assign(figure)
        self._best_step.assign(step)
        return True

    def _check_identity(self, folder: CheckpointFolder, step: int) -> None:
        # Checkpoints of classifiers from before 2026-11-27 name no run.
        if self._run.numpy().decode() not in ("", self._identity):
            raise InputError(f"{folder.path(step)}: this checkpoint belongs to another run; {BEGIN_ANEW}")
