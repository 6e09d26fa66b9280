"""What a process of a study keeps to: where it may write, where its prints go, and when it ends."""

import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from glowseis.errors import InputError

STOPPED = 75
"""Exit status of a process that a signal stopped (`glowseis.command`)."""

LEAVE_WITHIN_S = 120.0
"""How long a process has to save its state once its parent ended."""


def make_folder(folder: Path, option: str) -> None:
    """Make a folder, unless it is there, and make sure that files can be written to it, before hours of work for it.

    Args:
        folder: The folder.
        option: What names it on the command line, for the error.

    Raises:
        InputError: No files can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError:
        raise InputError(f"{folder}: is a file, no folder; give another {option}") from None
    except OSError as wrong:
        raise InputError(f"{folder}: cannot be written to ({wrong.strerror}); give another {option}") from None


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


def without_remarks() -> None:
    """Keep TensorFlow from remarking that functions are traced anew: every arm has networks of its own."""
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
