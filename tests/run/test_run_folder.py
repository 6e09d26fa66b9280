"""A run's folder: who may write there, what its record and its figures must hold."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from glowseis.errors import InputError
from glowseis.export.folders import ABOUT
from glowseis.files import read_json, write_json
from glowseis.recipe import read_recipe
from glowseis.run.claim import claimed
from glowseis.run.classifier import ClassifierResult, classifier_lines
from glowseis.run.flow import FlowResult, flow_lines, train_flow
from glowseis.run.record import RECORD, check_folder, record_of
from glowseis.run.result import RESULT, export_once, read_result
from glowseis.survey.labels.overlay import with_labels
from glowseis.survey.store.survey import open_survey

FLOW = {
    "step": 40,
    "steps": 45,
    "round_trip_error": 1e-6,
    "held_out": 3,
    "held_out_bits": 4.25,
    "patch_gaussian_bits": 6,
    "rare_patch_gaussian_bits": None,
    "png_bits": 5.5,
    "webp_bits": 4.5,
    "savedmodel": "savedmodels/tiny/1",
    "savedmodel_sha256": "0",
    "command_s": 12.5,
    "first_step_s": 3.0,
}
CLASSIFIER = {
    "step": 40,
    "steps": 45,
    "validation": {"support": [1.0, 2], "text": "the table", "f1": [0.5, 0.5]},
    "savedmodel": "savedmodels/grader/1",
    "command_s": 12,
}
UNREAD = ("steps", "savedmodel_sha256")
"""Figures that no line shows."""


@pytest.fixture
def run(tiny, tmp_path):
    """Folder, recipe, survey and record of a run that was begun."""
    recipe, survey = read_recipe(tiny.recipe), open_survey(tiny.survey)
    record = record_of(recipe, survey)
    with claimed(tmp_path / "run", record, print):
        pass
    return tmp_path / "run", recipe, survey, record


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def exported(name):
    def export(target):
        (target / "assets.extra").mkdir(parents=True)
        write_json(target / ABOUT, {"run": name})

    return export


def test_a_run_exports_once_whoever_else_exported_meanwhile(tmp_path):
    folder = tmp_path / "tiny"
    first = export_once("a", folder, exported("a"))
    assert export_once("b", folder, exported("b")).name == "2"
    assert export_once("a", folder, exported("a")) == first == folder / "1"
    (first / ABOUT).write_text("damaged")
    assert export_once("b", folder, exported("b")).name == "2"
    assert export_once("c", folder, exported("c")).name == "3"
    assert names(tmp_path) == ["tiny"]


def test_runs_that_end_together_get_versions_of_their_own(tmp_path):
    def slowly(name):
        def export(target):
            time.sleep(0.2)
            exported(name)(target)

        return export

    with ThreadPoolExecutor(4) as threads:
        made = threads.map(lambda name: export_once(name, tmp_path / "tiny", slowly(name)), "abcd")
        assert sorted(path.name for path in made) == ["1", "2", "3", "4"]


def test_a_run_is_one_process_s_until_it_is_done(run):
    folder, *_, record = run
    with claimed(folder, record, print) as identity:
        with pytest.raises(InputError, match="another process is training there"), claimed(folder, record, print):
            pass
        write_json(folder / RESULT, FLOW)
        with claimed(folder, record, print) as again, claimed(folder, record, print):
            assert again == identity
    assert names(folder) == [RESULT, RECORD]


def test_what_a_killed_process_left_is_no_run(run, tmp_path):
    folder, recipe, _, record = run
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / ".lock").touch()
    (tmp_path / "killed" / f".{RECORD}.writing").mkdir()
    check_folder(tmp_path / "killed", recipe)
    with claimed(tmp_path / "killed", record, print) as identity:
        assert identity == read_json(tmp_path / "killed" / RECORD)["run"] != read_json(folder / RECORD)["run"]
    assert names(tmp_path / "killed") == [RECORD]


def test_a_run_with_labels_from_a_file_is_another(run, tmp_path):
    folder, recipe, survey, record = run
    assert "relabelling" not in record
    (tmp_path / "anna.csv").write_text("shot,label\n0,bad\n2,bad\n")
    (tmp_path / "same.csv").write_text("first shot,last shot,label,note\n0,0,BAD,\n2,,bad,again\n1,1,bad,as before\n")
    labelled, same = (with_labels(survey, [tmp_path / name]) for name in ("anna.csv", "same.csv"))
    with pytest.raises(InputError, match=r"run on .* with the labels of the survey's own records; give another --out"):
        check_folder(folder, recipe, labelled)
    kept = record_of(recipe, labelled)
    assert kept["relabelling"]["files"] == [str(tmp_path / "anna.csv")]
    with claimed(tmp_path / "labelled", kept, print) as identity:
        assert read_json(tmp_path / "labelled" / RECORD)["relabelling"] == kept["relabelling"]
    # It is the meaning that counts, not the file.
    check_folder(tmp_path / "labelled", recipe, same)
    with claimed(tmp_path / "labelled", record_of(recipe, same), print) as again:
        assert again == identity
    with pytest.raises(InputError, match=r"run on .* with labels of .*anna.csv; give another --out"):
        check_folder(tmp_path / "labelled", recipe, survey)
    with pytest.raises(InputError, match=r"with labels of"), claimed(tmp_path / "labelled", record, print):
        pass


@pytest.mark.parametrize("value", [None, 5, [], {"a": 1}, "removed"])
def test_a_record_without_what_it_must_hold_is_told(run, value):
    folder, recipe, survey, record = run
    whole = read_json(folder / RECORD)
    for key in ("run", "recipe", "survey_checksum", "versions"):
        changed = {**whole, key: value}
        if value == "removed":
            del changed[key]
        elif key == "recipe" and isinstance(value, dict):
            continue
        elif key == "versions" and value == {"a": 1}:
            changed[key] = {"keras": 3}
        write_json(folder / RECORD, changed)
        with pytest.raises(InputError, match=r"not the folder of a run; give another --out"):
            check_folder(folder, recipe, survey)
        with pytest.raises(InputError, match=r"not the folder of a run"), claimed(folder, record, print):
            pass
    for content in (value, [whole]):
        write_json(folder / RECORD, content)
        with pytest.raises(InputError, match="not the folder of a run"):
            check_folder(folder, recipe, survey)


def test_figures_of_a_run_that_is_done_are_read_and_shown(tmp_path):
    write_json(tmp_path / RESULT, FLOW)
    assert any("4.250" in line for line in flow_lines(read_result(tmp_path, FlowResult), "bad"))
    alone = {key: value for key, value in FLOW.items() if "bits" not in key and key != "held_out"}
    write_json(tmp_path / RESULT, alone)
    assert len(flow_lines(read_result(tmp_path, FlowResult), "bad")) == 3
    write_json(tmp_path / RESULT, CLASSIFIER)
    assert classifier_lines(read_result(tmp_path, ClassifierResult), tmp_path)[1] == "the table"


@pytest.mark.parametrize(
    ("after", "fitted", "told"),
    [
        (0.1, {"fitted_on": 40}, []),
        (
            0.159,
            {"fitted_on": 40},
            ["  calibration (to the class fractions, then by temperature) did not help on test"],
        ),
        (0.1, {"fitted_on": 0}, ["  the temperature is 1: too few validation gathers to fit one"]),
        (
            0.159,
            {"fitted_on": 0, "temperature_of": "robust/3"},
            [
                "  the temperature is that of robust/3: too few validation gathers to fit one",
                "  calibration (to the class fractions, then by temperature) did not help on test",
            ],
        ),
    ],
)
def test_where_a_temperature_is_from_and_that_it_did_not_help_is_told(tmp_path, after, fitted, told):
    errors = {when: {"expected_calibration_error": error} for when, error in (("before", 0.134), ("after", after))}
    found = classifier_lines({**CLASSIFIER, "calibration": {"test": errors, **fitted}}, tmp_path)
    each = f"test 13.4 before and {100 * after:.1f} after calibration ({tmp_path / 'reliability.png'})"
    assert found[found.index(f"expected calibration error in percent: {each}") + 1 : -2] == told


@pytest.mark.parametrize(("kind", "whole"), [(FlowResult, FLOW), (ClassifierResult, CLASSIFIER)])
@pytest.mark.parametrize("value", ["removed", "4.25", None, True, [1.0], {}])
def test_a_figure_that_is_missing_or_of_another_type_is_told_in_one_line(tmp_path, kind, whole, value):
    told = 0
    optional = {"first_step_s", "validation"}
    for key in whole.keys() - set(UNREAD):
        changed = {**whole, key: value}
        if value == "removed":
            del changed[key]
        if (value == "removed" and key in optional) or (key == "savedmodel" and value == "4.25"):
            continue
        if key.endswith("gaussian_bits") and value is None:
            continue
        write_json(tmp_path / RESULT, changed)
        with pytest.raises(InputError, match=rf"result\.json: .*{key}.*; remove it and run the same") as caught:
            read_result(tmp_path, kind)
        assert "\n" not in str(caught.value)
        told += 1
    assert told > 2


@pytest.mark.parametrize("part", [{}, {"support": 5, "text": ""}, {"support": ["1"], "text": ""}, {"support": [1.0]}])
def test_scores_of_another_type_are_told(tmp_path, part):
    write_json(tmp_path / RESULT, {**CLASSIFIER, "test": part})
    with pytest.raises(InputError, match=r"result\.json: test\."):
        read_result(tmp_path, ClassifierResult)


def test_training_tells_of_a_damaged_result(run, tmp_path):
    folder, recipe, survey, _ = run
    write_json(folder / RESULT, {**FLOW, "held_out_bits": "4.25"})
    with pytest.raises(InputError, match=r"result\.json: held_out_bits: .*; remove it and run the same command again"):
        train_flow(recipe, survey, folder, tmp_path / "savedmodels", print, 0.0)
    (folder / RESULT).write_text("{")
    with pytest.raises(InputError, match=r"result\.json: cannot be read"):
        train_flow(recipe, survey, folder, tmp_path / "savedmodels", print, 0.0)
