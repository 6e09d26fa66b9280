"""The progress bar of the commands that make surveys."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

Thing = TypeVar("Thing")


def progress(things: Iterable[Thing], count: int | None, doing: str, start: int = 0) -> Iterator[Thing]:
    """Show on a terminal how many gathers are done; elsewhere show nothing, so that errors stay one line.

    Args:
        things: The items to pass through, one per gather.
        count: How many there will be, including those done before; None if unknown.
        doing: A word for what is done with them.
        start: How many were done before.

    Yields:
        The same items.
    """
    from tqdm import tqdm

    with tqdm(things, doing, count, unit="gather", file=sys.stderr, disable=None, initial=start) as shown:
        yield from shown
