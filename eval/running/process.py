"""Helpers for a study's processes: where they may write, where their output goes, and when they end."""

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
"""How long a process has to save its state after its parent ended."""


def make_folder(folder: Path, option: str) -> None:
    """Make a folder, unless it exists, and make sure that files can be written to it, before hours of work.

    Args:
        folder: The folder.
        option: The option that names it, for the error.

    Raises:
        InputError: No files can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError:
        raise InputError(f"{folder}: is a file, not a folder; give another {option}") from None
    except OSError as wrong:
        raise InputError(f"{folder}: cannot be written to ({wrong.strerror}); give another {option}") from None


@contextlib.contextmanager
def logged(work: Path, say: Callable[[str], None] = print) -> Iterator[Callable[[str], None]]:
    """Redirect everything that is printed to the log beside a work folder.

    Args:
        work: The folder.
        say: A function that prints lines for the user.

    Yields:
        A function that still prints lines for the user.
    """
    terminal = sys.stdout

    def say_to_user(line: str) -> None:
        with contextlib.redirect_stdout(terminal):
            say(line)

    with (
        work.with_name(f"{work.name}.log").open("a", encoding="utf-8", buffering=1) as log,
        contextlib.redirect_stdout(log),
    ):
        yield say_to_user


def end_with_parent() -> None:
    """Make this process stop, as by a signal, when the one that holds its standard input ends.

    A killed process does not end its children, but its end of the pipe is closed.
    """

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LEAVE_WITHIN_S)
        os._exit(STOPPED)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def without_remarks() -> None:
    """Suppress TensorFlow's warnings that functions are traced again: every arm has its own networks."""
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
