"""Writing a survey: shards, index and manifest, and resuming one whose writer was stopped.

Each record is in its shard before its row is in the index, and both are passed to the system immediately. A killed
writer therefore leaves some whole records and perhaps a part of one more, which is cut off.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from glowseis.errors import InputError
from glowseis.files import whole_folder
from glowseis.survey.gather import Gather
from glowseis.survey.progress import progress
from glowseis.survey.severity import alike, by_severity
from glowseis.survey.store.example import ARRAYS, parse, serialise
from glowseis.survey.store.framing import ShardWriter
from glowseis.survey.store.index import COLUMNS, PLACE, check_words, index_sha256, index_writer, row_text, write_parquet
from glowseis.survey.store.manifest import INDEX, MANIFEST, PARQUET, RENDERING, SCHEMA, Manifest
from glowseis.version import __version__

SHARD_BYTES = 150_000_000
"""Largest shard, unless one record is larger."""

MANY = 100_000
"""Gathers from which on a survey's index is also written as Parquet."""


@dataclass
class Written:
    """What has been written of a survey; only the ids of its gathers are kept, so that memory stays flat.

    Attributes:
        shards: Where the next record goes.
        ids: Ids that are taken.
        labels: Gathers per label, `""` included.
        sources: Where they came from, each once, in order.
    """

    shards: ShardWriter
    ids: set[str] = field(default_factory=set)
    labels: Counter[str] = field(default_factory=Counter)
    sources: dict[str, None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, gather: Gather) -> None:
        """Add a gather."""
        self.ids.add(gather.gather_id)
        self.labels[gather.label] += 1
        self.sources[gather.source] = None


