"""A run's state on disk, so that a stopped run goes on as if it had never been stopped."""

from pathlib import Path

import keras
import tensorflow as tf

from glowseis.errors import InputError


class Checkpoints:
    """The last state of a run, and its best weights.

    The last state holds weights, optimiser and the counters below, all that the rest of the run depends on: order and
    noise of the data are functions of the seed and the epoch. TensorFlow writes each checkpoint beside the former one
    and then moves the pointer, so that a killed writer leaves the former one in place.

    Args:
        folder: Where they lie; made when missing.
        model: Whose weights they are.
        optimizer: Its optimiser, built.
        identity: The run's, without which no state of another run is told from its own.
        keeps: Whether anything is written; of processes that train together the chief alone does, the others count.

    Attributes:
        step: Steps done.
        best_figure: Best figure on held-out gathers so far, the lower the better; infinite before the first.
        best_step: The step it was measured at; 0 before the first.
        state: The variables of all that.
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
        self._last = tf.train.CheckpointManager(
            tf.train.Checkpoint(
                weights=weights,
                run=self._run,
                optimizer=state,
                step=self._step,
                best_figure=self._best_figure,
                best_step=self._best_step,
            ),
            str(folder / "last"),
            max_to_keep=2,
        )
        self._best = tf.train.CheckpointManager(
            tf.train.Checkpoint(weights=weights, run=self._run), str(folder / "best"), max_to_keep=1
        )

    step = property(lambda self: int(self._step))
    best_figure = property(lambda self: float(self._best_figure))
    best_step = property(lambda self: int(self._best_step))

    @property
    def saved(self) -> bool:
        """Whether there is a last state."""
        return self._last.latest_checkpoint is not None

    def restore(self) -> bool:
        """Bring the last state back; False when there is none yet."""
        if not self.saved:
            return False
        self._restore(self._last)
        return True

    def restore_best(self) -> None:
        """Bring the best weights back."""
        self._restore(self._best)

    def save(self, step: int) -> None:
        """Keep the present state as that after `step` steps."""
        self._step.assign(step)
        if self._keeps:
            self._last.save(checkpoint_number=step)

    def offer(self, step: int, figure: float) -> bool:
        """Keep the present weights as the best if their figure is the lowest; tell whether it is."""
        if figure >= self.best_figure:
            return False
        if self._keeps:
            self._best.save(checkpoint_number=step)
        self._best_figure.assign(figure)
        self._best_step.assign(step)
        return True

    def _restore(self, manager: tf.train.CheckpointManager) -> None:
        path = manager.latest_checkpoint
        try:
            # TensorFlow makes its counter when it is asked for; of one that it has not made by the time that a damaged
            # file fails, it would complain at the process's end.
            int(manager.checkpoint.save_counter)
            manager.checkpoint.restore(path).assert_consumed()
        # Of damaged files TensorFlow complains in errors of many kinds.
        except Exception as wrong:
            reason = str(wrong).splitlines()[0] if str(wrong) else type(wrong).__name__
            raise InputError(
                f"{path}: this checkpoint cannot be read ({reason}); remove the run's folder to begin anew"
            ) from None
        if self._run.numpy().decode() != self._identity:
            raise InputError(f"{path}: this checkpoint is another run's; remove the run's folder to begin anew")
