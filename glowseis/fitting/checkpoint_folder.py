"""A folder of TensorFlow's checkpoints by step, found by their own files whatever its pointer says."""

import json
import re
from pathlib import Path

import tensorflow as tf

from glowseis.errors import InputError

BEGIN_ANEW = "remove the run's folder to begin anew"


class CheckpointFolder:
    """Checkpoints `ckpt-STEP` of one set of variables, the newest few of them.

    TensorFlow writes each beside the former one and then its pointer, so that a killed writer leaves the former one in
    place. The pointer is for TensorFlow's own functions; nothing here depends on it.

    Args:
        folder: Where they lie; made when the first is saved.
        checkpoint: The variables.
        count: How many are kept.
    """

    def __init__(self, folder: Path, checkpoint: tf.train.Checkpoint, count: int):
        self._folder = folder
        self._checkpoint = checkpoint
        self._count = count
        self._restored = -1
        self._manager: tf.train.CheckpointManager | None = None

    def path(self, step: int) -> Path:
        """What the names of a checkpoint's files begin with."""
        return self._folder / f"ckpt-{step}"

    def steps(self) -> list[int]:
        """Steps of which there is a checkpoint, whole or damaged, rising."""
        return self._numbers(r"ckpt-(\d+)\.index")

    @property
    def lost(self) -> bool:
        """Whether something says that checkpoints were kept here, and there is none.

        A writer that was killed in the first save, that after step 0, leaves nothing that says so.
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
        """Bring the variables of a step back.

        Raises:
            InputError: Its checkpoint is gone or damaged; the variables may be those of either, then.
        """
        try:
            # TensorFlow makes its counter when it is asked for; of one that it has not made by the time that a damaged
            # file fails, it would complain at the process's end.
            int(self._checkpoint.save_counter)
            self._checkpoint.restore(str(self.path(step))).assert_consumed()
        # Of damaged files TensorFlow complains in errors of many kinds.
        except Exception as wrong:
            reason = str(wrong).splitlines()[0] if str(wrong) else type(wrong).__name__
            raise InputError(f"{self.path(step)}: this checkpoint cannot be read ({reason}); {BEGIN_ANEW}") from None
        self._restored = step

    def save(self, step: int) -> None:
        """Keep the variables as those after `step` steps; forget the oldest, or a damaged one."""
        if self._manager is None:
            self._manager = self._managed()
        self._manager.save(checkpoint_number=step)

    def _managed(self) -> tf.train.CheckpointManager:
        """TensorFlow's manager, with a pointer that tells it of what is there."""
        # What is newer than the state that was brought back is damaged, and is the first to go.
        steps = sorted(self.steps(), key=lambda step: (step <= self._restored, step))
        self._pointer.unlink(missing_ok=True)
        if steps:
            # TensorFlow's own function for this is deprecated, and says so on the terminal.
            names = [json.dumps(self.path(step).name) for step in steps]
            lines = [f"model_checkpoint_path: {names[-1]}"]
            for number, name in enumerate(names, start=1):
                lines += [f"all_model_checkpoint_paths: {name}", f"all_model_checkpoint_timestamps: {number}"]
            self._pointer.write_text("\n".join([*lines, "last_preserved_timestamp: 0", ""]))
        return tf.train.CheckpointManager(self._checkpoint, str(self._folder), max_to_keep=self._count)
