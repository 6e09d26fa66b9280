"""Recipes of studies, and studies made ready."""

import dataclasses
import json
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from eval.study.preparation import Study, prepare
from eval.study.recipe import LATER, StudyRecipe, read_study
from glowseis.errors import InputError
from glowseis.recipe import LATER as LATER_OF_RUNS
from glowseis.recipe import Recipe, read_recipe
from glowseis.run.own_survey import own_survey
from glowseis.survey.store.survey import open_survey, write_survey
from tests.support.commands import CHECKOUT
from tests.support.settings import default_of
from tests.support.small_study import LABELS, RECIPE, small_recipe, small_study, small_survey

pytestmark = pytest.mark.usefixtures("one_core")

INDEPENDENT = """
[study.independent]
count = 24
size = "32x32"
fractions = [40.0, 30.0, 30.0]
seed = 2
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "small.toml").write_text(RECIPE)
    return tmp_path / "small.toml"


def test_one_file_serves_the_flow_and_the_study(path):
    flow, study = read_recipe(path), read_study(path)
    assert isinstance(flow, Recipe) and flow.flow == study.flow and flow.phases == study.phases
    assert study.study.folds == 2 and read_recipe(path, ["study.folds=3"]) == flow
    # What tells a flow's run from another is as it is without a study.
    path.write_text(RECIPE.partition("[study]")[0])
    assert read_recipe(path).model_dump() == flow.model_dump() and "study" not in flow.model_dump()
    with pytest.raises(InputError, match=r"small\.toml: the key study is missing"):
        read_study(path)


def test_a_studys_flows_have_phases_of_their_own_or_the_recipes(path):
    study = read_study(path)
    assert study.phases_of("rare") == study.phases
    assert [phase.labels for phase in study.phases_of("all")] == [list(LABELS), ["bad"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("study.fold=3", "unknown key study.fold; did you mean folds?"),
        ("study.training.epoch=3", "unknown key study.training.epoch; did you mean epochs?"),
        ("study.flow_all.0.epoch=3", "unknown key study.flow_all.0.epoch; did you mean epochs?"),
        ("study.folds=1", "study.folds = 1: input should be greater than or equal to 2"),
        ("study.folds=two", "study.folds = 'two': input should be a valid integer"),
        ("study.kinds=[]", "study.kinds = []: list should have at least 1 item"),
        ("study.kinds=['lines']", "study.kinds.0 = 'lines': input should be 'grouped' or 'stratified'"),
        ("study.validation=0.5", "study.validation = 0.5: input should be less than 0.5"),
        ("study.arms=['none', 'flwo']", "study.arms: no arm is called 'flwo'; choose from none, class-weights"),
        ("study.arms=['none', 'none']", "study.arms: name at least one arm, and each only once"),
        ("study.labels=['good', 'medium']", "study.labels = ['good', 'medium']; name two or more, each once"),
        ("data.label=ugly", "name two or more, each once, including data.label = 'ugly'"),
        ("study=3", "study = 3: input should be a valid dictionary"),
        ("study.independent.size=64x32", "study.independent.size is 64x32, survey.size 32x32; give both the same"),
        ("study.independent.size=large", "study.independent.size 'large' is not samples x traces"),
        ("study.independent.seed=1", "study.independent.seed equals survey.seed, which makes the same gathers"),
        ("phases.0.labels=['good', 'bad']", "the arm flow needs a flow of 'bad' gathers alone; give its phases as"),
        ("study.flow_rare=[]", None),
        ("flow.attention_levels=3", "flow.attention_levels = 3 is more than flow.levels"),
        ("study.curve.counts=[0]", "study.curve.counts = [0]; name a number above 0 among them"),
        ("study.training.class_weights=[1.0]", "study.training.class_weights has 1 values for 3 labels"),
        ("study.training.class_weights=[0.0, 0, 0]", "study.training.class_weights are all 0; give at least one"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place_and_value(path, change, message):
    path.write_text(RECIPE + INDEPENDENT)
    if message is None:
        assert read_study(path, [change]).phases_of("rare")
        return
    with pytest.raises(InputError) as wrong:
        read_study(path, [change])
    assert str(wrong.value).startswith(str(path)) and message in str(wrong.value)


def test_a_flow_of_all_classes_must_see_others(path):
    with pytest.raises(InputError, match=r"the arm flow-all needs a flow trained on other classes first"):
        read_study(path, ["study.flow_all=[]", "study.arms=['flow-all']"])


def test_later_settings_have_their_first_default():
    assert all(default_of(StudyRecipe, key) == default for key, default in LATER.items())
    assert all(default_of(StudyRecipe, key) in (None, default) for key, default in LATER_OF_RUNS.items())


def test_a_study_is_prepared_once(tmp_path):
    said = []
    study = small_study(tmp_path)
    assert list(study.folds) == ["grouped", "stratified"] and study.independent is None
    assert study.outcomes == study.folder / "outcomes" and study.labels == LABELS and study.rare == "bad"
    files = [study.folder / "study.json", *(study.folder / "folds" / f"{kind}.json" for kind in study.folds)]
    before = [file.read_bytes() for file in files]
    changes = ["study.kinds=['stratified']", "study.arms=['none']", "name=other"]
    again = prepare(small_recipe(tmp_path, *changes), study.folder, study.survey.path, tmp_path / "kept", said.append)
    assert list(again.folds) == ["stratified"] and again.outcomes == tmp_path / "kept"
    assert again.digest == study.digest and not said
    assert [file.read_bytes() for file in files] == before
    assert small_study(tmp_path, kinds=["grouped-split"]).folds.keys() == {"grouped-split"}
    record = json.loads(files[0].read_text())
    assert record["survey_checksum"] == study.survey.checksum and record["recipe"]["study"]["folds"] == 2
    assert {"versions", "commit", "independent"} <= record.keys()


def test_outcomes_of_the_study_recipe_still_count():
    # Checksums of its surveys, which a test cannot make; what is kept in docs/results names their digest.
    survey, independent = (
        SimpleNamespace(checksum=checksum)
        for checksum in (
            "a2b9091665bc45658dbdc9efc3ead488f6dc71ead00209652fbd6a81a5358dc5",
            "fcabba6e37adde8942183c1020847dcfaf0cf87adbfb7ebe959a3cb1e82924ad",
        )
    )
    study = Study(read_study(CHECKOUT / "train/study.toml"), survey, independent, {}, Path(), Path())
    assert study.digest == "9d6a28fd7aece5178d7225dee12ac35a270a24d788e4d57d0cd4e94a8c381db1"
    kept = [json.loads(path.read_text())["study"] for path in (CHECKOUT / "docs/results/study").glob("*.json")]
    assert kept and set(kept) == {study.digest}


def test_a_later_setting_tells_studies_apart_once_it_is_given(tmp_path):
    study = small_study(tmp_path)
    record = study.folder / "study.json"
    content = json.loads(record.read_text())
    # As it was before there were such settings.
    del content["recipe"]["study"]["training"]["at_once"]
    record.write_text(json.dumps(content))
    again = small_study(tmp_path, "study.training.at_once=0")
    assert again.digest == study.digest and json.loads(record.read_text()) == content
    with pytest.raises(InputError, match=r"a study of another recipe \(study.training.at_once was not there\)"):
        small_study(tmp_path, "study.training.at_once=4")
    other = prepare(small_recipe(tmp_path, "study.training.at_once=4"), tmp_path / "other", tmp_path / "survey")
    assert other.digest != study.digest


def test_processes_may_prepare_a_study_at_the_same_time(tmp_path):
    small_survey(tmp_path / "survey")
    recipe, made, failed = small_recipe(tmp_path), [], []

    def one():
        try:
            made.append(prepare(recipe, tmp_path / "study", tmp_path / "survey"))
        except BaseException as wrong:
            failed.append(wrong)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and len(made) == 4
    assert len({study.folds["grouped"].checksum for study in made}) == 1


@pytest.mark.parametrize(
    "change", ["seed=4", "study.augmentations=10", "study.classifier.alpha=2", "flow.steps=2", "study.folds=3"]
)
def test_a_folder_of_another_recipe_is_refused(tmp_path, change):
    study = small_study(tmp_path)
    key = change.partition("=")[0]
    with pytest.raises(InputError, match=rf"study: holds a study of another recipe \({key} was"):
        small_study(tmp_path, change)
    assert small_study(tmp_path).digest == study.digest


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="study: holds something that is not a study; give another --out"):
        small_study(tmp_path)
    assert [file.name for file in (tmp_path / "study").iterdir()] == ["thesis.txt"]


def test_a_folder_that_has_outcomes_alone_is_taken(tmp_path):
    (tmp_path / "study" / "outcomes").mkdir(parents=True)
    assert small_study(tmp_path).folds


def test_a_damaged_record_may_be_removed_and_is_made_again(tmp_path):
    study = small_study(tmp_path)
    record = study.folder / "study.json"
    for text, message in (("{", r"cannot be read \(.*\)"), ("{}", "is not the record of a study")):
        record.write_text(text)
        with pytest.raises(InputError, match=f"study.json: {message}; remove it and run the same command again"):
            small_study(tmp_path)
    record.unlink()
    assert small_study(tmp_path).digest == study.digest and record.exists()


def test_a_survey_that_changed_or_is_another_is_told(tmp_path):
    study = small_study(tmp_path)
    small_survey(tmp_path / "second", first_shot=100)
    with pytest.raises(InputError, match=r"second: is another survey .*study\.json"):
        prepare(study.recipe, study.folder, tmp_path / "second")
    (tmp_path / "survey").rename(tmp_path / "first")
    (tmp_path / "second").rename(tmp_path / "survey")
    with pytest.raises(InputError, match=r"survey: has changed since this study began"):
        small_study(tmp_path)
    # The same data elsewhere are the same survey.
    assert prepare(study.recipe, study.folder, tmp_path / "first").digest == study.digest


def test_labels_from_a_file_make_another_study(tmp_path):
    study = small_study(tmp_path)
    name = study.survey.index["gather_id"].iat[int(study.survey.select(labels=["good"])[0])]
    (tmp_path / "anna.csv").write_text(f"gather_id,label\n{name},medium\n")
    with pytest.raises(InputError, match=r"began with the labels of the survey's own records; give the same --labels"):
        prepare(study.recipe, study.folder, tmp_path / "survey", labels=[tmp_path / "anna.csv"])
    other = prepare(study.recipe, tmp_path / "other", tmp_path / "survey", labels=[tmp_path / "anna.csv"])
    assert other.digest != study.digest and other.survey.read(name).label == "medium"
    with pytest.raises(InputError, match=r"began with labels of .*anna\.csv; give the same --labels"):
        prepare(study.recipe, tmp_path / "other", tmp_path / "survey")


def test_folds_of_another_survey_are_told(tmp_path):
    study = small_study(tmp_path)
    (study.folder / "study.json").unlink()
    small_survey(tmp_path / "second", first_shot=100)
    (study.folder / "folds").rename(tmp_path / "folds")
    (tmp_path / "other").mkdir()
    prepare(study.recipe, tmp_path / "other", tmp_path / "second")
    (tmp_path / "other" / "folds" / "grouped.json").write_bytes((tmp_path / "folds" / "grouped.json").read_bytes())
    with pytest.raises(InputError, match=r"grouped\.json: made for a survey other than .*second"):
        prepare(study.recipe, tmp_path / "other", tmp_path / "second")


@pytest.mark.parametrize(
    ("counts", "changes", "message"),
    [
        ((30, 20, 4), ("study.folds=5",), "4 recorded gathers are labelled 'bad', too few for 5 folds; label more, or"),
        ((30, 3, 20), ("study.folds=5",), "3 recorded gathers are labelled 'medium', too few for 5 folds"),
        ((30, 20), (), "no gather is labelled 'bad'; choose from its labels: good (30), medium (20)"),
        ((30, 20, 2), ("study.kinds=['stratified']",), "1 bad gathers for 2 parts, each of which must have some"),
        ((30, 20, 4), ("study.kinds=['stratified']", "study.validation=0.45"), "has 1 bad gathers to train on"),
    ],
)
def test_too_few_gathers_are_told(tmp_path, counts, changes, message):
    small_survey(tmp_path / "survey", counts)
    with pytest.raises(InputError) as wrong:
        small_study(tmp_path, *changes)
    assert message in str(wrong.value)


def test_a_gather_that_is_twice_in_the_survey_is_told(tmp_path):
    survey = small_survey(tmp_path / "once")
    folds = prepare(small_recipe(tmp_path), tmp_path / "other", tmp_path / "once").folds["stratified"]
    training, test = folds.parts(0)
    labels = survey.index["label"]
    one, other = (next(row for row in rows if labels.iat[row] == "bad") for rows in (training, test))
    gathers = [survey.read(row) for row in range(60)]
    same = {name: getattr(gathers[one], name) for name in ("image", "clip_amplitude")}
    gathers[other] = dataclasses.replace(gathers[other], **same)
    write_survey(tmp_path / "survey", gathers, survey.size, {})
    with pytest.raises(InputError, match=r"gathers shot\d+ and shot\d+ have the same image and are in two parts of"):
        small_study(tmp_path, "study.kinds=['stratified']")


@pytest.mark.slow
def test_a_recipes_own_surveys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(RECIPE + INDEPENDENT)
    changes = ["survey.fractions=[40.0, 30.0, 30.0]", "study.kinds=['stratified']"]
    changes += [f"{section}.size=64x48" for section in ("survey", "study.independent")]
    recipe = read_study(tmp_path / "small.toml", changes)
    study = prepare(recipe, tmp_path / "study")
    assert study.survey.checksum == own_survey(recipe.survey, tmp_path / "surveys" / "small").checksum
    assert len(study.independent) == 24 and study.independent.path.name == "small-independent"
    assert not set(study.independent.index["gather_id"]) & set(study.survey.index["gather_id"])
    other = prepare(recipe, tmp_path / "given", open_survey(tmp_path / "surveys" / "small").path)
    assert other.independent is None and other.digest != study.digest
