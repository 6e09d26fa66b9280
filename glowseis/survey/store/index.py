"""The index of gathers, a CSV file with one row per gather: in a survey and beside pictures."""

import contextlib
import csv
import hashlib
import io
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from glowseis.errors import InputError
from glowseis.survey.cells import cell_text, safe_cell
from glowseis.survey.gather import UNKNOWN_PARENT, Gather, Picture, Recording, source_text

COLUMNS: dict[str, type] = {
    "gather_id": str,
    "label": str,
    "sail_line": np.int64,
    "shot": np.int64,
    "cable": np.int64,
    "valid_samples": np.int64,
    "valid_traces": np.int64,
    "recorded_samples": np.int64,
    "recorded_traces": np.int64,
    "fit": str,
    "dead_traces": np.int64,
    "broken_traces": np.int64,
    "clip_amplitude": np.float64,
    "zero_amplitude": np.float64,
    "mended": str,
    "sample_interval_s": np.float64,
    "start_s": np.float64,
    "first_offset_m": np.float64,
    "last_offset_m": np.float64,
    "source": str,
    "parents": str,
    "alpha": np.float64,
    "seed": np.int64,
    "model": str,
    "path": str,
}
"""Columns that describe a gather. Samples and traces are counts, and `dead_traces` includes the broken ones;
`zero_amplitude` is the median of its traces' zeros; `mended` is text such as `fill=2 zero_level=640`; `first_offset_m`
is the first trace's, NaN if it is unknown; `parents` are their ids joined by semicolons."""

PLACE: dict[str, type] = {
    "shard": str,
    "offset_bytes": np.int64,
    "length_bytes": np.int64,
    "image_offset_bytes": np.int64,
}
"""Columns that locate a survey's record: its file, where its frame begins there, the Example's own length, and where in
the Example the image begins."""


ADDED: dict[str, float | str] = {"zero_amplitude": 0.0, "mended": ""}
"""Columns that schema 2 did not have, and the values assumed for it."""

OF_USERS = ("label", "source", "model")
"""Columns of any text; text that a spreadsheet would take for a formula is written as `safe_cell` returns it."""

LARGEST_BYTES = 1 << 30
"""Largest size of an index in bytes; that of the largest survey is smaller."""

LABEL_CHARACTERS = 100
"""Longest label."""

WORD = re.compile(r"\w{0,40}")
"""What is one of a few words of ours, such as `spherical`."""


@contextlib.contextmanager
def index_writer(
    file: Path, place: Collection[str] = tuple(PLACE), *, append: bool = False
) -> Iterator[Callable[[Gather, dict[str, Any]], None]]:
    """Write an index row by row.

    Args:
        file: The CSV file to make.
        place: Names of the columns that locate the gather.
        append: Whether the file exists already, with rows of the same columns.

    Yields:
        A function that takes a gather and the values of those columns.
    """
    # Rows are flushed one at a time, so that the finished work of a killed writer can be resumed.
    with file.open("a" if append else "w", 1, encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*COLUMNS, *place], lineterminator="\n")
        if not append:
            writer.writeheader()
        yield lambda gather, where: writer.writerow(_row(gather) | where)


def row_text(gather: Gather, place: dict[str, Any]) -> str:
    """A gather's row as `index_writer` writes it.

    Args:
        gather: The gather.
        place: The values of the columns that locate it.

    Returns:
        The line with its end.
    """
    text = io.StringIO()
    csv.DictWriter(text, [*COLUMNS, *place], lineterminator="\n").writerow(_row(gather) | place)
    return text.getvalue()


def read_index(file: Path) -> pd.DataFrame:
    """Read the index of a survey.

    Args:
        file: The CSV file.

    Returns:
        One row per gather. An empty field is empty text, and `NA` is a label like any other. Columns that schema 2 did
        not have are added.

    Raises:
        InputError: The file is too large for an index.
    """
    check_size(file)
    kinds = COLUMNS | PLACE
    unknown = {name: ["nan"] for name, kind in kinds.items() if kind is np.float64}
    index = pd.read_csv(file, dtype=kinds, keep_default_na=False, na_values=unknown, float_precision="round_trip")
    index = _of_users(index)
    for name, value in ADDED.items():
        if name not in index:
            index[name] = value
    return index


def write_parquet(file: Path, to: Path) -> None:
    """Write an index as Parquet, with memory for a part of it.

    Args:
        file: The CSV file.
        to: The Parquet file to make.
    """
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    kinds = {str: pa.string(), np.int64: pa.int64(), np.float64: pa.float64()}
    types = {name: kinds[kind] for name, kind in (COLUMNS | PLACE).items()}
    convert = pa_csv.ConvertOptions(column_types=types, null_values=["nan"], strings_can_be_null=False)
    parse = pa_csv.ParseOptions(newlines_in_values=False)
    with (
        pa_csv.open_csv(file, parse_options=parse, convert_options=convert) as parts,
        pq.ParquetWriter(to, parts.schema) as writer,
    ):
        for part in parts:
            writer.write_batch(part)


