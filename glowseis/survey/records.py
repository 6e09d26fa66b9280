"""A survey on disk: TFRecord shards, an index of their records and a manifest.

```
surveys/NAME/
  manifest.json           schema version, size, rendering, labels, checksums, where the gathers came from
  gathers.csv             one row a gather: id, label, geometry, and where its record lies
  gathers-00000.tfrecord  tf.train.Example records, readable by any tf.data.TFRecordDataset
```
"""

import contextlib
import csv
import functools
import hashlib
import json
import os
import re
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import numpy as np
import pandas as pd
import pydantic
import tensorflow as tf

import glowseis
from glowseis.errors import InputError
from glowseis.survey.gather import LABELS, Gather, Geometry, Origin
from glowseis.survey.output import check_output, whole_folder

__all__ = ["SCHEMA", "Manifest", "Shard", "Survey", "check_output", "open_survey", "write_survey"]

SCHEMA = 1
"""Version of the layout on disk; a reader refuses newer ones."""

MANIFEST, INDEX = "manifest.json", "gathers.csv"

RENDERING = (
    "level = clip(rint(128 + 128 amplitude / clip_amplitude), 0, 255); clip_amplitude is exceeded by 4 % of "
    "a gather's absolute amplitudes; zero and padding are 128; padded below and on the right"
)

COLUMNS: dict[str, type] = {
    "gather_id": str,
    "label": str,
    "sail_line": np.int64,
    "shot": np.int64,
    "cable": np.int64,
    "shard": str,
    "offset_bytes": np.int64,
    "length_bytes": np.int64,
    "valid_samples": np.int64,
    "valid_traces": np.int64,
    "recorded_samples": np.int64,
    "recorded_traces": np.int64,
    "fit": str,
    "clip_amplitude": np.float64,
    "sample_interval_s": np.float64,
    "source": str,
    "parents": str,
    "alpha": np.float64,
    "seed": np.int64,
    "model": str,
}
"""Columns of the index. `offset_bytes` is where the record's frame begins, `length_bytes` the Example's own
length, `parents` their ids joined by semicolons; samples and traces are counts."""

HEADER_BYTES, FOOTER_BYTES = 12, 4
"""A TFRecord frame: length (uint64), its masked CRC-32C, the data, their masked CRC-32C; little-endian."""


class Shard(pydantic.BaseModel, frozen=True, extra="forbid"):
    """One TFRecord file: its name, its number of records, its length in bytes and its SHA-256."""

    file: str = pydantic.Field(pattern=r"^\w[\w.-]*$")
    records: int
    bytes: int
    sha256: str


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
        index: One row a gather, with the columns of `COLUMNS`.
    """

    def __init__(self, path: Path, manifest: Manifest, index: pd.DataFrame):
        self.path = path
        self.manifest = manifest
        self.index = index

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
        """Row number of a gather.

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
        return _parse(self._record(row), *self.size)

    def verify(self, rows: Iterable[int] | None = None) -> None:
        """Check the checksums of records and, when all are asked for, of whole shards.

        Args:
            rows: Rows whose records are checked; all records and shards when None.

        Raises:
            InputError: Something is damaged; names the first shard and record that is.
        """
        for row in range(len(self)) if rows is None else rows:
            self._record(row)
        for shard in self.manifest.shards if rows is None else ():
            with (self.path / shard.file).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != shard.sha256:
                    raise InputError(f"{self.path / shard.file}: differs from its checksum; {_MEND}")

    def record_name(self, row: int) -> str:
        """Words that name a record in an error: shard, number in the shard from 0, gather id."""
        shard = self.index["shard"].iat[row]
        number = row - int(np.argmax(self.index["shard"].to_numpy() == shard))
        return f"{self.path / shard}: record {number} (gather {self.index['gather_id'].iat[row]})"

    def _record(self, row: int) -> bytes:
        """Read the bytes of one record and check both of its checksums."""
        length = int(self.index["length_bytes"].iat[row])
        path = self.path / self.index["shard"].iat[row]
        count = HEADER_BYTES + length + FOOTER_BYTES
        try:
            with path.open("rb", buffering=0) as file:
                frame = os.pread(file.fileno(), count, int(self.index["offset_bytes"].iat[row]))
        except FileNotFoundError:
            raise InputError(f"{path}: this shard is missing; {_MEND}") from None
        if len(frame) < count:
            raise InputError(f"{self.record_name(row)} is cut short; {_MEND}")
        record = frame[HEADER_BYTES:-FOOTER_BYTES]
        if frame[:HEADER_BYTES] != _header(length) or frame[-FOOTER_BYTES:] != _checksum(record):
            raise InputError(f"{self.record_name(row)} is damaged: its checksum differs; {_MEND}")
        return record


_MEND = "copy the survey again or make it anew"


