"""TFRecord files: frames with checksums, written where their offsets are known and read at an offset.

TensorFlow's own writer tells no offsets and turns a full disk into errors of its own, hence these lines. Its
readers read these files.
"""

import hashlib
import os
import struct
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

    Attributes:
        shards: The files that are complete.
    """

    def __init__(self, folder: Path, shard_bytes: int):
        self.shards: list[Shard] = []
        self._folder = folder
        self._shard_bytes = shard_bytes
        self._file: BinaryIO | None = None
        self._name = ""
        self._records = self._bytes = 0
        self._sha256 = hashlib.sha256()

    def write(self, record: bytes) -> tuple[str, int]:
        """Append a record.

        Args:
            record: Its bytes.

        Returns:
            Name of the file and offset of the frame, in bytes.
        """
        frame = b"".join((header(len(record)), record, masked_crc(record)))
        if self._file and self._bytes + len(frame) > self._shard_bytes:
            self.close()
        if self._file is None:
            self._name = f"gathers-{len(self.shards):05d}.tfrecord"
            self._file = open_shard(self._folder / self._name)
        offset_bytes = self._bytes
        self._file.write(frame)
        self._sha256.update(frame)
        self._records += 1
        self._bytes += len(frame)
        return self._name, offset_bytes

    def close(self) -> None:
        """End the file that is open, if any."""
        if self._file is None:
            return
        file, self._file = self._file, None
        file.close()
        self.shards.append(
            Shard(file=self._name, records=self._records, bytes=self._bytes, sha256=self._sha256.hexdigest())
        )
        self._records = self._bytes = 0
        self._sha256 = hashlib.sha256()


def open_shard(path: Path) -> BinaryIO:
    """Open a shard for writing.

    Args:
        path: The file to be made.

    Returns:
        It.
    """
    return path.open("wb")


def read_into(path: Path, offset_bytes: int, length_bytes: int, part: np.ndarray, part_bytes: int = 0) -> bool:
    """Read a part of a record straight into an array and check both checksums of the whole record.

    A picture is read where it will be used: it is most of its record, and a copy costs as much as reading it.

    Args:
        path: The TFRecord file.
        offset_bytes: Where the frame begins.
        length_bytes: Length of the record.
        part: Contiguous uint8 array, filled here.
        part_bytes: Where in the record the part begins.

    Returns:
        Whether the checksums are right and the file holds the whole record.

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


def header(length_bytes: int) -> bytes:
    """Give the first twelve bytes of a frame.

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