def read_parquet(file: Path) -> pd.DataFrame:
    """Read what `write_parquet` wrote, as `read_index` reads the CSV file.

    Args:
        file: The Parquet file.

    Raises:
        ValueError: It cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        index = pq.read_table(file).to_pandas()
    except (pa.ArrowException, OSError) as wrong:
        raise ValueError(str(wrong).splitlines()[0]) from None
    return _of_users(index)


def index_sha256(file: Path) -> str:
    """SHA-256 of an index's file, as hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _of_users(index: pd.DataFrame) -> pd.DataFrame:
    """An index with text of users as they gave it."""
    for name in OF_USERS:
        if name in index:
            marked = index[name].str.startswith("'")
            if marked.any():
                index.loc[marked, name] = index.loc[marked, name].map(cell_text)
    return index


def check_size(file: Path) -> None:
    """Make sure, before it is read, that a file is not too large for an index.

    Args:
        file: The file.

    Raises:
        InputError: It is.
    """
    size = file.stat().st_size
    if size > LARGEST_BYTES:
        raise InputError(
            f"{source_text(file)}: has {size / 1e6:,.0f} MB, too much for an index of gathers; remove it, or copy it "
            "again"
        )


def check_words(gather: Gather | Recording | Picture, seen: Collection[str]) -> None:
    """Make sure that a gather's id can be a file name and is not taken, and that its other texts can be written.

    Args:
        gather: The gather.
        seen: Ids that are taken.

    Raises:
        InputError: It cannot, it is, or they cannot.
    """
    if not is_id(gather.gather_id):
        raise InputError(
            f"gather id {gather.gather_id!r}: use at most 200 letters, digits, dots, hyphens and underscores, no others"
        )
    if gather.gather_id in seen:
        raise InputError(
            f"gather id {gather.gather_id} of {gather.source} is given twice; "
            "give each source once, and rename sources that share a name"
        )
    check_texts(gather)


def check_texts(gather: Gather | Recording | Picture) -> None:
    """Make sure that all words of a gather but its id can be written to a table, and read again.

    Args:
        gather: The gather.

    Raises:
        InputError: One cannot.
    """
    if gather.label:
        check_label(gather.label)
    # A bare carriage return would end a row, and a file name that is not UTF-8 cannot be text.
    for name, text in (("source", gather.source), ("model", gather.origin.model)):
        if not text.isprintable():
            raise InputError(f"gather {gather.gather_id}: its {name} {text!r} cannot be printed; give it another name")
    origin, what = gather.origin, f"gather {gather.gather_id} of {gather.source}"
    for parent in origin.parents:
        if not is_id(parent) and parent != UNKNOWN_PARENT:
            raise InputError(f"{what}: its parent {parent!r} is not a gather id; write the gather again")
    words = [("path", origin.path), ("fit", getattr(gather, "fit", "")), *(("mending", name) for name in gather.mended)]
    for name, word in words:
        if not WORD.fullmatch(word):
            raise InputError(f"{what}: its {name} {word!r} is not a word; write the gather again")
    if not -(1 << 63) <= origin.seed < 1 << 63:
        raise InputError(f"{what}: its seed {origin.seed} has more than 64 bits; write the gather again")


def is_id(text: str) -> bool:
    """Whether a text can be a gather's id and a file name."""
    return re.fullmatch(r"\w[\w.-]{0,199}", text) is not None


def check_label(label: str) -> None:
    """Make sure that a label can be written, and typed again.

    Args:
        label: The label.

    Raises:
        InputError: It is too long, or has blanks around it, control characters or bytes that are not UTF-8.
    """
    if not (label.isprintable() and label == label.strip() and 1 <= len(label) <= LABEL_CHARACTERS):
        raise InputError(
            f"label {label!r}: use 1 to {LABEL_CHARACTERS} printable characters without blanks around them, such as bad"
        )


def _row(gather: Gather) -> dict[str, Any]:
    geometry, origin = gather.geometry, gather.origin
    recorded_samples, recorded_traces = gather.recorded_shape or (gather.valid_samples, gather.valid_traces)
    row: dict[str, Any] = {
        "gather_id": gather.gather_id,
        "label": gather.label,
        "sail_line": geometry.sail_line,
        "shot": geometry.shot,
        "cable": geometry.cable,
        "valid_samples": gather.valid_samples,
        "valid_traces": gather.valid_traces,
        "recorded_samples": recorded_samples,
        "recorded_traces": recorded_traces,
        "fit": gather.fit,
        "dead_traces": gather.dead_traces,
        "broken_traces": gather.broken_traces,
        "clip_amplitude": float(gather.clip_amplitude),
        "zero_amplitude": float(np.median(gather.zero_amplitude) if gather.zero_amplitude.ndim else 0.0),
        "mended": " ".join(f"{name}={count}" for name, count in gather.mended.items()),
        "sample_interval_s": float(geometry.sample_interval_s),
        "start_s": float(geometry.start_s),
        "first_offset_m": float(geometry.offset_m[0]),
        "last_offset_m": float(geometry.offset_m[-1]),
        "source": gather.source,
        "parents": ";".join(origin.parents),
        "alpha": float(origin.alpha),
        "seed": origin.seed,
        "model": origin.model,
        "path": origin.path,
    }
    return row | {name: safe_cell(row[name]) for name in OF_USERS}