def write_survey(
    out: Path,
    gathers: Iterable[Gather],
    size: tuple[int, int],
    about: dict[str, Any],
    shard_bytes: int = 150_000_000,
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
        InputError: The output exists, there are no gathers, or one has another size or a bad or repeated id.
        OSError: The disk is full or not writable; nothing is left behind.
    """
    with whole_folder(Path(out)) as folder:
        labels: Counter[str] = Counter()
        sources: dict[str, None] = {}
        seen: set[str] = set()
        with contextlib.closing(_ShardWriter(folder, shard_bytes)) as shards, _index_writer(folder) as index:
            for gather in gathers:
                _check(gather, size, seen)
                seen.add(gather.gather_id)
                labels[gather.label] += 1
                sources[gather.source] = None
                index.writerow(_index_row(gather, *shards.write(_serialise(gather))))
        if not seen:
            raise InputError(f"{out}: there are no gathers to write; check the sources")
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
            shards=tuple(shards.done),
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
        InputError: Not a survey, written by a newer glowseis, damaged or incomplete.
    """
    path = Path(path)
    manifest = _read_manifest(path)
    index = _read_index(path, manifest)
    survey = Survey(path, manifest, index)
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
        raise InputError(
            f"{path}: not a survey, it has no {MANIFEST}; give the folder that ingest or simulate made"
        )
    try:
        content = json.loads(file.read_bytes())
        version = content["schema_version"]
        if isinstance(version, int) and version > SCHEMA:
            raise InputError(
                f"{path}: written by a newer glowseis: schema {version}, this one reads {SCHEMA}; upgrade it"
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
    return pd.read_csv(file, dtype=COLUMNS, keep_default_na=False, float_precision="round_trip")


class _ShardWriter:
    """Appends records to numbered shards and keeps their checksums."""

    def __init__(self, folder: Path, shard_bytes: int):
        self.folder = folder
        self.shard_bytes = shard_bytes
        self.done: list[Shard] = []
        self._file: BinaryIO | None = None
        self._name = ""
        self._records = self._bytes = 0
        self._sha256 = hashlib.sha256()

    def write(self, record: bytes) -> tuple[str, int, int]:
        """Append a record; gives shard, offset of the frame and length of the record, in bytes."""
        frame = b"".join((_header(len(record)), record, _checksum(record)))
        if self._file and self._bytes + len(frame) > self.shard_bytes:
            self.close()
        if self._file is None:
            self._name = f"gathers-{len(self.done):05d}.tfrecord"
            self._file = _open_shard(self.folder / self._name)
        offset_bytes = self._bytes
        self._file.write(frame)
        self._sha256.update(frame)
        self._records += 1
        self._bytes += len(frame)
        return self._name, offset_bytes, len(record)

    def close(self) -> None:
        """End the shard that is open, if any."""
        if self._file is None:
            return
        file, self._file = self._file, None
        file.close()
        self.done.append(
            Shard(file=self._name, records=self._records, bytes=self._bytes, sha256=self._sha256.hexdigest())
        )
        self._records = self._bytes = 0
        self._sha256 = hashlib.sha256()


def _open_shard(path: Path) -> BinaryIO:
    return path.open("wb")


@contextlib.contextmanager
def _index_writer(folder: Path) -> Iterator[Any]:
    with (folder / INDEX).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        yield writer


def _check(gather: Gather, size: tuple[int, int], seen: set[str]) -> None:
    name = gather.gather_id
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(f"gather id {name!r}: use letters, digits, dots, hyphens and underscores alone")
    if name in seen:
        raise InputError(
            f"gather id {name} of {gather.source} is given twice; ingest each source once, under its own name"
        )
    if gather.image.shape != tuple(size) or gather.image.dtype != np.uint8:
        shape = "x".join(map(str, gather.image.shape))
        raise InputError(
            f"gather {name} is a picture of {shape} {gather.image.dtype}, the survey's are "
            f"{size[0]}x{size[1]} uint8; render it to the survey's size"
        )
    for field in _ARRAYS:
        if len(getattr(gather.geometry, field)) != gather.valid_traces:
            raise ValueError(
                f"gather {name}: geometry.{field} must have {gather.valid_traces} elements, one a valid trace"
            )


def _index_row(gather: Gather, shard: str, offset_bytes: int, length_bytes: int) -> dict[str, Any]:
    geometry, origin = gather.geometry, gather.origin
    recorded_samples, recorded_traces = gather.recorded_shape or (gather.valid_samples, gather.valid_traces)
    return {
        "gather_id": gather.gather_id,
        "label": gather.label,
        "sail_line": geometry.sail_line,
        "shot": geometry.shot,
        "cable": geometry.cable,
        "shard": shard,
        "offset_bytes": offset_bytes,
        "length_bytes": length_bytes,
        "valid_samples": gather.valid_samples,
        "valid_traces": gather.valid_traces,
        "recorded_samples": recorded_samples,
        "recorded_traces": recorded_traces,
        "fit": gather.fit,
        "clip_amplitude": repr(float(gather.clip_amplitude)),
        "sample_interval_s": repr(float(geometry.sample_interval_s)),
        "source": gather.source,
        "parents": ";".join(origin.parents),
        "alpha": repr(float(origin.alpha)),
        "seed": origin.seed,
        "model": origin.model,
    }


def _header(length: int) -> bytes:
    packed = struct.pack("<Q", length)
    return packed + _checksum(packed)


def _checksum(data: bytes) -> bytes:
    """Masked CRC-32C of TFRecord: a CRC of data that hold CRCs is weak, hence the masking."""
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


_ARRAYS = {"channel": "<i4", "offset_m": "<f4", "receiver_x_m": "<f8", "receiver_y_m": "<f8"}
"""Geometry's arrays as they lie in a record: little-endian bytes, because an Example's floats are 32 bits."""

_SCALARS = ("sample_interval_s", "source_x_m", "source_y_m")
"""Geometry's 64-bit numbers, kept the same way."""


def _serialise(gather: Gather) -> bytes:
    geometry, origin = gather.geometry, gather.origin
    recorded = gather.recorded_shape or (gather.valid_samples, gather.valid_traces)
    values: dict[str, list[Any]] = {
        "image": [np.ascontiguousarray(gather.image).tobytes()],
        "shape": list(gather.image.shape),
        "valid_shape": [gather.valid_samples, gather.valid_traces],
        "recorded_shape": list(recorded),
        "fit": [gather.fit.encode()],
        "clip_amplitude": [np.float64(gather.clip_amplitude).astype("<f8").tobytes()],
        "gather_id": [gather.gather_id.encode()],
        "label": [gather.label.encode()],
        "sail_line": [geometry.sail_line],
        "shot": [geometry.shot],
        "cable": [geometry.cable],
        "source": [gather.source.encode()],
        "parents": [parent.encode() for parent in origin.parents],
        "alpha": [np.float64(origin.alpha).astype("<f8").tobytes()],
        "seed": [origin.seed],
        "model": [origin.model.encode()],
    }
    for name in _SCALARS:
        values[name] = [np.float64(getattr(geometry, name)).astype("<f8").tobytes()]
    for name, kind in _ARRAYS.items():
        values[name] = [np.asarray(getattr(geometry, name)).astype(kind).tobytes()]
    features = {}
    for name, value in values.items():
        if all(isinstance(item, bytes) for item in value):
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
        else:
            features[name] = tf.train.Feature(
                int64_list=tf.train.Int64List(value=[int(item) for item in value])
            )
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(
        deterministic=True
    )


def _parse(record: bytes, height: int, width: int) -> Gather:
    feature = tf.train.Example.FromString(record).features.feature

    def text(name: str) -> str:
        return feature[name].bytes_list.value[0].decode()

    def array(name: str, kind: str) -> np.ndarray:
        # astype copies, so that the arrays are the reader's own, writable and in the machine's byte order.
        return np.frombuffer(feature[name].bytes_list.value[0], kind).astype(kind.replace("<", "="))

    def number(name: str) -> float:
        return float(array(name, "<f8")[0])

    def integers(name: str) -> list[int]:
        return list(feature[name].int64_list.value)

    valid_samples, valid_traces = integers("valid_shape")
    recorded_samples, recorded_traces = integers("recorded_shape")
    return Gather(
        gather_id=text("gather_id"),
        image=array("image", "<u1").reshape(height, width),
        label=text("label"),
        geometry=Geometry(
            sail_line=integers("sail_line")[0],
            shot=integers("shot")[0],
            cable=integers("cable")[0],
            sample_interval_s=number("sample_interval_s"),
            channel=array("channel", _ARRAYS["channel"]),
            offset_m=array("offset_m", _ARRAYS["offset_m"]),
            source_x_m=number("source_x_m"),
            source_y_m=number("source_y_m"),
            receiver_x_m=array("receiver_x_m", _ARRAYS["receiver_x_m"]),
            receiver_y_m=array("receiver_y_m", _ARRAYS["receiver_y_m"]),
        ),
        source=text("source"),
        clip_amplitude=number("clip_amplitude"),
        valid_samples=valid_samples,
        valid_traces=valid_traces,
        fit=text("fit"),
        recorded_shape=(recorded_samples, recorded_traces),
        origin=Origin(
            parents=tuple(parent.decode() for parent in feature["parents"].bytes_list.value),
            alpha=number("alpha"),
            seed=integers("seed")[0],
            model=text("model"),
        ),
    )
