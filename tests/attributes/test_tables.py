"""Tables of attributes: the same rows in Parquet and CSV, in pieces that do not grow."""

import csv

import numpy as np
import pandas as pd

from glowseis.attributes import tables
from glowseis.attributes.rows import COORDINATE, FRACTION, MARK, TEXT, WHOLE
from glowseis.attributes.tables import read_columns, table_writer

COLUMNS = {"name": TEXT, "number": WHOLE, "level": FRACTION, "x_m": COORDINATE, "dead": MARK}


def test_rows_are_the_same_in_both_files_and_written_as_they_come(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS", 10)
    with table_writer(tmp_path, "t", COLUMNS) as writer:
        for gather in range(7):
            level = np.array([0.1, np.nan, 1e-20])
            dead = level > 0
            columns = {"name": f"g{gather}", "number": np.arange(3), "level": level, "x_m": 500_000.25, "dead": dead}
            writer.add(columns, 3)
            assert writer._rows < 10
    whole, cells = pd.read_parquet(tmp_path / "t.parquet"), pd.read_csv(tmp_path / "t.csv")
    assert len(whole) == 21 and list(whole) == list(cells) == list(COLUMNS)
    for name in ("number", "x_m", "dead"):
        assert whole[name].tolist() == cells[name].tolist()
    assert whole["name"].tolist() == cells["name"].tolist() == [f"g{gather}" for gather in range(7) for _ in range(3)]
    assert np.allclose(whole["level"], cells["level"], rtol=1e-6, atol=0, equal_nan=True)
    assert whole["level"].isna().sum() == 7 and ",,500000.25," in (tmp_path / "t.csv").read_text()


def test_single_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "SINGLES", 4)
    with table_writer(tmp_path, "t", COLUMNS) as writer:
        for number in range(9):
            level = float("nan") if number == 3 else 0.5
            writer.add_row({"name": "=1+1", "number": number, "level": level, "x_m": 1.0, "dead": number == 2})
            assert len(writer._singles) < 4
    (part,) = read_columns(tmp_path / "t.parquet", ("name", "number", "level"))
    assert part["number"].tolist() == list(range(9)) and part["name"][0] == "=1+1"
    assert np.flatnonzero(np.isnan(part["level"])).tolist() == [3]
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["'=1+1"] * 9 and rows[3]["level"] == ""


def test_a_table_without_rows(tmp_path):
    with table_writer(tmp_path, "t", COLUMNS):
        pass
    assert (tmp_path / "t.csv").read_text().strip() == ",".join(f'"{name}"' for name in COLUMNS)
    assert pd.read_parquet(tmp_path / "t.parquet").empty
