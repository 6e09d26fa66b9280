"""Signals end a command as an interruption, so that it cleans up, whatever it is importing at that moment."""

import contextlib
import functools
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import typer

from glowseis.errors import FittingError, InputError, StoppedError

PATIENCE_S = 2.0
"""How long further signals count as the first one: an impatient second Ctrl-C must not interrupt the clean-up."""

UsageError: Any = typer.BadParameter.__base__
"""Raised for wrong words on the command line: click's class with older versions of typer, typer's with newer ones."""

CONTINUES = "stopped; run the same command again to continue"

_CAME: list[int] = []
"""Signals that came while the command ran."""


@contextlib.contextmanager
def signals_interrupt() -> Iterator[list[int]]:
    """Make SIGTERM end a command as Ctrl-C does, by KeyboardInterrupt, so that it cleans up; yields the signals.

    A command that installs handlers of its own, as training does, keeps them.
    """
    _CAME.clear()
    first_s = -PATIENCE_S

    def interrupt(number: int, frame: object) -> None:
        nonlocal first_s
        if time.monotonic() - first_s < PATIENCE_S:
            return
        first_s = time.monotonic()
        _CAME.append(number)
        raise KeyboardInterrupt

    former = {}
    # Python allows handlers in the main thread only; a signal that the parent process ignores stays ignored.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) != signal.SIG_IGN:
                former[number] = signal.signal(number, interrupt)
    try:
        yield _CAME
    finally:
        for number, handler in former.items():
            # After a signal the process is about to exit; with the former handlers, another would kill it meanwhile.
            signal.signal(number, signal.SIG_IGN if _CAME else handler)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within it an interruption is a KeyboardInterrupt, even if a library turned it into something else, or lost it.

    While modules load, code of others may catch it, and fail later because something was not loaded.
    """
    try:
        yield
    except (InputError, FittingError, StoppedError, UsageError, OSError):
        raise
    except Exception:
        if _CAME:
            raise KeyboardInterrupt from None
        raise


def check_interruption() -> None:
    """Raise KeyboardInterrupt if a signal came."""
    if _CAME:
        raise KeyboardInterrupt


def resumes(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Mark a command that can continue where it was stopped: whenever a signal stops it, its status says so.

    Args:
        function: A function with typer annotations. When it is interrupted, all that is worth keeping is kept.
    """

    @functools.wraps(function)
    def resuming(**given: Any) -> int | None:
        try:
            with interruptible():
                return function(**given)
        except KeyboardInterrupt:
            raise StoppedError(CONTINUES) from None

    return resuming
