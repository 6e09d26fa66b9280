"""Texts of users in CSV files are no formulas, and come back as they were."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glowseis.survey.cells import cell_text, safe_cell, safe_table

FORMULAS = ["=1+1", "+SUM(A1)", "-cmd|'/c calc'!A1", "@SUM(A1)", "\t=1", "\r=1", "-", "=", "+a", "-1-1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_marked_as_text(text):
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "bad", "a=b", "1-2", "-1", "+3.5", "-0,25", "schlecht -", "'quoted'", " =1"])
def test_other_texts_and_numbers_stay(text):
    assert safe_cell(text) == text


@given(st.text(alphabet="'=+-@\t\r1a", max_size=6))
def test_every_text_comes_back(text):
    assert cell_text(safe_cell(text)) == text
    # Written before texts were marked.
    assert text.startswith("'") or cell_text(text) == text


def test_a_table_is_marked_everywhere_and_its_numbers_are_not():
    table = pd.DataFrame(
        {"label": ["=1", "bad", None], "=column": [-1, 2, 3], "share": np.array([-0.1, 0.2, 0.3], np.float32)},
        index=pd.Index(["@a", "b", "-5"], name="label"),
    )
    rows = list(csv.reader(io.StringIO(safe_table(table).to_csv())))
    assert rows[0] == ["label", "label", "'=column", "share"]
    assert [row[:3] for row in rows[1:]] == [["'@a", "'=1", "-1"], ["b", "bad", "2"], ["-5", "", "3"]]
    assert [row[3] for row in rows] == [line.rpartition(",")[2] for line in table.to_csv().splitlines()]
    assert table.columns[1] == "=column" and table.iloc[0, 0] == "=1"
