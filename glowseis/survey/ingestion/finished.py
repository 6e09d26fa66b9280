"""What an ingest that was stopped has finished: whole files, and what was noted of their gathers."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydantic

from glowseis.files import write_json
from glowseis.survey.formats.source import Source, State
from glowseis.survey.gather import source_text
from glowseis.survey.ingestion.label_rows import ShotRange
from glowseis.survey.ingestion.label_table import LabelTable
from glowseis.survey.ingestion.parts import read_states
from glowseis.survey.ingestion.report import Tally

FILE = "finished.json"
"""Where it is noted, in the folder that becomes the survey."""

EVERY_S = 5.0
"""Shortest time between two notes."""


class KnownFile(pydantic.BaseModel, frozen=True):
    """A file: its path, printable, and the states of it, of its table and of that of its folder's pictures."""

    source: str
    states: list[State | None]


class FoundRow(pydantic.BaseModel, frozen=True):
    """A row of labels that a gather matched, with the file and sail line of the first that did."""

    key: tuple[str | int | ShotRange, ...]
    file: str
    line: int


class Note(pydantic.BaseModel):
    """What is finished.

    Attributes:
        files: The files whose gathers are all in the survey, in order.
        size: Samples and traces of the survey's images.
        gathers: How many of them are in the survey.
        first: Ids of the first gathers.
        tally: What was done to all of them.
        labels: `labels_sha256` of the labels that they were given.
        rows: Rows of labels that they matched.
        seen: Lowest and highest line, shot and cable that were looked up.
    """

    files: list[KnownFile]
    size: tuple[int, int]
    gathers: int
    first: list[str]
    tally: Tally
    labels: str
    rows: list[FoundRow]
    seen: dict[str, tuple[int, int]]


@dataclass
class Finished:
    """What is finished, and where that is noted.

    Attributes:
        folder: The folder that becomes the survey; nothing is noted when None.
        keep: Called before something is noted.
        note: What was finished when this began; None if nothing was.
        ids: Ids of all gathers so far, those left out too.
        labels: `labels_sha256` of the labels.
    """

    folder: Path | None = None
    keep: Callable[[], None] = lambda: None
    note: Note | None = None
    ids: set[str] = field(default_factory=set)
    labels: str = ""
    _noted_s: float = -EVERY_S

    @property
    def files(self) -> int:
        """How many files are finished."""
        return len(self.note.files) if self.note else 0

    @property
    def gathers(self) -> int:
        """How many of their gathers are in the survey."""
        return self.note.gathers if self.note else 0

    def write(
        self,
        sources: Sequence[Source],
        size: tuple[int, int],
        gathers: int,
        first: Sequence[str],
        tally: Tally,
        table: LabelTable | None,
    ) -> None:
        """Note what is finished, unless that was done a moment ago.

        Args:
            sources: The finished files.
            size: Samples and traces of the survey's images.
            gathers: How many of their gathers are in the survey.
            first: Ids of the first gathers.
            tally: What was done to them.
            table: The labels, if there are any.
        """
        if self.folder is None or time.monotonic() - self._noted_s < EVERY_S:
            return
        found = table.found.items() if table else ()
        note = Note(
            files=[known_file(source.path) for source in sources],
            size=size,
            gathers=gathers,
            first=list(first),
            tally=tally,
            labels=self.labels,
            rows=[FoundRow(key=key, file=str(file), line=line) for key, (file, line) in found],
            seen=table.seen if table else {},
        )
        self.keep()
        write_json(self.folder / FILE, note.model_dump(mode="json"), indent=None)
        self._noted_s = time.monotonic()


def known_file(path: Path) -> KnownFile:
    """A file and what it is read with.

    Args:
        path: The file.
    """
    return KnownFile(source=source_text(path), states=read_states(path))


def labels_sha256(table: LabelTable | None) -> str:
    """SHA-256 of labels and of what they are for, as hexadecimal digits; empty if there are none.

    Args:
        table: The labels.
    """
    return hashlib.sha256(repr([table.labels, table.said]).encode()).hexdigest() if table else ""


def read_note(folder: Path, sources: Sequence[Source], size: tuple[int, int], table: LabelTable | None) -> Note | None:
    """What was finished before, if it still holds.

    Args:
        folder: The folder that becomes the survey.
        sources: The files.
        size: Samples and traces of its images.
        table: The labels, if there are any; gets the rows that were matched.

    Returns:
        The note; None if there is none, or other files come first now, one of them or the labels changed, or images get
        another size.
    """
    try:
        note = Note.model_validate_json((folder / FILE).read_bytes())
        now = [known_file(source.path) for source in sources[: len(note.files)]]
    except (OSError, ValueError):
        return None
    if now != note.files or tuple(note.size) != tuple(size) or note.labels != labels_sha256(table):
        return None
    if table:
        table.found.update({one.key: (Path(one.file), one.line) for one in note.rows})
        table.seen.update(note.seen)
    return note
