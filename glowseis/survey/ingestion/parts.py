"""Parts of a survey that others make ahead of an ingest: the gathers of one file, and what the report tells of them."""

import hashlib
import itertools
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.survey.formats.pictures import TABLE
from glowseis.survey.formats.source import ReadOptions, Remark, Source, State, blamed_on, file_state
from glowseis.survey.formats.sources import open_source
from glowseis.survey.formats.targets import table_of
from glowseis.survey.gather import Gather, Picture, Recording, source_text
from glowseis.survey.ingestion.opening import Opened
from glowseis.survey.ingestion.request import Request
from glowseis.survey.render import ZERO_LEVEL, render, trace_states
from glowseis.survey.store.example import parse, serialise
from glowseis.survey.store.framing import frame, records_of
from glowseis.version import code_digest

Silent = Mapping[str, tuple[int, int]]
"""Traces without signal, `broken` or `dead`: how many, and the first, from 1, or 0 if others are declared dead."""


@dataclass(frozen=True)
class Rendered(Gather):
    """A gather of a part: as its file names it, without the survey's label.

    Attributes:
        silent: Its traces without signal.
    """

    silent: Silent = field(default_factory=dict)


def read_states(path: Path) -> list[State | None]:
    """The states of a file and of the tables that may lie beside it: its own, and that of a folder of pictures.

    Args:
        path: The file.
    """
    return [file_state(each) for each in (path, table_of(path), path.parent / TABLE)]


@dataclass(frozen=True)
class Task:
    """A file whose part may be made elsewhere, and how it is read.

    Attributes:
        path: The file, absolute.
        kind: Its format; by its extension when None.
        options: What the user states about it.
        first_shot: As for `glowseis.survey.formats.sources.open_source`.
        size: Samples and traces of the images.
        fit: `pad`, `crop` or `resize`.
    """

    path: Path
    kind: str | None
    options: ReadOptions
    first_shot: int
    size: tuple[int, int]
    fit: str

    def key(self) -> str:
        """A name that changes with everything that the part depends on."""
        return hashlib.sha256(repr((code_digest(), self, read_states(self.path))).encode()).hexdigest()

    def records(self) -> Iterator[bytes]:
        """The records of the part: of each gather its traces without signal, then itself; then the file's remarks."""
        source = open_source(self.path, self.options, self.kind, self.first_shot)
        name = source_text(self.path)
        for found in source.gathers():
            gather = render(found, *self.size, self.fit, self.options.zero_level)
            yield json.dumps(silent_traces(found, gather)).encode()
            if not gather.source.startswith(name):
                raise ValueError(f"{gather.source} is not from {name}")
            # The file may have another name for the process that asked.
            record = serialise(replace(gather, source=gather.source.removeprefix(name)))
            if serialise(parse(record)) != record:
                raise ValueError("a gather cannot be read back as it was")
            yield record
        yield json.dumps([asdict(remark) for remark in source.remarks()]).encode()


def tasks_of(request: Request, opened: Opened, done: int) -> dict[Path, Task]:
    """The files whose parts may be made elsewhere.

    Args:
        request: How they are read.
        opened: All files.
        done: How many of them are finished.
    """
    tasks = {}
    for number, source in enumerate(opened.sources):
        # The table of synthetic gathers may have any name.
        if number >= done and not getattr(source, "is_synthetic", False):
            path = source.path.absolute()
            size = (opened.size[0], opened.size[1])
            first = getattr(source, "first_shot", 1)
            tasks[source.path] = Task(path, request.kind, request.options, first, size, request.fit)
    return tasks


def make_part(task: Task, folder: Path, key: str) -> bool:
    """Make the part of a file, whole or not at all.

    Args:
        task: The file.
        folder: Where parts are; nothing is made if it is gone.
        key: The key that the task had, the part's name.

    Returns:
        Whether it is there; it is not if the file cannot be read, has changed, or is another one for this process.

    Raises:
        OSError: Something went wrong that may not happen again.
    """
    out = folder / key
    if is_part(out):
        return True
    if not folder.is_dir() or task.key() != key:
        return False
    # Without a lock, and without making folders: whoever asked may end meanwhile. A part that is torn is noticed.
    unfinished = folder / f".{key}.{uuid.uuid4().hex}"
    try:
        with unfinished.open("wb") as file:
            for record in task.records():
                file.write(frame(record))
        if task.key() != key:
            return False
        os.replace(unfinished, out)
    except InputError:
        return False
    finally:
        unfinished.unlink(missing_ok=True)
    return True


def is_part(path: Path) -> bool:
    """Whether a path is that of a part; an empty file says that there is none."""
    return bool((file_state(path) or (0, 0))[0])


def read_source(
    source: Source, part: Path | None, told: dict[str, list[Remark]]
) -> Iterator[Recording | Picture | Rendered]:
    """The gathers of a file: from its part, as far as that is whole, or else from the file itself.

    Args:
        source: The file.
        part: Its part; None if there is none.
        told: Gets the remarks on the file, if there are any, by its printable path.

    Raises:
        SourceError: The file cannot be read.
    """
    name = source_text(source.path)
    taken = 0
    if part:
        records = records_of(part)
        for note in records:
            record = next(records, None)
            content = json.loads(note)
            if isinstance(content, list):
                _tell(told, name, [Remark(**remark) for remark in content])
                return
            if record is not None:
                taken += 1
                gather = parse(record)
                silent = {kind: (count, first) for kind, (count, first) in content.items()}
                yield Rendered(**vars(gather) | {"source": f"{name}{gather.source}"}, silent=silent)
    with blamed_on(source.path):
        yield from itertools.islice(source.gathers(), taken, None)
    _tell(told, name, source.remarks())


def _tell(told: dict[str, list[Remark]], name: str, remarks: list[Remark]) -> None:
    """Note remarks; of most files there are none, and these are not listed."""
    if remarks:
        told[name] = remarks


def silent_traces(found: Recording | Picture | Rendered, gather: Gather) -> Silent:
    """The traces of a gather that carry no signal; most gathers have none, and are not searched again.

    Args:
        found: The gather as its file has it.
        gather: Its image.
    """
    if isinstance(found, Rendered):
        return found.silent
    if not gather.dead_traces:
        return {}
    if isinstance(found, Picture):
        broken, dead = np.zeros(found.image.shape[1], bool), (found.image == ZERO_LEVEL).all(axis=0)
    else:
        broken, dead = trace_states(found.amplitude)
    declared = found.mended.get("declared_dead", 0)
    return {
        kind: (int(traces.sum()) - known, 0 if known else int(np.argmax(traces)) + 1)
        for kind, traces, known in (("broken", broken, 0), ("dead", dead & ~broken, declared))
        if traces.sum() > known
    }
