import copy
import json
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glowseis.errors import InputError
from glowseis.survey.splits.fold_files import (
    KINDS,
    FoldsFile,
    hold_out,
    labelled_rows,
    make_folds,
    read_folds,
    write_folds,
)
from tests.support.fold_survey import COUNT, fold_survey, survey_of
from tests.support.random_gathers import random_gather


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    return fold_survey(tmp_path_factory.mktemp("folds") / "survey")


def labels(survey, rows):
    return survey.index["label"].to_numpy(str)[rows]


def lines(survey, rows):
    return set(survey.index["sail_line"].to_numpy()[rows].tolist())


@pytest.mark.parametrize("kind", ["stratified", "grouped"])
def test_every_gather_tests_once_and_trains_otherwise(survey, kind):
    folds = make_folds(survey, kind, 4, seed=3)
    assert len(folds) == 4 and folds.part_names == ("training", "test")
    tested = []
    for fold in range(4):
        training, test = folds.parts(fold)
        assert training.dtype == test.dtype == np.int64
        assert sorted([*training, *test]) == list(range(COUNT))
        assert all(part.tolist() == sorted(part) for part in (training, test))
        tested += test.tolist()
        for part in (training, test):
            share = (labels(survey, part) == "bad").mean()
            assert 0 < share < 0.2
        if kind == "grouped":
            assert not lines(survey, training) & lines(survey, test)
        else:
            counts = [(labels(survey, part) == "medium").mean() for part in (training, test)]
            assert counts[0] == pytest.approx(counts[1], abs=0.02)
    assert sorted(tested) == list(range(COUNT))
    for wrong in (-1, 4):
        with pytest.raises(InputError, match=f"no fold {wrong}; choose one from 0 to 3"):
            folds.parts(wrong)


@pytest.mark.parametrize("kind", ["split", "grouped-split"])
def test_a_split_is_70_10_20(survey, kind):
    folds = make_folds(survey, kind, seed=3)
    assert len(folds) == 1 and folds.part_names == ("training", "validation", "test")
    parts = folds.parts()
    assert sorted(np.concatenate(parts)) == list(range(COUNT))
    allowed = 0.01 if kind == "split" else 0.08
    for part, share in zip(parts, (0.7, 0.1, 0.2), strict=True):
        assert len(part) / COUNT == pytest.approx(share, abs=allowed)
        assert "bad" in labels(survey, part)
    if kind == "grouped-split":
        assert sum(len(lines(survey, part)) for part in parts) == 12


def test_unlabelled_and_synthetic_gathers_take_no_part(survey):
    assert labelled_rows(survey).tolist() == list(range(COUNT)) and len(survey) == COUNT + 10


def test_draws_depend_on_the_seed_alone(survey):
    for kind in KINDS:
        first, again, other = (make_folds(survey, kind, 3, seed) for seed in (1, 1, 2))
        assert first.checksum == again.checksum != other.checksum
    first, again, other = (hold_out(survey, np.arange(COUNT), 0.1, seed) for seed in (1, 1, 2))
    assert np.array_equal(first[1], again[1]) and not np.array_equal(first[1], other[1])


@pytest.mark.parametrize("kind", KINDS)
def test_files_come_back(tmp_path, survey, kind):
    made = make_folds(survey, kind, 3)
    write_folds(tmp_path / "folds" / "é.json", made)
    read = read_folds(tmp_path / "folds" / "é.json", survey)
    assert read.content == made.content and read.checksum == made.checksum and read.part_names == made.part_names
    for fold in range(len(made)):
        for one, other in zip(made.parts(fold), read.parts(fold), strict=True):
            assert np.array_equal(one, other)
    with pytest.raises(InputError, match="exists already"):
        write_folds(tmp_path / "folds" / "é.json", made)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.25, 1 / 3, 0.5, 0.9])
def test_a_part_held_out(survey, share, grouped):
    rows = make_folds(survey, "grouped" if grouped else "stratified", 3).parts(0)[0]
    kept, taken = hold_out(survey, rows[::-1], share, seed=5, grouped=grouped)
    assert sorted([*kept, *taken]) == rows.tolist()
    assert len(taken) / len(rows) == pytest.approx(share, abs=0.13 if grouped else 0.02)
    assert {"good", "medium", "bad"} == set(labels(survey, kept)) == set(labels(survey, taken))
    if grouped:
        assert not lines(survey, kept) & lines(survey, taken)
    for label in ("good", "medium") if not grouped else ():
        assert (labels(survey, taken) == label).mean() == pytest.approx(
            (labels(survey, rows) == label).mean(), abs=0.05
        )


