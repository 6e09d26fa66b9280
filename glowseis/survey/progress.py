"""The progress bar of the commands that make surveys."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Thing = TypeVar("Thing")


def progress(things: Iterable[Thing], count: int | None, doing: str, start: int = 0) -> Iterator[Thing]:
    """Show on a terminal how many gathers have come; elsewhere errors stay one line.

    Args:
        things: What passes through, one a gather.
        count: How many there will be, with those that were done before; None when that is not known.
        doing: A word for what is done with them.
        start: How many were done before.

    Yields:
        The same things.
    """
    from tqdm import tqdm

    with tqdm(things, doing, count, unit="gather", file=sys.stderr, disable=None, initial=start) as shown:
        yield from shown
