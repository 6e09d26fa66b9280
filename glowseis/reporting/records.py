"""The records of a report as a table: where each is from, how it was graded, and what was measured."""

from collections.abc import Iterator

import pandas as pd


def by_line(records: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """The records of each sail line on each cable, in the order of their shots.

    Shots of one number keep the order of their files.

    Args:
        records: One row a record, with `line`, `cable` and `shot`.

    Yields:
        Name of the line, in the order in which lines are first met; number of the cable; its records, whose index is
        that of `records`.
    """
    for line in records["line"].unique():
        own = records[records["line"] == line]
        for cable in sorted(own["cable"].unique()):
            yield str(line), int(cable), own[own["cable"] == cable].sort_values("shot", kind="stable")
