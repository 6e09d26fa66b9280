"""A survey on disk: TFRecord shards, an index of their records and a manifest.

```
surveys/NAME/
  manifest.json           schema version, size, rendering, labels, checksums, where the gathers came from
  gathers.csv             one row a gather: id, label, geometry, and where its record lies
  gathers-00000.tfrecord  tf.train.Example records, readable by any tf.data.TFRecordDataset
```
"""

import contextlib
import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydantic
from google.protobuf.message import DecodeError

import glowseis
from glowseis.errors import InputError
from glowseis.survey.example import ARRAYS, parse, serialise
from glowseis.survey.framing import FOOTER_BYTES, HEADER_BYTES, Shard, ShardWriter, read_into
from glowseis.survey.gather import LABELS, Gather
from glowseis.survey.index import COLUMNS, PLACE, check_words, index_writer, read_index
from glowseis.survey.output import whole_folder

__all__ = ["SCHEMA", "Manifest", "Shard", "Survey", "open_survey", "write_survey"]

SCHEMA = 2
"""Version of the layout on disk; a reader refuses others."""

SHARD_BYTES = 150_000_000
"""Largest shard, unless one record is larger."""

MANIFEST, INDEX = "manifest.json", "gathers.csv"

RENDERING = (
    "level = clip(rint(128 + 128 amplitude / clip_amplitude), 0, 255); clip_amplitude is exceeded by 4 % of "
    "a gather's absolute amplitudes; zero and padding are 128; padded below and on the right"
)


class Manifest(pydantic.BaseModel, frozen=True, extra="forbid"):
    """What a survey is.

    Attributes:
        schema_version: Version of the layout on disk.
        glowseis: Version that wrote it.
        size: Height in samples and width in traces of every picture.
        rendering: How amplitudes became grey levels.
        gathers: Number of gathers.
        labels: Labels in use; the paper's classes first, in its order.
        counts: Gathers per label; unlabelled ones count in none.
        shards: The TFRecord files, in the order of the index.
        index_sha256: SHA-256 of the index.
        sources: Files or simulators that the gathers came from.
        about: What the writing command adds, such as the simulator's version and seed.
    """

    schema_version: int
    glowseis: str
    size: tuple[int, int]
    rendering: str
    gathers: int
    labels: tuple[str, ...]
    counts: dict[str, int]
    shards: tuple[Shard, ...]
    index_sha256: str
    sources: tuple[str, ...]
    about: dict[str, Any]


