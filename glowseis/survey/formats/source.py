"""The interface of every reader of gathers, and the options of readers."""

import contextlib
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from glowseis.errors import InputError
from glowseis.survey.gather import Picture, Recording, source_text

State = tuple[int, int]
"""A file's length in bytes, and when it was last changed, in nanoseconds since 1970."""


@dataclass(frozen=True)
class ReadOptions:
    """What a user states about a source because the file does not, or is wrong. A reader uses what applies to it.

    Attributes:
        label: Label of every gather, or `""`.
        sample_interval_s: Time between two samples, in seconds; the file's own when None.
        shot_header: The word that tells shots apart: the name of a trace header word, or its byte number.
        trace_header: The word of the channel, in the same form.
        cable_header: The word that tells the cables of a shot apart, in the same form; None if they are not mixed.
        line_header: The word of the sail line, in the same form; None for the file header's.
        sample_format: Format of the samples, such as `ibm` or `ieee`, instead of what the file says.
        byte_order: `big` or `little`, instead of the detected one.
        samples: Samples per trace, instead of what the file says.
        keep_auxiliary: Whether traces marked as auxiliary are kept as channels.
        dataset: The array with the gathers in a file with several.
        axes: The array's axes, such as `gather,trace,time`.
        zero_level: The value that stands for zero amplitude in the file; measured when None.
    """

    label: str = ""
    sample_interval_s: float | None = None
    shot_header: str = "FieldRecord"
    trace_header: str = "TraceNumber"
    cable_header: str | None = None
    line_header: str | None = None
    sample_format: str | None = None
    byte_order: str | None = None
    samples: int | None = None
    keep_auxiliary: bool = False
    dataset: str | None = None
    axes: str | None = None
    zero_level: float | None = None


@dataclass(frozen=True)
class Remark:
    """Something a user should know about a file.

    Attributes:
        kind: A word for its subject; remarks of one kind on several files share one line.
        text: What was found, and the option that resolves it; without the file's name.
        is_warning: Whether the file may be read wrongly; then `--strict` refuses it.
    """

    kind: str
    text: str
    is_warning: bool = True


class SourceError(InputError):
    """Some files cannot be read; others may be.

    Args:
        faults: Why each of them cannot.

    Attributes:
        faults: The same; the first reason is the error's text.
    """

    def __init__(self, faults: Mapping[Path, str]):
        super().__init__(next(iter(faults.values())))
        self.faults = dict(faults)


@contextlib.contextmanager
def blamed_on(path: Path) -> Iterator[None]:
    """While the block runs, an InputError is one of this file, a SourceError.

    Args:
        path: The file.
    """
    try:
        yield
    except SourceError:
        raise
    except InputError as wrong:
        raise SourceError({path: str(wrong)}) from None


@contextlib.contextmanager
def one_line_errors(path: Path, told: Callable[[Exception], str]) -> Iterator[None]:
    """While the block runs, a library's error about a file that it cannot read becomes one line.

    Args:
        path: The file.
        told: Says what is wrong with the file, and how to mend it.
    """
    try:
        yield
    except InputError:
        raise
    # Libraries report damage by errors of nearly every kind.
    except Exception as wrong:
        raise InputError(f"{source_text(path)}: {told(wrong)}") from None


class Source(Protocol):
    """An opened file of gathers, of which only headers have been read.

    Attributes:
        path: The file.
    """

    path: Path

    @property
    def interval_s(self) -> float | None:
        """Time between two samples, in seconds; None if neither file nor user gives it.

        Raises:
            InputError: The file gives several, or none although its format requires one.
        """

    def shapes(self) -> Iterator[tuple[int, int]]:
        """Samples and traces of each gather that `gathers` would yield, without reading amplitudes."""

    def remarks(self) -> list[Remark]:
        """What the user should know about the file; may be more once its gathers have been read."""

    def gathers(self) -> Iterator[Recording | Picture]:
        """One gather after another, with memory for one.

        Raises:
            InputError: A part of the file cannot be read or makes no sense.
        """


def open_file(path: Path) -> int:
    """Open a file for reading.

    Args:
        path: The file.

    Returns:
        Its descriptor.

    Raises:
        InputError: It is missing, not a file, or may not be read.
    """
    name = source_text(path)
    if path.is_dir():
        raise InputError(f"{name}: a folder; give files")
    if not path.exists():
        if path.is_symlink():
            raise InputError(f"{name}: a link to a file that is not there; mount its disk, or remove the link")
        raise InputError(f"{name}: no such file; check its name")
    if not path.is_file():
        raise InputError(f"{name}: not a regular file; copy it to a disk")
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as wrong:
        raise InputError(f"{name}: cannot be opened ({wrong.strerror}); check its permissions") from None


def check_file(path: Path) -> None:
    """Make sure that a source is a file and not empty.

    Args:
        path: The file.

    Raises:
        InputError: As `open_file`, or it is empty.
    """
    os.close(open_file(path))
    if not path.stat().st_size:
        raise InputError(f"{source_text(path)}: has 0 bytes; copy it again")


def file_state(path: Path) -> State | None:
    """The state of a file; None if it is missing.

    Args:
        path: The file.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def check_unchanged(path: Path, before: State | None) -> None:
    """Make sure that a file is as it was before it was read, so that what was read is of one state.

    Args:
        path: The file.
        before: Its state then.

    Raises:
        SourceError: It is not.
    """
    if file_state(path) != before:
        text = f"{source_text(path)}: changed while it was read; run the command again when the file is complete"
        raise SourceError({path: text})


def overridden_interval(own_s: Iterable[float], options: ReadOptions) -> list[Remark]:
    """Report that the user's sample interval overrides the file's, which may be right: options apply to all sources.

    Args:
        own_s: The file's sample intervals, in seconds; empty if it gives none.
        options: What the user states.
    """
    asked_s = options.sample_interval_s
    others = [f"{one * 1e3:g}" for one in own_s if asked_s and not math.isclose(one, asked_s, rel_tol=1e-6)]
    if not others or not asked_s:
        return []
    text = f"gives a sample interval of {' and '.join(others)} ms; read with {asked_s * 1e3:g} ms, as --sample-interval"
    return [Remark("interval option", f"{text} says for all sources", is_warning=False)]


def file_stem(path: Path) -> str:
    """A file's name without its extension, as part of gather ids.

    Args:
        path: The file.
    """
    return re.sub(r"[^\w.-]+", "-", path.stem).lstrip(".-")[:100] or "file"
