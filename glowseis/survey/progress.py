"""The progress bar of the commands that make surveys."""

import sys
from collections.abc import Iterable, Iterator

from glowseis.survey.gather import Recording


def progress(recordings: Iterable[Recording], count: int, doing: str) -> Iterator[Recording]:
    """Show on a terminal how many recordings have come; elsewhere errors stay one line.

    Args:
        recordings: What passes through.
        count: How many there will be.
        doing: A word for what is done with them.

    Yields:
        The recordings.
    """
    from tqdm import tqdm

    with tqdm(recordings, doing, count, unit="gather", file=sys.stderr, disable=None) as shown:
        yield from shown
