"""The measure of difficulty, at a size and length that show that it works, not what it finds."""

import json

import pytest

from eval import difficulty
from eval.difficulty import table
from glowseis.survey.gather import LABELS

pytestmark = pytest.mark.usefixtures("eager_fitting", "one_core")


def row(rare: float) -> dict:
    return {"precision": [0.9, 0.8, rare], "recall": [0.9, 0.8, rare], "f1": [0.9, 0.8, rare]}


def test_the_table_gives_means_and_the_range_of_networks():
    rows = {"un-augmented": [row(0.4), row(0.6)], "rule, no uncertainty": [row(0.85)]}
    shown = table({"simulator": "9.9", "training": {"bad": 3}, "test": {"bad": 4}, "rows": rows})
    first, last = shown.splitlines()[-2:]
    assert "| 50.0 / 50.0 / 50.0 | 40.0 to 60.0 |" in first
    assert "| 85.0 / 85.0 / 85.0 |  |" in last
    assert "simulator 9.9" in shown


@pytest.mark.slow
def test_the_command_measures_both_ceilings(tmp_path, monkeypatch, command):
    monkeypatch.setattr(difficulty, "TEST_GATHERS", (60, 40, 40))
    out = tmp_path / "difficulty.json"
    words = ["--size", "64x48", "--count", 64, "--networks", 1, "--ceilings", 1, "--epochs", 1, "--alpha", 1]
    assert command("eval.difficulty", *words, "--seed", 4, "--out", out).status == 0
    result = json.loads(out.read_text())
    assert set(result["rows"]) == {"un-augmented", "10 x the rare gathers", "rule, no uncertainty"}
    rule = result["rows"]["rule, no uncertainty"][0]
    # The rule is what made the labels, but for the judge's uncertainty.
    assert rule["labels"] == list(LABELS) and rule["f1"][-1] > 0.7
    assert result["test"] == {"good": 60, "medium": 40, "bad": 40}
