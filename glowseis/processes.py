"""Processes that work for this one: they end with it, whatever happens to either."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

_STOPPING = (signal.SIGINT, signal.SIGTERM)


def started(work: Callable[..., None], *words: Any) -> BaseProcess:
    """A new process that does some work, which begins with `as_worker`.

    Args:
        work: A function of a module.
        words: Its arguments.
    """
    # Spawned, not forked: TensorFlow's threads do not survive a fork.
    resource_tracker.ensure_running()
    process = get_context("spawn").Process(target=work, args=words, daemon=True)
    # A process inherits blocked signals, and Ctrl-C at its start would make it print a traceback.
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
    return process


def end(processes: Sequence[BaseProcess]) -> None:
    """End processes whatever they are doing; interruptions wait until that is done."""
    interruption = None
    while True:
        try:
            for process in processes:
                process.kill()
            for process in processes:
                process.join()
            break
        except KeyboardInterrupt as wrong:
            interruption = wrong
    if interruption:
        raise interruption


def as_worker(*, silent: bool = False) -> None:
    """In the new process: leave interruptions to its parent, and end if that ends.

    Args:
        silent: Whether it writes no errors, because its parent tells what is wrong.
    """
    if silent:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
