"""Flows of windows: trained on them, gone on from with gathers of any size, and used for new gathers."""

import contextlib
import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.export.network import load_network
from glowseis.fitting.flow.selection import select
from glowseis.recipe import RareSection, identifying, read_recipe
from glowseis.run.flow import _matched
from glowseis.run.rare import added_gathers, rare_flow
from glowseis.run.starting import Start, find_start
from glowseis.survey.matching.profile import profile_of
from glowseis.survey.pairs import Pair
from glowseis.survey.store.survey import open_survey, write_survey
from glowseis.synthesis import (
    interpolate_pairs,
    load_flow,
    matched_parents,
    recombine_levels,
    synthesise,
    synthesise_prior,
)
from tests.support.commands import run_here
from tests.support.graded_survey import RECIPE, graded_survey
from tests.support.random_gathers import random_gather, random_survey
from tests.support.shared import shared_folder

pytestmark = pytest.mark.usefixtures("eager_fitting")

WINDOWS = """
name = "windows"
seed = 3

[data]
held_out = 0.25
window = "16x8"

[flow]
levels = 2
steps = 1
filters = 8
attention_levels = 0

[[phases]]
labels = ["bad"]
epochs = 2
learning_rate = 1e-3

[training]
batch = 3
pictures_every_epochs = 100
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A flow of windows of 16x8, trained on gathers of 40 x 24 in images of 64 x 32."""

    def make(folder):
        (folder / "windows.toml").write_text(WINDOWS)
        random_survey(folder / "survey", 16)
        done = run_here("train", "windows.toml", "--survey", "survey", folder=folder)
        assert done.status == 0, done.error

    folder = shared_folder(tmp_path_factory, "windows", make)
    return SimpleNamespace(
        recipe=folder / "windows.toml", survey=folder / "survey", model=folder / "savedmodels/windows/1"
    )


@pytest.fixture
def there(made, tmp_path, monkeypatch):
    """A folder with a recipe that starts from the flow, and a survey of the same gathers at 4 ms."""
    text = WINDOWS.replace('window = "16x8"', "").replace('"windows"', '"own"').replace("held_out = 0.25", "")
    text = text[: text.index("[flow]")] + text[text.index("[[phases]]") :]
    (tmp_path / "own.toml").write_text(f'{text}start_from = "{made.model}"\nkeep = "last"\n')
    gathers = []
    for shot in range(8):
        gather = random_gather(shot, (96, 32), samples=90, label=("good", "bad")[shot % 2], line=7)
        geometry = dataclasses.replace(gather.geometry, sample_interval_s=0.004)
        gathers.append(dataclasses.replace(gather, geometry=geometry))
    write_survey(tmp_path / "fine", gathers, (96, 32), {})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def find_window(gather, whole):
    """First sample and trace of a window in the gather that it was cut from."""
    column = int(np.flatnonzero(whole.geometry.channel == gather.geometry.channel[0])[0])
    return round((gather.geometry.start_s - whole.geometry.start_s) / whole.geometry.sample_interval_s), column


@pytest.mark.slow
def test_a_flow_of_windows_records_them_and_is_judged_on_them(made):
    about = json.loads((made.model / "assets.extra/glowseis.json").read_text())
    assert about["window"] == about["trained_on"]["window"] == [16, 8] and about["image_shape"] == [16, 8, 1]
    assert about["figures"]["held_out"] == len(about["held_out_ids"]) == 2
    assert about["figures"]["png_bits"] > 8  # noise in small windows; whole images have padding


@pytest.mark.slow
def test_a_child_is_a_window_with_the_traces_and_times_of_its_first_parent(made):
    survey, flow = open_survey(made.survey), load_flow(made.model)
    children = list(synthesise(flow, survey, "bad", 6, seed=2))
    assert {child.image.shape for child in children} == {(16, 8)}
    places = {find_window(child, survey.read(child.origin.parents[0])) for child in children}
    assert len(places) > 3 and all(0 <= row <= 24 and 0 <= column <= 16 for row, column in places)
    # At weight zero a child is its first parent's window.
    ids = set(flow.about["held_out_ids"])
    rows = [row for row in survey.select(["bad"]) if survey.index["gather_id"].iat[row] not in ids]
    pair = Pair(int(rows[0]), int(rows[1]), 0.0)
    (child,) = interpolate_pairs(flow, survey, "bad", [pair], seed=5)
    whole = survey.read(int(rows[0]))
    row, column = find_window(child, whole)
    assert np.array_equal(child.image, whole.image[row : row + 16, column : column + 8])
    assert np.array_equal(child.geometry.offset_m, whole.geometry.offset_m[column : column + 8])
    assert list(synthesise(flow, survey, "bad", 2, seed=2))[1].image.tolist() == children[1].image.tolist()
    (mixed,) = recombine_levels(flow, survey, "bad", [pair], 5, [])
    assert np.array_equal(mixed.image, child.image)
    (drawn,) = synthesise_prior(flow, survey, "bad", 1, 1, 0.7)
    assert drawn.image.shape == (16, 8)


