"""TFRecord files: frames with checksums, written at known offsets and read at an offset.

TensorFlow's own writer gives no offsets and reports a full disk by errors of its own, so it is not used. TensorFlow's
readers can read these files.
"""

import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np
import pydantic

HEADER_BYTES, FOOTER_BYTES = 12, 4
"""A frame: length (uint64), its masked CRC-32C, the data, their masked CRC-32C; little-endian."""


class Shard(pydantic.BaseModel, frozen=True, extra="forbid"):
    """One TFRecord file: its name, its number of records, its length in bytes and its SHA-256."""

    file: str = pydantic.Field(pattern=r"^\w[\w.-]*$")
    records: int
    bytes: int
    sha256: str


class ShardWriter:
    """Appends records to numbered TFRecord files and keeps their checksums.

    A writer that continues files of an earlier one first takes over their records, one by one, and then cuts off what
    follows; it ends with the same files as a writer that was never stopped.

    Attributes:
        shards: The files that are complete.
    """

    def __init__(self, folder: Path, shard_bytes: int):
        self.shards: list[Shard] = []
        self._folder = folder
        self._shard_bytes = shard_bytes
        self._file: BinaryIO | None = None
        self._records = self._bytes = 0
        self._sha256 = hashlib.sha256()

    def write(self, record: bytes) -> tuple[str, int]:
        """Append a record.

        Args:
            record: Its bytes.

        Returns:
            Name of the file and offset of the frame, in bytes.
        """
        place = self.next_place(len(record))
        framed = frame(record)
        file = self._turn_to(place, open_shard)
        file.write(framed)
        file.flush()
        self._count(framed)
        return place

    def next_place(self, length_bytes: int) -> tuple[str, int]:
        """Where the next record goes.

        Args:
            length_bytes: Its length.

        Returns:
            Name of the file and offset of the frame, in bytes.
        """
        if self._file is None:
            return _shard_name(len(self.shards)), 0
        if self._bytes + HEADER_BYTES + length_bytes + FOOTER_BYTES > self._shard_bytes:
            return _shard_name(len(self.shards) + 1), 0
        return _shard_name(len(self.shards)), self._bytes

    def find(self, length_bytes: int) -> bytes | None:
        """Look for the next record of an earlier writer.

        Args:
            length_bytes: Its length.

        Returns:
            The record; None if it is missing or incomplete.
        """
        name, offset_bytes = self.next_place(length_bytes)
        path = self._folder / name
        room = path.stat().st_size - offset_bytes if path.is_file() else 0
        if not 0 < length_bytes <= room - HEADER_BYTES - FOOTER_BYTES:
            return None
        record = np.empty(length_bytes, np.uint8)
        return record.tobytes() if read_into(path, offset_bytes, length_bytes, record) else None

    def take_up(self, record: bytes) -> None:
        """Continue after a record that `find` found.

        Args:
            record: Its bytes.
        """
        place = self.next_place(len(record))
        if self._file and not place[1]:
            self._file.truncate(self._bytes)
        self._turn_to(place, _open_again)
        self._count(frame(record))

    def cut(self) -> None:
        """Cut off and remove what an earlier writer wrote after the records that were taken over."""
        if self._file:
            self._file.truncate(self._bytes)
            self._file.seek(self._bytes)
        kept = len(self.shards) + (self._file is not None)
        for path in sorted(self._folder.glob("gathers-*.tfrecord"))[kept:]:
            path.unlink()

    def close(self) -> None:
        """Close the open file, if any."""
        if self._file is None:
            return
        file, self._file = self._file, None
        file.close()
        self.shards.append(
            Shard(
                file=_shard_name(len(self.shards)),
                records=self._records,
                bytes=self._bytes,
                sha256=self._sha256.hexdigest(),
            )
        )
        self._records = self._bytes = 0
        self._sha256 = hashlib.sha256()

    def _turn_to(self, place: tuple[str, int], open_file: Callable[[Path], BinaryIO]) -> BinaryIO:
        """The file where a record goes; the previous file is closed first."""
        name, offset_bytes = place
        if self._file and not offset_bytes:
            self.close()
        if self._file is None:
            self._file = open_file(self._folder / name)
        return self._file

    def _count(self, framed: bytes) -> None:
        self._sha256.update(framed)
        self._records += 1
        self._bytes += len(framed)


def _shard_name(number: int) -> str:
    return f"gathers-{number:05d}.tfrecord"


def _open_again(path: Path) -> BinaryIO:
    return path.open("r+b")


def open_shard(path: Path) -> BinaryIO:
    """Open a shard for writing.

    Args:
        path: The file to make.

    Returns:
        The open file.
    """
    return path.open("wb")


def read_into(path: Path, offset_bytes: int, length_bytes: int, part: np.ndarray, part_bytes: int = 0) -> bool:
    """Read a part of a record straight into an array and check both checksums of the whole record.

    An image is read directly into its destination: it is most of the record, and a copy costs as much as reading it.

    Args:
        path: The TFRecord file.
        offset_bytes: Where the frame begins.
        length_bytes: Length of the record.
        part: Contiguous uint8 array, filled here.
        part_bytes: Where in the record the part begins.

    Returns:
        Whether the checksums match and the file holds the whole record.

    Raises:
        OSError: The file cannot be read.
    """
    before = bytearray(HEADER_BYTES + part_bytes)
    after = bytearray(length_bytes - part_bytes - part.nbytes + FOOTER_BYTES)
    file = os.open(path, os.O_RDONLY)
    try:
        count = os.preadv(file, [before, part.data, after], offset_bytes)
    finally:
        os.close(file)
    crc = google_crc32c.value(bytes(before[HEADER_BYTES:]))
    crc = google_crc32c.extend(crc, part)
    crc = google_crc32c.extend(crc, bytes(after[:-FOOTER_BYTES]))
    whole = count == HEADER_BYTES + length_bytes + FOOTER_BYTES
    return whole and before[:HEADER_BYTES] == header(length_bytes) and after[-FOOTER_BYTES:] == _mask(crc)


def records_of(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file, one after another, up to the first that is not whole.

    Args:
        path: The file.
    """
    with path.open("rb") as file:
        while len(head := file.read(HEADER_BYTES)) == HEADER_BYTES:
            length_bytes = struct.unpack_from("<Q", head)[0]
            if head != header(length_bytes):
                return
            record = file.read(length_bytes)
            if file.read(FOOTER_BYTES) != masked_crc(record):
                return
            yield record


def frame(record: bytes) -> bytes:
    """A record as it lies in a file, with its length and checksums.

    Args:
        record: Its bytes.
    """
    return b"".join((header(len(record)), record, masked_crc(record)))


def header(length_bytes: int) -> bytes:
    """The first twelve bytes of a frame.

    Args:
        length_bytes: Length of the record.

    Returns:
        Length and its masked checksum.
    """
    packed = struct.pack("<Q", length_bytes)
    return packed + masked_crc(packed)


def masked_crc(data: bytes) -> bytes:
    """Masked CRC-32C of TFRecord; masked because a CRC of data that hold CRCs is weak.

    Args:
        data: What to check.

    Returns:
        Four bytes, little-endian.
    """
    return _mask(google_crc32c.value(data))


def _mask(crc: int) -> bytes:
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