def test_at_least_one_rare_gather_is_held_out_and_one_stays(tmp_path):
    gathers = [random_gather(number, label="bad" if number < 2 else "good", line=number % 2) for number in range(40)]
    survey = survey_of(tmp_path / "survey", gathers)
    for share in (0.01, 0.99):
        kept, taken = hold_out(survey, np.arange(40), share, 1)
        assert (labels(survey, kept) == "bad").sum() == (labels(survey, taken) == "bad").sum() == 1
    kept, taken = hold_out(survey, np.arange(40), 0.1, 1, grouped=True)
    assert len(kept) == len(taken) == 20


def test_whole_lines_of_few_gathers(tmp_path):
    gathers = [random_gather(number, label=("good", "medium", "bad")[number % 3], line=number) for number in range(30)]
    survey = survey_of(tmp_path / "survey", gathers)
    for count in (12, 30):
        kept, taken = hold_out(survey, np.arange(count), 0.1, 1, grouped=True)
        assert len(kept) + len(taken) == count and "bad" in labels(survey, kept) and "bad" in labels(survey, taken)


def few(folder, rare, *, of_lines=1, others=30, line=None):
    gathers = [random_gather(number, label="bad", line=line or 1 + number % of_lines) for number in range(rare)]
    gathers += [random_gather(100 + number, label="good", line=line or 1 + number % 9) for number in range(others)]
    return survey_of(folder, gathers)


@pytest.mark.parametrize(
    ("rare", "of_lines", "kind", "told"),
    [
        (9, 1, "stratified", "9 bad gathers for 10 parts, each of which must have some; ask for fewer folds$"),
        (20, 3, "grouped", "3 sail lines with bad gathers for 10 parts, .* fewer folds or ungrouped ones"),
        (1, 1, "split", "1 bad gathers for 2 parts"),
        (2, 1, "split", "1 bad gathers for 2 parts"),
        (20, 1, "grouped-split", "1 sail lines with bad gathers for 2 parts"),
        (0, 1, "stratified", "folds need gathers of at least two labels that are not synthetic; found 1"),
    ],
)
def test_folds_without_rare_gathers_are_refused(tmp_path, rare, of_lines, kind, told):
    survey = few(tmp_path / "survey", rare, of_lines=of_lines)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=told):
            make_folds(survey, kind, 10, rare="bad" if rare else None)