def write_survey(
    out: Path,
    gathers: Iterable[Gather],
    size: tuple[int, int],
    about: dict[str, Any],
    shard_bytes: int = SHARD_BYTES,
) -> Manifest:
    """Write a survey, whole or not at all, with memory that does not grow with the number of gathers.

    Args:
        out: Folder to make.
        gathers: What to write, one after another.
        size: Height in samples and width in traces of every image.
        about: What to add to the manifest, such as the simulator's version and seed, as JSON.
        shard_bytes: A shard is closed before it would grow beyond this.

    Returns:
        The manifest.

    Raises:
        InputError: The output exists, there are no gathers, or one has another size, a bad or repeated id, or a bad
            label.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    with whole_folder(Path(out)) as folder:
        return write_records(folder, gathers, size, about, shard_bytes)


def write_records(
    folder: Path,
    gathers: Iterable[Gather],
    size: tuple[int, int],
    about: dict[str, Any],
    shard_bytes: int = SHARD_BYTES,
    written: Written | None = None,
) -> Manifest:
    """Write a survey's files into an existing folder, to which the caller may add more; otherwise like `write_survey`.

    Args:
        folder: The folder to write to, which becomes the survey.
        gathers: What to write, one after another.
        size: Height in samples and width in traces of every image.
        about: What to add to the manifest.
        shard_bytes: A shard is closed before it would grow beyond this.
        written: What `take_up` found there already; the gathers continue after it.

    Returns:
        The manifest.

    Raises:
        InputError: There are no gathers, or one has another size, a bad or repeated id, or a bad label.
        OSError: The disk is full or not writable.
    """
    if written is None:
        written = Written(ShardWriter(folder, shard_bytes))
    with contextlib.closing(written.shards), index_writer(folder / INDEX, append=bool(written)) as write_row:
        for gather in gathers:
            _check(gather, size, written.ids)
            if gather.label not in written.labels and (other := alike(gather.label, written.labels)):
                raise InputError(
                    f"gather {gather.gather_id} is labelled {gather.label!r}, others {other!r}; use one spelling"
                )
            written.add(gather)
            record = serialise(gather)
            write_row(gather, _place(*written.shards.write(record), record, gather))
    if not written:
        raise InputError("there are no gathers to write; check the sources")
    used = by_severity(set(written.labels) - {""})
    if len(written) >= MANY:
        write_parquet(folder / INDEX, folder / PARQUET)
    manifest = Manifest(
        schema_version=SCHEMA,
        glowseis=__version__,
        size=size,
        rendering=RENDERING,
        gathers=len(written),
        labels=used,
        counts={label: written.labels[label] for label in used},
        shards=tuple(written.shards.shards),
        index_sha256=index_sha256(folder / INDEX),
        parquet_sha256=index_sha256(folder / PARQUET) if len(written) >= MANY else None,
        sources=tuple(written.sources),
        about=about,
    )
    text = manifest.model_dump_json(indent=2, exclude={"parquet_sha256"} if manifest.parquet_sha256 is None else None)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return manifest


def take_up(folder: Path, shard_bytes: int = SHARD_BYTES, is_whole: Callable[[Gather], bool] | None = None) -> Written:
    """Find what a stopped writer finished, and cut off the rest.

    Every record is read and its checksum compared, so it does not matter how the writer ended.

    Args:
        folder: Where it wrote, or an empty one.
        shard_bytes: The value that it was given.
        is_whole: Called with one gather after another; returns whether everything else written of it is complete.

    Returns:
        What is written, to pass to `write_records`.

    Raises:
        OSError: The folder cannot be read or written.
    """
    file = folder / INDEX
    header = ",".join((*COLUMNS, *PLACE)).encode() + b"\n"
    written = Written(ShardWriter(folder, shard_bytes))
    end_bytes = len(header)
    with contextlib.ExitStack() as stack:
        lines = stack.enter_context(file.open("rb")) if file.exists() else None
        if lines and lines.readline() == header:
            for line in progress(lines, None, "checking what is there"):
                found = _found(written.shards, line)
                if found is None or found[1].gather_id in written.ids or (is_whole and not is_whole(found[1])):
                    break
                record, gather = found
                written.shards.take_up(record)
                written.add(gather)
                end_bytes += len(line)
    written.shards.cut()
    if written:
        with file.open("r+b") as index:
            index.truncate(end_bytes)
    return written


def _found(shards: ShardWriter, line: bytes) -> tuple[bytes, Gather] | None:
    """The next record and its gather, if a row of the index and its record are whole."""
    try:
        length_bytes = int(dict(zip(reversed(PLACE), reversed(line.decode().split(",")), strict=False))["length_bytes"])
        record = shards.find(length_bytes)
        if record is None:
            return None
        gather = parse(record)
        whole = row_text(gather, _place(*shards.next_place(length_bytes), record, gather)).encode() == line
    except (ValueError, TypeError, IndexError, KeyError, DecodeError):
        return None
    return (record, gather) if whole else None


def _place(shard: str, offset_bytes: int, record: bytes, gather: Gather) -> dict[str, Any]:
    """The index columns that locate a record."""
    return {
        "shard": shard,
        "offset_bytes": offset_bytes,
        "length_bytes": len(record),
        "image_offset_bytes": _image_offset(record, gather.image.tobytes()),
    }


def _image_offset(record: bytes, image: bytes) -> int:
    """Where in a record its image lies; searching only for its beginning is twenty times faster."""
    offset_bytes = record.index(image[:4096])
    return offset_bytes if record.startswith(image, offset_bytes) else record.index(image)


def _check(gather: Gather, size: tuple[int, int], seen: set[str]) -> None:
    name = gather.gather_id
    check_words(gather, seen)
    if gather.image.shape != tuple(size) or gather.image.dtype != np.uint8:
        shape = "x".join(map(str, gather.image.shape))
        raise InputError(
            f"gather {name} is an image of {shape} {gather.image.dtype}, but the survey's are "
            f"{size[0]}x{size[1]} uint8; render it to the survey's size"
        )
    traces = gather.recorded_shape[1] if gather.fit == "resize" and gather.recorded_shape else gather.valid_traces
    for array in ARRAYS:
        if len(getattr(gather.geometry, array)) != traces:
            raise ValueError(f"gather {name}: geometry.{array} must have {traces} elements, one per trace")