class Survey:
    """A survey opened for reading.

    Attributes:
        path: Its folder.
        manifest: What it is.
        index: One row a gather, with the columns of `glowseis.survey.index`.
    """

    def __init__(self, path: Path, manifest: Manifest, index: pd.DataFrame):
        self.path = path
        self.manifest = manifest
        self.index = index
        self._shards = index["shard"].tolist()
        self._offsets = index["offset_bytes"].to_numpy()
        self._lengths = index["length_bytes"].to_numpy()
        self._image_offsets = index["image_offset_bytes"].to_numpy()

    def __len__(self) -> int:
        return len(self.index)

    @property
    def size(self) -> tuple[int, int]:
        """Height in samples and width in traces of every picture."""
        return self.manifest.size

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in use; the paper's classes first, in its order."""
        return self.manifest.labels

    @functools.cached_property
    def checksum(self) -> str:
        """SHA-256 that tells these data from any other, whatever the folder is called."""
        parts = [self.manifest.index_sha256, *(shard.sha256 for shard in self.manifest.shards)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @functools.cached_property
    def _rows(self) -> dict[str, int]:
        return {gather_id: row for row, gather_id in enumerate(self.index["gather_id"])}

    def select(self, labels: Sequence[str] | None = None, ids: Sequence[str] | None = None) -> np.ndarray:
        """Choose gathers by label, by id, or by both.

        Args:
            labels: Labels to keep; all, unlabelled gathers included, when None.
            ids: Gather ids to keep; all when None.

        Returns:
            Row numbers in the order of the index, int64 `[gather]`.

        Raises:
            InputError: The survey has no such label or id.
        """
        keep = np.ones(len(self), bool)
        if labels is not None:
            counts = self.manifest.counts
            for label in labels:
                if label not in counts:
                    there = ", ".join(f"{name} ({counts[name]})" for name in self.labels) or "none"
                    raise InputError(f"{self.path}: no gather is labelled {label!r}; labels there: {there}")
            keep &= self.index["label"].isin(list(labels)).to_numpy()
        if ids is not None:
            wanted = np.zeros(len(self), bool)
            wanted[[self.row(gather_id) for gather_id in ids]] = True
            keep &= wanted
        return np.flatnonzero(keep)

    def row(self, gather_id: str) -> int:
        """Find a gather.

        Args:
            gather_id: Its id.

        Returns:
            Its row number.

        Raises:
            InputError: The survey has no such gather.
        """
        if gather_id not in self._rows:
            raise InputError(f"{self.path}: no gather {gather_id!r}; see the ids in {self.path / INDEX}")
        return self._rows[gather_id]

    def read(self, gather: str | int) -> Gather:
        """Read one gather.

        Args:
            gather: Its id or its row number.

        Returns:
            The gather with its picture and geometry.

        Raises:
            InputError: No such gather, or its record is damaged.
        """
        row = self.row(gather) if isinstance(gather, str) else int(gather)
        return self._gather(row)

    def read_images(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read the pictures of some gathers, all in memory: 573 kB a gather at 896 x 640.

        Args:
            rows: Row numbers.

        Returns:
            Grey levels, uint8 `[gather, time, trace]`.

        Raises:
            InputError: A record is damaged.
        """
        result = _aligned((len(rows), *self.size))
        for image, row in zip(result, rows, strict=True):
            self._read(int(row), image.reshape(-1), int(self._image_offsets[row]))
        return result

    def verify(self, rows: Iterable[int] | None = None) -> None:
        """Check the checksums and sizes of records and, when all are asked for, of whole shards.

        Args:
            rows: Rows whose records are checked; all records and shards when None.

        Raises:
            InputError: Something is damaged; names the first shard and record that is.
        """
        for row in range(len(self)) if rows is None else rows:
            self._gather(row)
        for shard in self.manifest.shards if rows is None else ():
            with (self.path / shard.file).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != shard.sha256:
                    raise InputError(f"{self.path / shard.file}: differs from its checksum; {_MEND}")

    def record_name(self, row: int) -> str:
        """Name a record in an error.

        Args:
            row: Its row number.

        Returns:
            Shard, number in the shard from 0, gather id.
        """
        shard, gather_id = self._shards[row], self.index["gather_id"].iat[row]
        return f"{self.path / shard}: record {row - self._shards.index(shard)} (gather {gather_id})"

    def _gather(self, row: int) -> Gather:
        record = np.empty(self._lengths[row], np.uint8)
        self._read(row, record, 0)
        try:
            gather = parse(record.tobytes())
        except (ValueError, IndexError, DecodeError) as wrong:
            raise InputError(f"{self.record_name(row)} is no gather ({wrong}); {_MEND}") from None
        if gather.image.shape != self.size:
            shape, size = ("x".join(map(str, sides)) for sides in (gather.image.shape, self.size))
            raise InputError(f"{self.record_name(row)} is a picture of {shape} where the manifest says {size}; {_MEND}")
        return gather

    def _read(self, row: int, part: np.ndarray, part_bytes: int) -> None:
        """Read a part of a record, all of which is checked."""
        path = self.path / self._shards[row]
        try:
            whole = read_into(path, int(self._offsets[row]), int(self._lengths[row]), part, part_bytes)
        except FileNotFoundError:
            raise InputError(f"{path}: this shard is missing; {_MEND}") from None
        except OSError as wrong:
            raise InputError(f"{self.record_name(row)} cannot be read: {wrong.strerror}; {_MEND}") from None
        if not whole:
            raise InputError(f"{self.record_name(row)} is damaged: its checksum differs; {_MEND}")


_MEND = "copy the survey again or make it anew"


def write_survey(
    out: Path,
    gathers: Iterable[Gather],
    size: tuple[int, int],
    about: dict[str, Any],
    shard_bytes: int = SHARD_BYTES,
) -> Manifest:
    """Write a survey, whole or not at all, with memory that does not grow with the number of gathers.

    Args:
        out: Folder to be made.
        gathers: What to write, one after another.
        size: Height in samples and width in traces of every picture.
        about: What to add to the manifest, such as the simulator's version and seed; JSON.
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
) -> Manifest:
    """Write a survey's files into a folder that is there, for those who put more into it; else as `write_survey`.

    Args:
        folder: Where to write; becomes the survey.
        gathers: What to write, one after another.
        size: Height in samples and width in traces of every picture.
        about: What to add to the manifest.
        shard_bytes: A shard is closed before it would grow beyond this.

    Returns:
        The manifest.

    Raises:
        InputError: There are no gathers, or one has another size, a bad or repeated id, or a bad label.
        OSError: The disk is full or not writable.
    """
    labels: Counter[str] = Counter()
    sources: dict[str, None] = {}
    seen: set[str] = set()
    with contextlib.closing(ShardWriter(folder, shard_bytes)) as writer, index_writer(folder / INDEX) as write_row:
        for gather in gathers:
            _check(gather, size, seen)
            seen.add(gather.gather_id)
            labels[gather.label] += 1
            sources[gather.source] = None
            record = serialise(gather)
            shard, offset_bytes = writer.write(record)
            place = {
                "shard": shard,
                "offset_bytes": offset_bytes,
                "length_bytes": len(record),
                "image_offset_bytes": record.index(gather.image.tobytes()),
            }
            write_row(gather, place)
    if not seen:
        raise InputError("there are no gathers to write; check the sources")
    known = [label for label in LABELS if labels[label]]
    used = (*known, *sorted(set(labels) - {"", *known}))
    manifest = Manifest(
        schema_version=SCHEMA,
        glowseis=glowseis.__version__,
        size=size,
        rendering=RENDERING,
        gathers=len(seen),
        labels=used,
        counts={label: labels[label] for label in used},
        shards=tuple(writer.shards),
        index_sha256=hashlib.sha256((folder / INDEX).read_bytes()).hexdigest(),
        sources=tuple(sources),
        about=about,
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def open_survey(path: Path) -> Survey:
    """Open a survey and check that its files are there, whole and its own.

    Lengths and the index are checked here; `Survey.verify` checks every byte, and reading checks each record.

    Args:
        path: Its folder.

    Returns:
        The survey.

    Raises:
        InputError: Not a survey, written by an older or newer glowseis, damaged or incomplete.
    """
    path = Path(path)
    manifest = _read_manifest(path)
    index = _read_index(path, manifest)
    survey = Survey(path, manifest, index)
    _check_places(path, manifest, index)
    for shard in manifest.shards:
        file = path / shard.file
        if not file.is_file():
            raise InputError(f"{file}: this shard is missing; {_MEND}")
        found = file.stat().st_size
        if found < shard.bytes:
            ends = index["offset_bytes"] + index["length_bytes"] + HEADER_BYTES + FOOTER_BYTES
            row = int(np.argmax(((index["shard"] == shard.file) & (ends > found)).to_numpy()))
            raise InputError(
                f"{survey.record_name(row)} is missing or cut short: the shard has {found} of {shard.bytes} "
                f"bytes; {_MEND}"
            )
        if found > shard.bytes:
            raise InputError(f"{file}: has {found} bytes where the manifest says {shard.bytes}; {_MEND}")
    return survey


def _read_manifest(path: Path) -> Manifest:
    file = path / MANIFEST
    if not path.exists():
        raise InputError(f"{path}: no such survey; make one with python -m glowseis.simulate --out {path}")
    if not file.is_file():
        raise InputError(f"{path}: not a survey, it has no {MANIFEST}; give the folder that ingest or simulate made")
    try:
        content = json.loads(file.read_bytes())
        version = content["schema_version"]
        if isinstance(version, int) and version > SCHEMA:
            raise InputError(
                f"{path}: written by a newer glowseis: schema {version}, this one reads {SCHEMA}; upgrade it"
            )
        if isinstance(version, int) and version < SCHEMA:
            raise InputError(
                f"{path}: written by an older glowseis: schema {version}, this one reads {SCHEMA}; make it anew from "
                "its sources"
            )
        return Manifest.model_validate_json(json.dumps(content), strict=True)
    except pydantic.ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{file}: {where}: {first['msg']}; {_MEND}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{file}: is damaged, it cannot be read as a survey's JSON; {_MEND}") from None


def _read_index(path: Path, manifest: Manifest) -> pd.DataFrame:
    file = path / INDEX
    if not file.is_file():
        raise InputError(f"{file}: the index is missing; {_MEND}")
    if hashlib.sha256(file.read_bytes()).hexdigest() != manifest.index_sha256:
        raise InputError(f"{file}: was changed after it was written; {_MEND}")
    try:
        index = read_index(file)
    except (ValueError, OverflowError) as wrong:
        raise InputError(f"{file}: cannot be read ({wrong}); {_MEND}") from None
    missing = sorted(set(COLUMNS | PLACE) - set(index))
    if missing:
        raise InputError(f"{file}: has no column {missing[0]}; {_MEND}")
    return index


def _check_places(path: Path, manifest: Manifest, index: pd.DataFrame) -> None:
    """Make sure that manifest and index speak of the same records."""
    if not len(index) == manifest.gathers == sum(shard.records for shard in manifest.shards):
        raise InputError(f"{path}: {MANIFEST} speaks of {manifest.gathers} gathers, {INDEX} has {len(index)}; {_MEND}")
    bytes_of = {shard.file: shard.bytes for shard in manifest.shards}
    offset, length, image = (index[name] for name in ("offset_bytes", "length_bytes", "image_offset_bytes"))
    room = index["shard"].map(bytes_of)
    height, width = manifest.size
    # Subtracted, for sums of numbers that make no sense may overflow; a shard that is unknown has no room.
    right = (offset >= 0) & (length >= 0) & (image >= 0) & (length <= room)
    right &= offset <= room - length.clip(upper=room) - (HEADER_BYTES + FOOTER_BYTES)
    right &= image <= length.clip(lower=0) - height * width
    if not right.all():
        row = int(np.argmin(right.to_numpy()))
        raise InputError(
            f"{path / INDEX}: gather {index['gather_id'].iat[row]} lies where {index['shard'].iat[row]} has no picture "
            f"of {height}x{width}; {_MEND}"
        )


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Memory at a multiple of 64 bytes, which TensorFlow takes over without a copy."""
    count = int(np.prod(shape))
    memory = np.empty(count + 63, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + count].reshape(shape)


def _check(gather: Gather, size: tuple[int, int], seen: set[str]) -> None:
    name = gather.gather_id
    check_words(gather, seen)
    if gather.image.shape != tuple(size) or gather.image.dtype != np.uint8:
        shape = "x".join(map(str, gather.image.shape))
        raise InputError(
            f"gather {name} is a picture of {shape} {gather.image.dtype}, the survey's are "
            f"{size[0]}x{size[1]} uint8; render it to the survey's size"
        )
    traces = gather.recorded_shape[1] if gather.fit == "resize" and gather.recorded_shape else gather.valid_traces
    for field in ARRAYS:
        if len(getattr(gather.geometry, field)) != traces:
            raise ValueError(f"gather {name}: geometry.{field} must have {traces} elements, one a trace")