def test_wrong_arguments(survey):
    for call, told in (
        (lambda: make_folds(survey, "random", 3), "kind 'random' is unknown"),
        (lambda: make_folds(survey, "stratified", 1), "1 folds: give at least 2"),
        (lambda: make_folds(survey, "stratified", 10**9), "for 1000000000 parts"),
        (lambda: make_folds(survey, "stratified", 3, seed=-1), "seed -1: give a number from 0"),
        (
            lambda: make_folds(survey, "stratified", 3, rare="schlecht"),
            r"no gather is labelled 'schlecht'; choose from its labels: bad",
        ),
        (lambda: hold_out(survey, np.zeros(0, np.int64), 0.1, 1), "two labels"),
        (lambda: hold_out(survey, np.arange(9), 0.1, 2**32), "seed 4294967296"),
    ):
        with pytest.raises(InputError, match=told):
            call()
    for share in (0, 1, -1, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            hold_out(survey, np.arange(COUNT), share, 1)


def signed(content):
    """A file's content with the checksum that belongs to it: what somebody who means it would write."""
    made = FoldsFile.model_validate_json(json.dumps(content))
    return content | {"sha256": made.digest()}


@pytest.fixture
def written(tmp_path, survey):
    def write(kind="grouped"):
        path = tmp_path / f"{kind}.json"
        path.unlink(missing_ok=True)
        write_folds(path, make_folds(survey, kind, 3))
        return path, json.loads(path.read_text())

    return write


def test_what_a_meant_change_gets_wrong_is_told(tmp_path, survey, written):
    changes = {
        "gather .* is in fold 0 and in fold 1": lambda c: c["folds"][1]["test"].append(c["folds"][0]["test"][0]),
        "fold 0 has 'nobody', which is not a labelled, recorded": lambda c: c["folds"][0]["test"].append("nobody"),
        "fold 2 has 'line3-shot2000', which is no": lambda c: c["folds"][2]["test"].append("line3-shot2000"),
        "fold 2 has 'line1-shot1000', which is no": lambda c: c["folds"][2]["test"].append("line1-shot1000"),
        "1 labelled gathers are in no part, ": lambda c: c["folds"][0]["test"].pop(),
        "shares sail line": lambda c: c["folds"][1]["test"].append(c["folds"][0]["test"].pop()),
        "has no 'other' gather": lambda c: c.update(rare="other"),
        "not a split with parts": lambda c: c.update(kind="split"),
        "not a grouped with parts test": lambda c: c.update(folds=c["folds"][:1]),
        "made for a survey other": lambda c: c.update(survey_checksum="0" * 64),
    }
    path, content = written()
    for told, change in changes.items():
        changed = copy.deepcopy(content)
        change(changed)
        path.write_text(json.dumps(changed))
        with pytest.raises(InputError, match="changed after it was made, its checksum differs"):
            read_folds(path, survey)
        path.write_text(json.dumps(signed(changed)))
        with pytest.raises(InputError, match=told) as caught:
            read_folds(path, survey)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_part_without_rare_gathers_is_told(survey, written):
    label_by_id = dict(zip(survey.index["gather_id"], survey.index["label"], strict=True))
    path, content = written("stratified")
    first, second = (content["folds"][number]["test"] for number in (0, 1))
    second += [name for name in first if label_by_id[name] == "bad"]
    content["folds"][0]["test"] = [name for name in first if label_by_id[name] != "bad"]
    path.write_text(json.dumps(signed(content)))
    with pytest.raises(InputError, match="the test part of fold 0 has no 'bad' gather"):
        read_folds(path, survey)


def test_a_split_with_two_folds_is_none(survey, written):
    path, content = written("split")
    content["folds"].append({"training": [], "validation": [], "test": []})
    path.write_text(json.dumps(signed(content)))
    with pytest.raises(InputError, match="not a split"):
        read_folds(path, survey)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"x"',
        b"\xff\xfe",
        b"[" * 100_000,
        b"{}",
        b'{"schema_version": 1}',
        b"1" * 9999,
    ],
)
def test_files_that_are_none(tmp_path, survey, text):
    (tmp_path / "x.json").write_bytes(text)
    with pytest.raises(InputError, match=r"x\.json") as caught:
        read_folds(tmp_path / "x.json", survey)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_of_another_time(tmp_path, survey, written):
    with pytest.raises(InputError, match="no such file; make one with"):
        read_folds(tmp_path / "gone.json", survey)
    with pytest.raises(InputError, match="a folder; give the JSON"):
        read_folds(tmp_path, survey)
    path, content = written()
    path.write_text(json.dumps(content | {"schema_version": 2}))
    with pytest.raises(InputError, match="folds of schema 2, but this glowseis reads 1; make them again"):
        read_folds(path, survey)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(content, where=()):
    """Where something stands in JSON."""
    yield where
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield from places(value, (*where, key))


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_hundreds_of_changed_files_are_refused(survey, written, data):
    kind = data.draw(st.sampled_from(KINDS))
    path, content = cached(written, kind)
    where = data.draw(st.sampled_from([place for place in places(content) if place]))
    value = data.draw(ANYTHING)
    changed = copy.deepcopy(content)
    inside = changed
    for key in where[:-1]:
        inside = inside[key]
    if data.draw(st.booleans()):
        del inside[where[-1]]
    else:
        inside[where[-1]] = value
    if json.dumps(changed) == json.dumps(content):
        return
    path.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_folds(path, survey)
    assert str(caught.value).isprintable()


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_hundreds_of_files_with_other_bytes_are_refused(survey, written, data):
    path, content = cached(written, "grouped")
    text = bytearray(json.dumps(content).encode())
    start = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 20))
    text[start : start + length] = data.draw(st.binary(max_size=20))
    path.write_bytes(bytes(text))
    try:
        same = json.loads(text) == content
    except (ValueError, RecursionError):
        same = False
    if same:
        read_folds(path, survey)
        return
    with pytest.raises(InputError) as caught:
        read_folds(path, survey)
    assert str(caught.value).isprintable()


_WRITTEN = {}


def cached(written, kind):
    if kind not in _WRITTEN:
        _WRITTEN[kind] = written(kind)
    path, content = _WRITTEN[kind]
    path.parent.mkdir(parents=True, exist_ok=True)
    return path, content
