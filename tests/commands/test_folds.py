"""Folds drawn by the command."""

import dataclasses
import re

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.labels.overlay import with_labels
from glowseis.survey.splits.fold_files import (
    KINDS,
    make_folds,
    read_folds,
    torn_duplicates,
)
from tests.support.fold_survey import COUNT, SIZE, fold_survey, label_of, survey_of
from tests.support.random_gathers import random_gather


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    return fold_survey(tmp_path_factory.mktemp("folds") / "survey")


def test_command_with_labels_from_a_file(tmp_path, survey, command):
    bad = survey.index["gather_id"][survey.select(labels=["bad"])]
    (tmp_path / "anna.csv").write_text("\n".join(["gather_id,label", *(f"{name},medium" for name in bad[:5])]))
    done = command("folds", survey.path, "--out", tmp_path / "f.json", "--labels", tmp_path / "anna.csv", "--folds", 3)
    assert done.status == 0, done.error
    labelled = with_labels(survey, [tmp_path / "anna.csv"])
    folds = read_folds(tmp_path / "f.json", labelled)
    tests = np.concatenate([folds.parts(fold)[1] for fold in range(3)])
    of_records = survey.index["label"].iloc[tests]
    assert (labelled.index["label"].iloc[tests] == "bad").sum() == (of_records == "bad").sum() - 5
    with pytest.raises(InputError, match="or for other labels of it; give that one, with the same --labels if there"):
        read_folds(tmp_path / "f.json", survey)


def test_command(tmp_path, survey, command):
    out = tmp_path / "folds" / "lines.json"
    words = (survey.path, "--out", out, "--kind", "grouped", "--folds", 3)
    done = command("folds", *words)
    assert (done.status, done.error) == (0, [])
    table = done.out.splitlines()
    assert table[0].split() == ["fold", "part", "good", "medium", "bad", "sail", "lines"] and len(table) == 10
    counts = [list(map(int, line.split()[2:])) for line in table[1:7]]
    there = survey.index["label"].to_numpy(str)[:COUNT]
    for training, test in zip(counts[::2], counts[1::2], strict=True):
        assert np.add(training, test).tolist() == [*((there == name).sum() for name in ("good", "medium", "bad")), 12]
    assert "10 gathers are left out: they are synthetic or have no label" in done.out
    assert read_folds(out, survey).checksum in done.out
    again = command("folds", *words)
    assert again.status == 2 and "exists already" in again.error[0] and len(again.error) == 1
    other = command("folds", survey.path, "--out", tmp_path / "o.json", "--kind", "grouped", "--folds", 40)
    assert other.status == 2 and "sail lines with bad gathers for 40 parts" in other.error[0]
    for words in (("--kind", "random"), ("--folds", "1"), ("--seed", "-1"), ("--rare", "nobody")):
        wrong = command("folds", survey.path, "--out", tmp_path / "o.json", *words)
        assert wrong.status == 2 and len(wrong.error) == 1 and not (tmp_path / "o.json").exists()
    nowhere = command("folds", tmp_path / "nowhere", "--out", tmp_path / "o.json")
    assert nowhere.status == 2 and "no such survey" in nowhere.error[0]


@pytest.mark.parametrize("kind", KINDS)
def test_equal_gathers_in_two_parts_are_told(tmp_path, command, kind):
    """A line that came into the survey twice, under other names and line numbers, is test and training at once."""
    plain = [random_gather(number, SIZE, label=label_of(number), line=1 + number % 6) for number in range(60)]
    again = [
        dataclasses.replace(
            gather,
            gather_id=f"again-{gather.gather_id}",
            geometry=dataclasses.replace(gather.geometry, sail_line=7 + number % 6),
        )
        for number, gather in enumerate(plain)
    ]
    survey = survey_of(tmp_path / "survey", [*plain, *again])
    folds = make_folds(survey, kind, 3, seed=2)
    torn = torn_duplicates(survey, folds)
    first, other = re.search(r"such as again-(\S+) to (\S+): ", torn).groups()
    assert first == other
    parts = [rows for fold in range(len(folds)) for rows in folds.parts(fold)[0 if "split" in kind else 1 :]]
    together = sum(bool({row, row + 60} <= set(rows.tolist())) for row in range(60) for rows in parts)
    assert torn.startswith(f"warning: {60 - together} gathers identical to a gather in another part")
    words = ("--out", tmp_path / "folds.json", "--kind", kind, "--folds", 3, "--seed", 2)
    done = command("folds", survey.path, *words)
    assert done.status == 0 and torn in done.out


def test_different_gathers_are_not_taken_for_equal(survey):
    assert not torn_duplicates(survey, make_folds(survey, "stratified", 4))
