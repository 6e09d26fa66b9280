"""Every record of a survey read once, several shards at a time, with all checksums in the same pass."""

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from glowseis.errors import InputError
from glowseis.machine import cores
from glowseis.survey.gather import Gather
from glowseis.survey.store.framing import FOOTER_BYTES, HEADER_BYTES, Shard, header, masked_crc
from glowseis.survey.store.manifest import MEND
from glowseis.survey.store.survey import Survey


def scan(survey: Survey, look: Callable[[int, Gather], None], *, shards: bool = False, workers: int = 0) -> None:
    """Read every gather once and check its record, with memory for one gather per worker.

    Args:
        survey: What to read.
        look: Called with each row number and its gather, from several threads at once, shard by shard in any order.
        shards: Whether to check the shards' own checksums as well.
        workers: Threads; 0 uses one for each core.

    Raises:
        InputError: Something is damaged; names the first shard and record that is.
    """
    stop = threading.Event()
    names = survey.index["shard"].to_numpy(str)
    offsets = survey.index["offset_bytes"].to_numpy()

    def read(shard: Shard) -> None:
        rows = np.flatnonzero(names == shard.file)
        _read_shard(survey, shard, rows[np.argsort(offsets[rows], kind="stable")], look, stop, whole=shards)

    with ThreadPoolExecutor(workers or cores()) as threads:
        done = [threads.submit(read, shard) for shard in survey.manifest.shards]
        try:
            for one in done:
                one.result()
        except BaseException:
            # Threads that still read would be waited for.
            stop.set()
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def verify(survey: Survey) -> None:
    """Check the checksums and sizes of all records and shards.

    Args:
        survey: What to check, as it was opened.

    Raises:
        InputError: Something is damaged; names the first shard and record that is.
    """
    scan(survey, lambda row, gather: None, shards=True)


def _read_shard(
    survey: Survey,
    shard: Shard,
    rows: np.ndarray,
    look: Callable[[int, Gather], None],
    stop: threading.Event,
    *,
    whole: bool,
) -> None:
    path = survey.path / shard.file
    places = survey.index[["offset_bytes", "length_bytes"]].to_numpy()
    sha256 = hashlib.sha256()
    end_bytes = 0
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        raise InputError(f"{path}: this shard is missing; {MEND}") from None
    with file:
        for row in rows:
            if stop.is_set():
                return
            offset_bytes, length_bytes = map(int, places[row])
            if whole and offset_bytes != end_bytes:
                raise InputError(f"{path}: its records do not follow each other as the index says; {MEND}")
            frame_bytes = HEADER_BYTES + length_bytes + FOOTER_BYTES
            end_bytes = offset_bytes + frame_bytes
            try:
                frame = os.pread(file.fileno(), frame_bytes, offset_bytes)
            except OSError as wrong:
                raise InputError(f"{survey.record_name(int(row))} cannot be read: {wrong.strerror}; {MEND}") from None
            record = frame[HEADER_BYTES:-FOOTER_BYTES]
            right = len(frame) == frame_bytes and frame[:HEADER_BYTES] == header(length_bytes)
            if not right or frame[-FOOTER_BYTES:] != masked_crc(record):
                raise InputError(f"{survey.record_name(int(row))} is damaged: its checksum differs; {MEND}")
            if whole:
                sha256.update(frame)
            look(int(row), survey.parse(int(row), record))
    if whole and (end_bytes != shard.bytes or sha256.hexdigest() != shard.sha256):
        raise InputError(f"{path}: differs from its checksum; {MEND}")
