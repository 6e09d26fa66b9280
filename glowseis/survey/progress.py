"""How far a command that goes through many gathers is: a bar on a terminal, elsewhere now and then a line."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from glowseis.survey.wording import number_of

Thing = TypeVar("Thing")

EVERY_S = 30.0
"""Seconds between two lines where there is no terminal. Shorter work prints none, so that errors stay one line."""

SOON_S = 5.0
"""Seconds after which a command of several stages says what it does, where there is no terminal."""

_begun: ContextVar[float | None] = ContextVar("_begun", default=None)


@contextmanager
def stages() -> Iterator[None]:
    """Say within this when another stage begins, once 5 s have passed: short ones in a row are not silent for long.

    Stages within stages are those of the outer ones.
    """
    before = _begun.set(time.monotonic() if _begun.get() is None else _begun.get())
    try:
        yield
    finally:
        _begun.reset(before)


def stage(what: str) -> bool:
    """Say on standard error that a stage of `stages` begins, if these have taken 5 s already.

    Args:
        what: What is done now.

    Returns:
        Whether it was said.
    """
    begun, now = _begun.get(), time.monotonic()
    if begun is None or now - begun < SOON_S or sys.stderr is None:
        return False
    print(f"{what}, {_length(now - begun)} after the start", file=sys.stderr, flush=True)
    return True


def progress(
    things: Iterable[Thing], count: int | None, doing: str, start: int = 0, unit: str = "gather"
) -> Iterator[Thing]:
    """Show on standard error how many things are done: with a bar on a terminal, elsewhere with a line every 30 s.

    Within `stages`, the first line comes after 5 s, unless `stage` has told the beginning.

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
    if count == 0:
        yield from things
        return
    units = f"{unit}s" if count is None else number_of(count, unit)
    was_told = stage(doing if count is None else f"{doing}: {start} of {units}")
    wait_s = EVERY_S if was_told or _begun.get() is None else min(SOON_S, EVERY_S)
    begun = told = time.monotonic()
    for done, thing in enumerate(things, start):
        now = time.monotonic()
        if now - told >= wait_s:
            told, wait_s = now, EVERY_S
            line = f"{doing}: {done}{'' if count is None else ' of'} {units} after {_length(now - begun)}"
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
