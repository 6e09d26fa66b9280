"""A survey on disk: TFRecord shards, an index of their records and a manifest.

```
surveys/NAME/
  manifest.json           schema version, size, rendering, labels, checksums, where the gathers came from
  gathers.csv             one row per gather: id, label, geometry, and where its record lies
  gathers.parquet         the same, in a survey of many gathers
  gathers-00000.tfrecord  tf.train.Example records, readable by any tf.data.TFRecordDataset
```
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from google.protobuf.message import DecodeError

from glowseis.errors import InputError
from glowseis.survey.gather import Gather
from glowseis.survey.remote import fetched
from glowseis.survey.severity import by_severity
from glowseis.survey.store.example import parse
from glowseis.survey.store.framing import FOOTER_BYTES, HEADER_BYTES, Shard, read_into
from glowseis.survey.store.index import COLUMNS, PLACE, check_size, index_sha256, read_index, read_parquet
from glowseis.survey.store.manifest import INDEX, MANIFEST, MEND, PARQUET, SCHEMA, Manifest, read_manifest
from glowseis.survey.store.writing import take_up, write_records, write_survey

__all__ = ["SCHEMA", "Manifest", "Shard", "Survey", "open_survey", "take_up", "write_records", "write_survey"]


@dataclass(frozen=True)
class Relabelling:
    """Labels that stand in for those of a survey's records.

    Attributes:
        files: Where they come from, for people.
        judge: Whose word counts where judges disagree; empty if nobody's had to.
        checksum: SHA-256 of the ids and labels of the gathers whose labels differ from their records'.
    """

    files: tuple[str, ...]
    judge: str
    checksum: str

    def record(self) -> dict[str, Any]:
        """The same as JSON."""
        return {"files": list(self.files), "judge": self.judge, "checksum": self.checksum}


class Survey:
    """A survey opened for reading.

    Attributes:
        path: Its folder.
        manifest: What it is.
        index: One row per gather, with the columns of `glowseis.survey.store.index`.
        relabelling: Where labels come from that differ from the records'; None if none do.
        unsure: Ids of gathers that judges looked at and gave no label, because they are unsure or disagree.

    Args:
        path: As above.
        manifest: As above.
        index: As above.
        numbers: Number of each record in its shard, int64 `[gather]`; None if all records are in the index.
        relabelling: As above.
        unsure: As above.
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        index: pd.DataFrame,
        numbers: np.ndarray | None = None,
        relabelling: Relabelling | None = None,
        unsure: frozenset[str] = frozenset(),
    ):
        self.path = path
        self.manifest = manifest
        self.index = index
        self.relabelling = relabelling
        self.unsure = unsure
        self._numbers = index.groupby("shard").cumcount().to_numpy() if numbers is None else numbers
        self._shards = index["shard"].tolist()
        self._offsets = index["offset_bytes"].to_numpy()
        self._lengths = index["length_bytes"].to_numpy()
        self._image_offsets = index["image_offset_bytes"].to_numpy()

    def __len__(self) -> int:
        return len(self.index)

    @property
    def size(self) -> tuple[int, int]:
        """Height in samples and width in traces of every image."""
        return self.manifest.size

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in use; the paper's classes first, in its order."""
        return self.manifest.labels

    @functools.cached_property
    def checksum(self) -> str:
        """SHA-256 that identifies these data, whatever the folder is called."""
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
                    raise InputError(f"{self.path}: no gather is labelled {label!r}; choose from its labels: {there}")
            keep &= self.index["label"].isin(list(labels)).to_numpy()
        if ids is not None:
            wanted = np.zeros(len(self), bool)
            wanted[[self.row(gather_id) for gather_id in ids]] = True
            keep &= wanted
        return np.flatnonzero(keep)

    def only(self, rows: Sequence[int] | np.ndarray) -> "Survey":
        """Some gathers as a survey of their own, for code that must not see the others.

        It has different row numbers and a different checksum, and contains neither images nor index rows nor counts of
        the other gathers. Its shards are those of the whole survey; only the whole survey can be verified.

        Args:
            rows: Row numbers, each once.

        Returns:
            The survey of these gathers, in the order of `rows`. Only the index is read or copied.
        """
        places = np.asarray(rows, np.int64)
        index = self.index.iloc[places].reset_index(drop=True)
        manifest = self._manifest_for(index, index["gather_id"])
        return Survey(self.path, manifest, index, self._numbers[places], self.relabelling, self.unsure)

    def relabelled(
        self,
        labels: Sequence[str] | np.ndarray,
        files: Sequence[str],
        judge: str = "",
        unsure: frozenset[str] | None = None,
    ) -> "Survey":
        """The same gathers with other labels, in the index and in gathers that are read; the records stay as they are.

        Args:
            labels: A label for each gather, in the order of the index; empty for none.
            files: Where they come from, for people.
            judge: As in `Relabelling`.
            unsure: As in `Survey`; those of this survey when None.

        Returns:
            The survey with these labels and a checksum that follows from them; this survey if nothing differs.
        """
        given = np.asarray(labels, object)
        differs = np.flatnonzero(given != self.index["label"].to_numpy())
        unsure = self.unsure if unsure is None else unsure
        if not len(differs):
            same = self.path, self.manifest, self.index, self._numbers, self.relabelling
            return self if unsure == self.unsure else Survey(*same, unsure)
        ids = self.index["gather_id"].to_numpy()
        told = json.dumps(sorted((str(ids[row]), str(given[row])) for row in differs))
        checksum = hashlib.sha256(told.encode()).hexdigest()
        index = self.index.assign(label=pd.Series(given, self.index.index, self.index["label"].dtype))
        manifest = self._manifest_for(index, ("labels", checksum))
        return Survey(self.path, manifest, index, self._numbers, Relabelling(tuple(files), judge, checksum), unsure)

    def _manifest_for(self, index: pd.DataFrame, why: Iterable[str]) -> Manifest:
        """The manifest of some of these gathers, or of other labels, and of what tells them from all of these."""
        counts = index.loc[index["label"] != "", "label"].value_counts()
        labels = by_severity(map(str, counts.index))
        return self.manifest.model_copy(
            update={
                "gathers": len(index),
                "labels": labels,
                "counts": {label: int(counts[label]) for label in labels},
                "index_sha256": hashlib.sha256("\n".join((self.manifest.index_sha256, *why)).encode()).hexdigest(),
            }
        )

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
            The gather with its image and geometry.

        Raises:
            InputError: No such gather, or its record is damaged.
        """
        row = self.row(gather) if isinstance(gather, str) else int(gather)
        return self._gather(row)

    def read_images(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Read the images of some gathers into memory: 573 kB per gather at 896 x 640.

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

    def record_name(self, row: int) -> str:
        """Name a record in an error.

        Args:
            row: Its row number.

        Returns:
            Shard, number in the shard from 0, gather id.
        """
        shard, gather_id = self._shards[row], self.index["gather_id"].iat[row]
        return f"{self.path / shard}: record {self._numbers[row]} (gather {gather_id})"

    def _gather(self, row: int) -> Gather:
        record = np.empty(self._lengths[row], np.uint8)
        self._read(row, record, 0)
        return self.parse(row, record.tobytes())

    def parse(self, row: int, record: bytes) -> Gather:
        """Make a gather from its record.

        Args:
            row: Its row number.
            record: Its bytes.

        Returns:
            The gather.

        Raises:
            InputError: The record is not a gather of this survey's size.
        """
        try:
            gather = parse(record)
        except (ValueError, IndexError, DecodeError) as wrong:
            raise InputError(f"{self.record_name(row)} is not a gather ({wrong}); {MEND}") from None
        if gather.image.shape != self.size:
            shape, size = ("x".join(map(str, sides)) for sides in (gather.image.shape, self.size))
            raise InputError(f"{self.record_name(row)} is an image of {shape}, but the manifest says {size}; {MEND}")
        return gather if self.relabelling is None else replace(gather, label=str(self.index["label"].iat[row]))

    def _read(self, row: int, part: np.ndarray, part_bytes: int) -> None:
        """Read a part of a record and check the whole record."""
        path = self.path / self._shards[row]
        try:
            whole = read_into(path, int(self._offsets[row]), int(self._lengths[row]), part, part_bytes)
        except FileNotFoundError:
            raise InputError(f"{path}: this shard is missing; {MEND}") from None
        except OSError as wrong:
            raise InputError(f"{self.record_name(row)} cannot be read: {wrong.strerror}; {MEND}") from None
        if not whole:
            raise InputError(f"{self.record_name(row)} is damaged: its checksum differs; {MEND}")


def open_survey(path: str | Path) -> Survey:
    """Open a survey and check that its files are present, complete and its own.

    >>> import glowseis
    >>> survey = glowseis.open_survey("surveys/demo")
    >>> bad = survey.select(labels=["bad"])
    >>> survey.read(bad[0]).label, survey.read_images(bad[:2]).shape
    ('bad', (2, 32, 32))

    Lengths and the index are checked here, each record when it is read, and every byte by
    `glowseis.survey.store.scanning.verify`.

    Args:
        path: Its folder, or the address of a survey elsewhere (`glowseis.survey.remote`).

    Returns:
        The survey.

    Raises:
        InputError: It is not a survey, was written by an older or newer glowseis, or is damaged or incomplete.
    """
    path = fetched(path)
    manifest = read_manifest(path)
    index = _read_index(path, manifest)
    survey = Survey(path, manifest, index)
    _check_places(path, manifest, index)
    for shard in manifest.shards:
        file = path / shard.file
        if not file.is_file():
            raise InputError(f"{file}: this shard is missing; {MEND}")
        found = file.stat().st_size
        if found < shard.bytes:
            ends = index["offset_bytes"] + index["length_bytes"] + HEADER_BYTES + FOOTER_BYTES
            row = int(np.argmax(((index["shard"] == shard.file) & (ends > found)).to_numpy()))
            raise InputError(
                f"{survey.record_name(row)} is missing or cut short: the shard has {found} of {shard.bytes} "
                f"bytes; {MEND}"
            )
        if found > shard.bytes:
            raise InputError(f"{file}: has {found} bytes, but the manifest says {shard.bytes}; {MEND}")
    return survey


def _read_index(path: Path, manifest: Manifest) -> pd.DataFrame:
    is_large = manifest.parquet_sha256 is not None
    file = path / (PARQUET if is_large else INDEX)
    if not file.is_file():
        raise InputError(f"{file}: the index is missing; {MEND}")
    if not is_large:
        check_size(file)
    if index_sha256(file) != (manifest.parquet_sha256 if is_large else manifest.index_sha256):
        raise InputError(f"{file}: changed after it was written; {MEND}")
    try:
        index = read_parquet(file) if is_large else read_index(file)
    except (ValueError, OverflowError) as wrong:
        raise InputError(f"{file}: cannot be read ({wrong}); {MEND}") from None
    missing = sorted(set(COLUMNS | PLACE) - set(index))
    if missing:
        raise InputError(f"{file}: has no column {missing[0]}; {MEND}")
    return index


def _check_places(path: Path, manifest: Manifest, index: pd.DataFrame) -> None:
    """Make sure that manifest and index describe the same records."""
    if not len(index) == manifest.gathers == sum(shard.records for shard in manifest.shards):
        raise InputError(f"{path}: {MANIFEST} lists {manifest.gathers} gathers, but {INDEX} has {len(index)}; {MEND}")
    counts = {str(label): int(count) for label, count in index["label"].value_counts().items() if label}
    if counts != manifest.counts or sorted(counts) != sorted(manifest.labels):
        raise InputError(f"{path}: the labels of {MANIFEST} and {INDEX} differ; {MEND}")
    bytes_of = {shard.file: shard.bytes for shard in manifest.shards}
    offset, length, image = (index[name] for name in ("offset_bytes", "length_bytes", "image_offset_bytes"))
    room = index["shard"].map(bytes_of)
    height, width = manifest.size
    # Subtracted, because sums of nonsensical numbers may overflow; an unknown shard has no room.
    right = (offset >= 0) & (length >= 0) & (image >= 0) & (length <= room)
    right &= offset <= room - length.clip(upper=room) - (HEADER_BYTES + FOOTER_BYTES)
    right &= image <= length.clip(lower=0) - height * width
    if not right.all():
        row = int(np.argmin(right.to_numpy()))
        raise InputError(
            f"{path / INDEX}: gather {index['gather_id'].iat[row]} lies where {index['shard'].iat[row]} has no image "
            f"of {height}x{width}; {MEND}"
        )


def _aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Memory aligned to 64 bytes, which TensorFlow uses without a copy."""
    count = int(np.prod(shape))
    memory = np.empty(count + 63, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + count].reshape(shape)