@pytest.mark.slow
def test_a_flow_goes_on_with_gathers_of_another_size_and_interval(made, there, command):
    done = command("train", "own.toml", "--survey", "fine")
    assert done.status == 0, done.error
    assert "4 gathers resampled from 4 ms to 8 ms, the sample interval that windows/1 was trained at" in done.out
    about = json.loads(Path("savedmodels/own/1/assets.extra/glowseis.json").read_text())
    assert about["window"] == [16, 8] and about["trained_on"]["interval_s"][1] == 0.008
    assert len(about["training_ids"]) == 4
    first, second = (load_network(one).get_weights() for one in (made.model, "savedmodels/own"))
    assert not all(np.array_equal(*pair) for pair in zip(first, second, strict=True))
    generated = command("generate", "savedmodels/own", "--survey", "fine", "--count", 3, "--out", "new.segy")
    assert generated.status == 0, generated.error
    assert generated.out.count("resampled from") == 1 and "4 gathers resampled from 4 ms to 8 ms" in generated.out
    assert "from 4 possible parents" in generated.out
    read = command("ingest", "new.segy", "--out", "again", "--size", "16x8")
    assert read.status == 0 and set(open_survey("again").index["sample_interval_s"]) == {0.008}
    assert set(open_survey("again").index["parents"].str.split(";").str.len()) == {2}


@pytest.mark.slow
def test_the_rare_class_keeps_its_rows_where_no_phase_trains_on_it(made, there):
    survey, recipe = open_survey("fine"), read_recipe(there / "own.toml", ["phases.0.labels=['good']"])
    chosen = select(survey, recipe)
    matched, found = _matched(survey, chosen, recipe, find_start(made.model, "flow"), there / "run", lambda line: None)
    for part in ("training", "rare"):
        ids = (one.index["gather_id"].to_numpy()[getattr(of, part)] for one, of in ((survey, chosen), (matched, found)))
        assert np.array_equal(*ids)


@pytest.mark.slow
def test_windows_are_added_to_a_classifiers_rare_class(made, there, command):
    survey, told = open_survey("fine"), []
    section = RareSection(add="flow", count=5, flow=str(made.model))
    given = (section, survey, np.arange(8), ("good", "bad"), 1, rare_flow(section), there / "added", told.append)
    added, rows = added_gathers(*given)
    assert added.size == (96, 32) and len(rows) == 5
    assert set(added.index["valid_samples"]) == {16} and set(added.index["valid_traces"]) == {8}
    image = added.read_images(rows)
    assert (image[:, 16:] == 128).all() and (image[:, :, 8:] == 128).all() and (image[:, :16, :8] != 128).mean() > 0.9

    (there / "grader.toml").write_text(RECIPE)
    words = ("--set", "rare.add=flow", "--set", f"rare.flow={made.model}", "--set", "data.test=0.0")
    refused = command("train", "grader.toml", "--survey", "fine", *words, "--set", "training.keep=last")
    assert (refused.status, len(refused.error)) == (2, 1)
    assert "a sample interval of 4 ms, but windows/1 was trained at 8 ms" in refused.error[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "survey", "changes", "message"),
    [
        (
            "windows",
            "fine",
            ["data.window=128x8"],
            "at most 90 samples and 24 traces, too few for the windows of",
        ),
        (
            "windows",
            "fine",
            ["data.window=16x6"],
            'data.window = "16x6" cannot be halved 2 times; choose 16x8',
        ),
        ("windows", "fine", ["data.window=wide"], "data.window: size 'wide' is not samples x traces"),
        (
            "own",
            "fine",
            ["data.window=16x16"],
            'data.window = "16x16" contradicts windows/1, which was trained on',
        ),
        ("own", "small", [], "at most 12 samples and 24 traces, too few for the windows of 16x8 of windows/1"),
        ("own", "coarse", [], "a sample interval of 16 ms, but windows/1 was trained at 8 ms"),
    ],
)
def test_what_no_window_fits_is_one_line(made, there, command, recipe, survey, changes, message):
    if survey != "fine":
        graded_survey(there / survey, (4, 4), ("good", "bad"), size=(12, 24) if survey == "small" else (40, 24))
    if survey == "coarse":
        gathers = [open_survey("coarse").read(row) for row in range(8)]
        geometries = [dataclasses.replace(one.geometry, sample_interval_s=0.016) for one in gathers]
        changed = [dataclasses.replace(one, geometry=own) for one, own in zip(gathers, geometries, strict=True)]
        write_survey(there / "sixteen", changed, (40, 24), {})
        survey = "sixteen"
    words = [word for change in changes for word in ("--set", change)]
    file = made.recipe if recipe == "windows" else there / "own.toml"
    done = command("train", file, "--survey", survey, *words)
    assert (done.status, len(done.error)) == (2, 1) and message in done.error[0], done.error


