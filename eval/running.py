"""The work of one process: a fold's arms, one after another, with other processes kept out of that fold."""

import contextlib
import fcntl
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from eval.crossval import line_of, run_arm
from eval.fold import Fold
from eval.outcome import Outcome, write_outcome
from eval.results import finished
from eval.study import Study
from glowseis.errors import InputError

ASK_AGAIN_S = 0.2
"""How often a process that waits for a fold looks whether it is free."""

STOPPED = 75
"""Exit status of a process that a signal stopped (`glowseis.command`)."""

LEAVE_WITHIN_S = 120.0
"""How long a process has to save its state once its parent ended."""


def unfinished(study: Study, kind: str, fold: int, arms: Sequence[str]) -> list[str]:
    """Arms that have no outcome in a fold yet, or one that says that they failed.

    Raises:
        InputError: An outcome is damaged or of another study.
    """
    return [arm for arm in arms if not finished(study.outcomes, study.digest, kind, fold, arm)]


def run_fold(
    study: Study,
    kind: str,
    number: int,
    arms: Sequence[str],
    say: Callable[[str], None] = print,
    *,
    wait: bool = False,
) -> list[Outcome]:
    """Run the arms of a fold that have no outcome yet, and keep each outcome as soon as it is there.

    What flows and synthesis say goes to `work/KIND-FF.log` in the study's folder.

    Args:
        study: The study.
        kind: Kind of the folds.
        number: Number of the fold, from 0.
        arms: Names of the arms.
        say: Called with a line an arm.
        wait: Whether to wait for another process that works on the fold.

    Returns:
        The outcomes of the arms that were run now.

    Raises:
        InputError: Another process works on the fold, and `wait` is off; there is no such fold; an outcome is damaged
            or of another study.
        LeakError: Something that judges, or was made of it, came near a training.
        StoppedError: A signal came; what is finished is kept.
    """
    done: list[Outcome] = []
    work = study.work(kind, number)
    with locked(work.with_name(f"{work.name}.lock"), f"fold {number} of the {kind} folds", wait):
        todo = unfinished(study, kind, number, arms)
        if not todo:
            return done
        with logged(work, say) as told:
            fold = Fold(study, kind, number)
            for arm in todo:
                outcome = run_arm(fold, arm)
                write_outcome(study.outcomes, outcome)
                done.append(outcome)
                told(line_of(outcome))
    return done


@contextlib.contextmanager
def logged(work: Path, say: Callable[[str], None] = print) -> Iterator[Callable[[str], None]]:
    """Have all that is printed go to the log beside a folder of work.

    Args:
        work: The folder.
        say: What prints lines for the user.

    Yields:
        What prints lines for the user, still.
    """
    terminal = sys.stdout

    def told(line: str) -> None:
        with contextlib.redirect_stdout(terminal):
            say(line)

    with (
        work.with_name(f"{work.name}.log").open("a", encoding="utf-8", buffering=1) as log,
        contextlib.redirect_stdout(log),
    ):
        yield told


@contextlib.contextmanager
def locked(path: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Keep other processes out; a process that dies lets the next one in.

    Args:
        path: The lock's file; its folder is made when missing.
        what: What is worked on, for the error.
        wait: Whether to wait for another process.

    Raises:
        InputError: Another process is in, and `wait` is off.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Network file systems lock only what is open for writing.
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not wait:
                    raise InputError(
                        f"{path}: another process is working on {what}; wait for it, or choose other folds by --fold"
                    ) from None
            time.sleep(ASK_AGAIN_S)
        yield
    finally:
        os.close(lock)


def without_remarks() -> None:
    """Keep TensorFlow from remarking that functions are traced anew: every arm has networks of its own."""
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")


def end_with_parent() -> None:
    """Have this process stop, as a signal would stop it, when the one that holds its standard input ends.

    A killed process takes nobody with it; its end of the pipe is closed all the same.
    """

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LEAVE_WITHIN_S)
        os._exit(STOPPED)

    threading.Thread(target=watch, name="parent", daemon=True).start()
