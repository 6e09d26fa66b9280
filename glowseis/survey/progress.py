"""How far a command that goes through many gathers is: a bar on a terminal, elsewhere now and then a line."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Thing = TypeVar("Thing")

EVERY_S = 30.0
"""Seconds between two lines where there is no terminal. Shorter work prints none, so that errors stay one line."""


_begun: ContextVar[float | None] = ContextVar("_begun", default=None)


@contextmanager
def stages() -> Iterator[None]:
    """Say within this when another stage begins, once 30 s have passed: short ones in a row are not silent for long."""
    before = _begun.set(time.monotonic())
    try:
        yield
    finally:
        _begun.reset(before)


def stage(what: str) -> None:
    """Say on standard error that a stage of `stages` begins, if these have taken 30 s already.

    Args:
        what: What is done now.
    """
    begun, now = _begun.get(), time.monotonic()
    if begun is not None and now - begun >= EVERY_S and sys.stderr is not None:
        print(f"{what}, {_length(now - begun)} after the start", file=sys.stderr, flush=True)


def progress(
    things: Iterable[Thing], count: int | None, doing: str, start: int = 0, unit: str = "gather"
) -> Iterator[Thing]:
    """Show on standard error how many things are done: with a bar on a terminal, elsewhere with a line every 30 s.

    Args:
        things: The items to pass through, one per gather.
        count: How many there will be, including those done before; None if unknown.
        doing: A word for what is done with them.
        start: How many were done before.
        unit: A word for one of them.

    Yields:
        The same items.
    """
    if sys.stderr is not None and sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(things, doing, count, unit=unit, file=sys.stderr, initial=start) as shown:
            yield from shown
        return
    stage(doing if count is None else f"{doing}: {start} of {count} {unit}s")
    begun = told = time.monotonic()
    for done, thing in enumerate(things, start):
        now = time.monotonic()
        if now - told >= EVERY_S:
            told = now
            line = f"{doing}: {done}{'' if count is None else f' of {count}'} {unit}s after {_length(now - begun)}"
            if count is not None and done > start:
                line += f", about {_length((count - done) * (now - begun) / (done - start))} left"
            print(line, file=sys.stderr, flush=True)
        yield thing


def _length(seconds: float) -> str:
    """A length of time in words, such as `40 s` or `12 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"
