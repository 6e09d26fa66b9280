"""Errors that a user can cause or meet, each with one line that says what is wrong, where, and how to fix it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pydantic


class InputError(Exception):
    """Wrong arguments or bad input. Commands print its one line and exit with status 2.

    >>> import glowseis
    >>> glowseis.open_survey("nowhere")
    Traceback (most recent call last):
    glowseis.errors.InputError: nowhere: no such survey; make one with glowseis ingest FILES --out nowhere
    """


class FittingError(Exception):
    """Training cannot go on (the loss is not finite, the flow no longer inverts). Exit status 1."""


class StoppedError(Exception):
    """Stopped by a signal with everything saved; the same command continues. Exit status 75."""


def reason_of(wrong: Exception) -> str:
    """What a library's error says, in one line: the first of its message, or its type if it has none."""
    if isinstance(wrong, KeyError):
        return f"{wrong} is missing"
    if isinstance(wrong, OSError) and wrong.strerror:
        return f"{Path(wrong.filename).name}: {wrong.strerror}" if wrong.filename else wrong.strerror
    first = str(wrong).strip().partition("\n")[0]
    return " ".join(first.split())[:200] or type(wrong).__name__


def first_wrong(wrong: "pydantic.ValidationError") -> str:
    """The first error that pydantic found, and where, in a few words."""
    first = wrong.errors()[0]
    # Keys come from people's files, so a terminal must show and not obey them.
    where = ".".join(key if key.isprintable() else repr(key)[1:-1] for key in map(str, first["loc"]))
    what = first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else what
