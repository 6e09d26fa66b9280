"""A folder of TensorFlow checkpoints by step, found by their files, not by TensorFlow's pointer."""

import json
import re
from pathlib import Path

import tensorflow as tf

from glowseis.errors import InputError, reason_of

BEGIN_ANEW = "remove the run's folder to start again"


class CheckpointFolder:
    """The newest few checkpoints `ckpt-STEP` of one set of variables.

    TensorFlow writes each beside the previous one and then updates its pointer, so that a killed writer leaves the
    previous one in place. The pointer is for TensorFlow's own functions; nothing here depends on it.

    Args:
        folder: Their folder; made when the first is saved.
        checkpoint: The variables.
        count: How many to keep.
    """

    def __init__(self, folder: Path, checkpoint: tf.train.Checkpoint, count: int):
        self._folder = folder
        self._checkpoint = checkpoint
        self._count = count
        self._restored = -1
        self._manager: tf.train.CheckpointManager | None = None

    def path(self, step: int) -> Path:
        """Prefix of the names of a checkpoint's files."""
        return self._folder / f"ckpt-{step}"

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, whole or damaged, in rising order."""
        return self._numbers(r"ckpt-(\d+)\.index")

    @property
    def lost(self) -> bool:
        """Whether there are traces of checkpoints but no checkpoint.

        A writer that was killed during the first save, after step 0, leaves no such trace.
        """
        there = self._pointer.exists() or any(self._numbers(r"ckpt-(\d+)\.data-.*"))
        return there and not self.steps()

    def _numbers(self, pattern: str) -> list[int]:
        names = [path.name for path in self._folder.iterdir()] if self._folder.is_dir() else []
        return sorted(int(found[1]) for name in names if (found := re.fullmatch(pattern, name)))

    @property
    def _pointer(self) -> Path:
        return self._folder / "checkpoint"

    def restore(self, step: int) -> None:
        """Restore the variables of a step.

        Raises:
            InputError: Its checkpoint is gone or damaged; some variables may be restored and others not.
        """
        try:
            # TensorFlow makes its counter lazily; without one when a damaged file fails, it warns at the process's end.
            int(self._checkpoint.save_counter)
            self._checkpoint.restore(str(self.path(step))).assert_consumed()
        # For damaged files TensorFlow raises errors of many kinds.
        except Exception as wrong:
            raise InputError(
                f"{self.path(step)}: this checkpoint cannot be read ({reason_of(wrong)}); {BEGIN_ANEW}"
            ) from None
        self._restored = step

    def save(self, step: int) -> None:
        """Save the variables as those after `step` steps; remove the oldest checkpoint, or a damaged one."""
        if self._manager is None:
            self._manager = self._managed()
        self._manager.save(checkpoint_number=step)

    def _managed(self) -> tf.train.CheckpointManager:
        """TensorFlow's manager, with a pointer that lists the existing checkpoints."""
        # Checkpoints newer than the restored state are damaged, and are the first to go.
        steps = sorted(self.steps(), key=lambda step: (step <= self._restored, step))
        self._pointer.unlink(missing_ok=True)
        if steps:
            # TensorFlow's own function for this is deprecated and prints a warning.
            names = [json.dumps(self.path(step).name) for step in steps]
            lines = [f"model_checkpoint_path: {names[-1]}"]
            for number, name in enumerate(names, start=1):
                lines += [f"all_model_checkpoint_paths: {name}", f"all_model_checkpoint_timestamps: {number}"]
            self._pointer.write_text("\n".join([*lines, "last_preserved_timestamp: 0", ""]))
        return tf.train.CheckpointManager(self._checkpoint, str(self._folder), max_to_keep=self._count)
