"""Counts and names in messages."""

from collections.abc import Iterable, Sequence
from pathlib import PurePath

NAMED = 4
"""Most things that a line names."""


def number_of(count: int, thing: str) -> str:
    """A count and what is counted, such as `1 gather` or `12 gathers`.

    Args:
        count: How many.
        thing: The word for one.
    """
    return f"{count} {thing}{'s' if count != 1 else ''}"


def first_names(names: Sequence[str], count: int | None = None) -> str:
    """The first few names, and how many more there are.

    Args:
        names: At least some of them.
        count: How many there are in total; as many as `names` when None.
    """
    more = (len(names) if count is None else count) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def line_name(sail_line: int, source: str) -> str:
    """Name of a gather's sail line: `line 12`, or the name of its file if no line is given.

    Args:
        sail_line: Number of the sail line, 0 if it is not given.
        source: Where the gather comes from.
    """
    return f"line {sail_line}" if sail_line or not source else PurePath(source).name


def line_names(gathers: Iterable[tuple[int, str]]) -> list[str]:
    """Names of gathers' sail lines; files of one name, in several folders, are lines of their own.

    Args:
        gathers: Sail line and source of each, as for `line_name`.

    Returns:
        As `line_name` returns it; the whole source where files of several folders have its name.
    """
    given = list(gathers)
    sources: dict[str, set[str]] = {}
    for line, source in given:
        sources.setdefault(line_name(line, source), set()).add("" if line else source)
    return [
        source if len(sources[name := line_name(line, source)]) > 1 and not line else name for line, source in given
    ]
