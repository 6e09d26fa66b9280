"""Tables of attributes as Parquet and CSV, written and read row group by row group."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from glowseis.attributes.rows import COORDINATE, FRACTION, MARK, TEXT, WHOLE
from glowseis.survey.cells import safe_cell

ROWS = 1 << 16
"""Rows that are kept in memory before they are written."""

SINGLES = 4096
"""The same for rows that are added one by one."""

TYPES = {WHOLE: pa.int32(), FRACTION: pa.float32(), COORDINATE: pa.float64(), TEXT: pa.string(), MARK: pa.bool_()}


class TableWriter:
    """A table that grows, as two files: Parquet and CSV with the same columns and rows.

    In CSV a missing number is an empty cell, and a text that a spreadsheet would take for a formula is marked.

    Args:
        folder: Where the files are made.
        name: Their name without extension.
        columns: Types by column.
    """

    def __init__(self, folder: Path, name: str, columns: dict[str, str]):
        self._schema = pa.schema([(column, TYPES[kind]) for column, kind in columns.items()])
        self._texts = [place for place, kind in enumerate(columns.values()) if kind == TEXT]
        self._parquet = pa.parquet.ParquetWriter(folder / f"{name}.parquet", self._schema, compression="zstd")
        self._csv = pa.csv.CSVWriter(folder / f"{name}.csv", self._schema)
        self._waiting: list[pa.RecordBatch] = []
        self._rows = 0
        self._singles: list[dict[str, Any]] = []

    def add_row(self, row: dict[str, Any]) -> None:
        """Add one row.

        Args:
            row: A value by column; NaN where it is missing.
        """
        self._singles.append({name: None if _is_missing(value) else value for name, value in row.items()})
        if len(self._singles) >= SINGLES:
            self._write()

    def add(self, columns: dict[str, Any], rows: int) -> None:
        """Add many rows at once. A table gets its rows by this or by `add_row`, not by both.

        Args:
            columns: By column, an array `[row]`, or one value for all of them.
            rows: How many.
        """
        arrays = [_array(columns[field.name], rows, field.type) for field in self._schema]
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows += rows
        if self._rows >= ROWS:
            self._write()

    def close(self) -> None:
        """Write what is left, and close both files."""
        try:
            self._write()
        finally:
            self._parquet.close()
            self._csv.close()

    def _write(self) -> None:
        self._waiting += pa.Table.from_pylist(self._singles, self._schema).to_batches()
        table = pa.Table.from_batches(self._waiting, self._schema).combine_chunks()
        self._waiting, self._rows, self._singles = [], 0, []
        if not len(table):
            return
        self._parquet.write_table(table)
        for place in self._texts:
            column = table.column(place).combine_chunks().dictionary_encode()
            safe = pa.array([safe_cell(text) for text in column.dictionary.to_pylist()], pa.string())
            made = pa.DictionaryArray.from_arrays(column.indices, safe).cast(pa.string())
            table = table.set_column(place, self._schema.field(place), made)
        self._csv.write_table(table)


@contextlib.contextmanager
def table_writer(folder: Path, name: str, columns: dict[str, str]) -> Iterator[TableWriter]:
    """A table that is closed when the block ends, with or without an error.

    Args:
        folder: Where the files are made.
        name: Their name without extension.
        columns: Types by column.

    Yields:
        The writer.
    """
    writer = TableWriter(folder, name, columns)
    try:
        yield writer
    finally:
        writer.close()


def read_columns(path: Path, columns: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
    """Read columns of a table, some rows at a time.

    Args:
        path: The Parquet file.
        columns: Their names.

    Yields:
        By column, values `[row]`: numbers with NaN where they are missing, or objects for texts.
    """
    with pa.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS, columns=list(columns)):
            yield {name: batch.column(name).to_numpy(zero_copy_only=False) for name in columns}


def _array(value: Any, rows: int, kind: pa.DataType) -> pa.Array:
    if isinstance(value, np.ndarray | list):
        return pa.array(value, kind, from_pandas=True)
    return pa.repeat(pa.scalar(None if _is_missing(value) else value, kind), rows)


def _is_missing(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