@pytest.mark.slow
def test_a_run_without_a_window_is_the_one_that_it_was(tmp_path):
    (tmp_path / "r.toml").write_text(WINDOWS.replace('window = "16x8"', ""))
    settings = identifying(read_recipe(tmp_path / "r.toml").model_dump())
    assert "window" not in settings["data"]


@pytest.mark.slow
def test_generating_from_gathers_that_are_too_few_samples_long(made, there):
    gathers = [random_gather(shot, (32, 32), samples=20, traces=24, label="bad") for shot in range(3)]
    write_survey(there / "short", gathers, (32, 32), {})
    survey = open_survey(there / "short")
    assert [child.valid_samples for child in synthesise(made.model, survey, "bad", 2)] == [16, 16]
    with pytest.raises(InputError, match="too few for the windows of 16x8 of windows/1"):
        graded_survey(there / "less", (3,), ("bad",), size=(12, 24))
        synthesise(made.model, there / "less", "bad", 2)


def test_gathers_that_are_too_small_are_no_parents(tmp_path):
    gathers = [random_gather(shot, label="bad") for shot in range(7)]
    geometries = [
        {},
        {},
        {"sample_interval_s": np.nan},
        {"sample_interval_s": 0.004},
        {"sample_interval_s": 0.002},
        {},
        {},
    ]
    gathers = [
        dataclasses.replace(one, geometry=dataclasses.replace(one.geometry, **changes))
        for one, changes in zip(gathers, geometries, strict=True)
    ]
    write_survey(tmp_path / "trained", gathers[:2], (64, 32), {})
    gathers[0] = random_gather(0, label="bad", samples=12)
    gathers[5].image[:, 9:] = 128
    write_survey(tmp_path / "survey", gathers, (64, 32), {})
    flow = SimpleNamespace(sees_windows=True, name="swell/1", size=(32, 24))
    flow.profile = profile_of(open_survey(tmp_path / "trained"), np.arange(2))
    survey, told = open_survey(tmp_path / "survey"), []
    assert matched_parents(flow, survey, np.arange(7), told.append).tolist() == [1, 2, 3, 6]
    ids = survey.index["gather_id"]
    for start, names in (
        ("1 gather resampled from 2 ms", []),
        ("1 gather resampled from 4 ms", []),
        ("1 gather without a sample interval is assumed to have 8 ms", []),
        ("1 gather left out with fewer than the 16 samples that swell/1 needs", ids[[0]]),
        ("1 gather left out with fewer than the 16 samples of 8 ms", ids[[4]]),
        ("1 gather left out with fewer than the 12 live traces", ids[[5]]),
    ):
        (line,) = (one for one in told if one.startswith(start))
        assert all(name in line for name in names)
    with pytest.raises(InputError, match="large enough for swell/1, and of 3 possible parents there are 1; give"):
        matched_parents(flow, survey, np.array([0, 1, 4]), told.append)
    flow.sees_windows = False
    assert len(matched_parents(flow, survey, np.arange(7), told.append)) == 7


@pytest.mark.parametrize(
    ("small", "changes", "message"),
    [
        (
            "training",
            ["data.held_out=0.0", "training.keep=last"],
            "1 recorded gathers that are large enough for swell/1 are labelled 'bad' and 0 of them are held",
        ),
        ("held_out", ["data.held_out=0.2"], 'keep = "best" needs held-out gathers that are large enough for swell/1'),
        ("held_out", ["data.held_out=0.2", "training.keep=last"], ""),
        ("none", ["data.held_out=0.2"], ""),
    ],
)
def test_what_is_left_after_matching_must_do(tmp_path, small, changes, message):
    (tmp_path / "own.toml").write_text(WINDOWS.replace("held_out = 0.25", ""))
    recipe = read_recipe(tmp_path / "own.toml", changes)
    survey = random_survey(tmp_path / "survey", 12)
    rows = getattr(select(survey, recipe), small, [])
    gathers = [random_gather(shot, label=("good", "bad")[shot % 2]) for shot in range(12)]
    for row in rows[1:] if small == "training" else rows:
        gathers[row].image[:, 3:] = 128
    write_survey(tmp_path / "small", gathers, (64, 32), {})
    about = {"image_shape": [16, 8, 1], "trained_on": profile_of(survey, np.arange(12)).record()}
    survey = open_survey(tmp_path / "small")
    start = Start(tmp_path / "swell/1", about)
    with pytest.raises(InputError, match=message) if message else contextlib.nullcontext():
        _matched(survey, select(survey, recipe), recipe, start, tmp_path / "run", lambda line: None)
