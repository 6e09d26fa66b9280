"""What every reader of gathers is, and what users may tell a reader."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from glowseis.errors import InputError
from glowseis.survey.gather import Picture, Recording, source_text


@dataclass(frozen=True)
class ReadOptions:
    """What a user says of a source that the file does not say, or says wrongly. A reader takes what concerns it.

    Attributes:
        label: Label of every gather, or `""`.
        sample_interval_s: Time between two samples, in seconds; the file's own when None.
        shot_header: What tells shots apart: the name of a trace header word, or its byte number.
        trace_header: Where the channel is, named likewise.
        cable_header: What tells the cables of a shot apart, named likewise; None when they are not mixed.
        line_header: Where the sail line is, named likewise; None takes the file header's.
        sample_format: What the samples are, instead of what the file says, such as `ibm` or `ieee`.
        byte_order: `big` or `little`, instead of what the file seems to be.
        samples: Samples of each trace, instead of what the file says.
        keep_auxiliary: Whether traces that their header calls auxiliary are channels all the same.
        dataset: Which array of a file with several holds the gathers.
        axes: Meaning of that array's axes, such as `gather,trace,time`.
        zero_level: What zero amplitude is in the file's numbers; measured when None.
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
    """What a user should hear of a file.

    Attributes:
        kind: A word for what it is about; remarks of one kind on several files are one line.
        text: What was seen, and the option that mends it; without the file's name.
        is_warning: Whether the file may be read wrongly; `--strict` refuses it then.
    """

    kind: str
    text: str
    is_warning: bool = True


class Source(Protocol):
    """A file of gathers that was opened and looked at; nothing but its headers was read.

    Attributes:
        path: The file.
    """

    path: Path

    @property
    def interval_s(self) -> float | None:
        """Time between two samples, in seconds; None when neither file nor user tells it.

        Raises:
            InputError: The file tells several, or none where its format must.
        """

    def shapes(self) -> Iterator[tuple[int, int]]:
        """Samples and traces of each gather that `gathers` would give, without reading amplitudes."""

    def remarks(self) -> list[Remark]:
        """What the user should hear of the file: once it was opened, and anew once its gathers were read."""

    def gathers(self) -> Iterator[Recording | Picture]:
        """One gather after another, with memory for one.

        Raises:
            InputError: A part of the file cannot be read or makes no sense.
        """


def check_file(path: Path) -> None:
    """Make sure that a source is a file with something in it.

    Args:
        path: The file.

    Raises:
        InputError: It is missing, empty, something else, or may not be read.
    """
    name = source_text(path)
    if not path.exists():
        raise InputError(f"{name}: no such file; check its name")
    if not path.is_file():
        raise InputError(f"{name}: is not a file; give files of gathers")
    if not path.stat().st_size:
        raise InputError(f"{name}: has 0 bytes; copy it again")
    try:
        path.open("rb").close()
    except OSError as wrong:
        raise InputError(f"{name}: cannot be opened ({wrong.strerror}); check its permissions") from None


def overridden_interval(own_s: Iterable[float], options: ReadOptions) -> list[Remark]:
    """Mention that a sample interval takes the place of the file's, which may be right: options are for all sources.

    Args:
        own_s: What the file gives, in seconds; nothing where it gives none.
        options: What the user gave.
    """
    asked_s = options.sample_interval_s
    others = [f"{one * 1e3:g}" for one in own_s if asked_s and not math.isclose(one, asked_s, rel_tol=1e-6)]
    if not others or not asked_s:
        return []
    text = f"gives a sample interval of {' and '.join(others)} ms; read with {asked_s * 1e3:g} ms, as --sample-interval"
    return [Remark("interval option", f"{text} says for all sources", is_warning=False)]


def file_stem(path: Path) -> str:
    """A file's name without its ending, as part of gather ids.

    Args:
        path: The file.
    """
    return re.sub(r"[^\w.-]+", "-", path.stem).lstrip(".-")[:100] or "file"
