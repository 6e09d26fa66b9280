"""`python -m eval.cv`: what it runs, what it skips, what it prints and writes, and what it refuses."""

import json
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest

from eval.running.estimate import estimate
from eval.study.outcome import read_outcome, write_outcome
from eval.study.preparation import prepare
from eval.study.recipe import read_study
from tests.support.commands import CHECKOUT
from tests.support.outcomes import make_outcome
from tests.support.small_study import LABELS, labelled_survey, study_words

ARMS = ("none", "oversampling", "flow")
KINDS = ("grouped", "stratified")


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """Recipe and survey of three folds, with the words that name them."""
    return study_words(tmp_path_factory.mktemp("study"))


@pytest.fixture
def words(there, tmp_path):
    recipe, option, survey, _, _ = there
    return [recipe, option, survey, "--out", tmp_path / "study", "--arms", ",".join(ARMS)]


@pytest.fixture
def ran(monkeypatch):
    """No training: an arm takes no time and grades most gathers rightly. Gives what was run, one after another.

    Nor are figures drawn for reports (tests of reports do), or the networks that there are not forgotten.
    """
    done = []

    def run_arm(fold, name):
        study = fold.study
        index = study.survey.index.iloc[fold.test]
        classes = [LABELS.index(label) for label in index["label"]]
        random = np.random.default_rng(len(done))
        given = random.dirichlet(np.ones(3), len(classes)) + 2 * np.eye(3)[classes]
        done.append((fold.kind, fold.number, name))
        return make_outcome(
            fold.kind,
            fold.number,
            name,
            study=study.digest,
            synthetic=0 if name == "none" else study.recipe.study.augmentations,
            ids=index["gather_id"].tolist(),
            classes=classes,
            probabilities=(given / given.sum(axis=1, keepdims=True)).tolist(),
            independent=None,
        )

    monkeypatch.setattr("glowseis.pages.drawing.svg_text", lambda figure, name, **_: "<svg></svg>")
    monkeypatch.setattr("eval.running.folds.run_arm", run_arm)
    monkeypatch.setattr("eval.running.estimate.estimate", lambda study, todo: 90.0 * len(todo))
    return done


@pytest.mark.slow
def test_all_folds_then_tables_and_report(words, tmp_path, command, ran):
    done = command("eval.cv", *words)
    assert done.status == 0, done.error
    assert ran == [(kind, fold, arm) for kind in KINDS for fold in range(3) for arm in ARMS]
    lines = done.out.splitlines()
    assert lines[0] == "18 arms of folds to run, 0 finished; about 27 min left"
    assert lines[1].endswith("; about 26 min left") and not lines[18].endswith("left")
    assert [line.split(":")[0] for line in lines[1:19]] == [
        f"{kind} fold {fold}, {arm}" for kind in KINDS for fold in range(3) for arm in ARMS
    ]
    assert "flow interpolation" in done.out and "paper, augmented with 600" in done.out
    tables = pd.read_csv(tmp_path / "study/tables/table1.csv")
    assert set(tables["kind"]) - {"published"} == set(KINDS) and set(ARMS) <= set(tables["arm"])
    assert "Table 1" in (tmp_path / "study/report.html").read_text()
    assert f"report: {tmp_path / 'study/report.html'}" in lines[-1]


@pytest.mark.slow
def test_what_is_finished_is_skipped_and_what_is_missing_is_run(words, tmp_path, command, ran):
    assert command("eval.cv", *words).status == 0
    (tmp_path / "study/outcomes/stratified-01-flow.json").unlink()
    ran.clear()
    done = command("eval.cv", *words)
    assert done.status == 0 and ran == [("stratified", 1, "flow")]
    assert "1 arms of folds to run, 17 finished" in done.out
    ran.clear()
    again = command("eval.cv", *words, "--tables-only")
    assert again.status == 0 and ran == []
    assert "arms of folds" not in again.out and "Table 1" in again.out


@pytest.mark.slow
def test_some_folds_give_tables_that_say_so(words, tmp_path, command, ran):
    done = command("eval.cv", *words, "--kind", "grouped", "--fold", "2", "--fold", "0")
    assert done.status == 0 and {one[:2] for one in ran} == {("grouped", 0), ("grouped", 2)}
    missing = "grouped fold 1 none, grouped fold 1 oversampling, grouped fold 1 flow"
    page = (tmp_path / "study/report.html").read_text()
    again = command("eval.cv", *words, "--kind", "grouped", "--tables-only")
    assert again.status == 0
    for out in (done.out, again.out):
        assert "2 of 3 folds" in out and "stratified fold" not in out and f"not finished yet: {missing}" in out
    assert f"Not finished yet: {missing}." in page and "Table 1" in page
    assert pd.read_csv(tmp_path / "study/tables/table1.csv")["folds"].isin([2, 10]).all()


def test_one_arm_of_one_fold_is_shown(words, tmp_path, command, ran):
    done = command("eval.cv", *words[:-1], "none", "--kind", "grouped", "--fold", "1")
    assert done.status == 0 and ran == [("grouped", 1, "none")]
    assert "nan" not in done.out.lower() and "grouped fold 0 none, grouped fold 2 none" in done.out
    assert "Confusion matrices" in (tmp_path / "study/report.html").read_text()


@pytest.mark.slow
def test_tables_need_no_survey_and_say_what_then_is_not_known(there, words, tmp_path, command, ran, monkeypatch):
    assert command("eval.cv", *words, "--kind", "grouped").status == 0
    monkeypatch.chdir(tmp_path)
    words = [there[0], "--set", 'survey={count = 60, size = "32x32"}', "--outcomes", tmp_path / "study/outcomes"]
    words += ["--kind", "grouped", "--arms", ",".join(ARMS), "--out", tmp_path / "tables", "--tables-only"]
    done = command("eval.cv", *words)
    assert done.status == 0, done.error
    assert "surveys are not here" in done.out and "Table 1" in done.out and not (tmp_path / "surveys").exists()
    page = (tmp_path / "tables/report.html").read_text()
    assert page.count("The study&#39;s survey is not here.") == 3 and "surveys are not here" in page
    done = command("eval.cv", *words, "--set", "study.augmentations=7")
    assert done.status == 2 and "study.augmentations was 6, here it is 7" in done.error[0]


@pytest.mark.slow
def test_outcomes_of_other_data_are_shown_with_what_differs(there, words, tmp_path, command, ran):
    assert command("eval.cv", *words, "--kind", "grouped").status == 0
    own = labelled_survey(tmp_path / "other", counts=(23, 21, 16))
    words = [there[0], "--survey", own.path, *words[3:], "--kind", "grouped", "--outcomes", tmp_path / "study/outcomes"]
    words[words.index("--out") + 1] = tmp_path / "again"
    done = command("eval.cv", *words)
    assert done.status == 2 and "is of another study" in done.error[0]
    done = command("eval.cv", *words, "--tables-only")
    assert done.status == 0, done.error
    remark = re.search(
        r"another study \(\w{12}, this one is \w{12}\): (\d+) of their 60 test gathers .*, (\d) of 3 f", done.out
    )
    assert int(remark[1]) > 0 and int(remark[2]) > 0 and "Table 1" in done.out
    assert "another study" in (tmp_path / "again/report.html").read_text()


@pytest.mark.slow
def test_outcomes_elsewhere_and_other_arms_later(words, tmp_path, command, ran):
    elsewhere = ("--outcomes", tmp_path / "kept")
    assert command("eval.cv", *words[:-1], "none", "--kind", "grouped", *elsewhere).status == 0
    ran.clear()
    assert command("eval.cv", *words, "--kind", "grouped", *elsewhere).status == 0
    assert ran == [("grouped", fold, arm) for fold in range(3) for arm in ARMS[1:]]
    assert len(list((tmp_path / "kept").glob("*.json"))) == 9 and not (tmp_path / "study/outcomes").exists()


@pytest.mark.slow
def test_a_failed_arm_is_in_the_tables_and_the_status_and_is_tried_again(words, command, ran, monkeypatch):
    from eval.running import folds as running

    working = running.run_arm

    def failing(fold, name):
        if (fold.number, name) == (1, "flow"):
            return make_outcome("grouped", 1, "flow", study=fold.study.digest, error="the flow does not invert")
        return working(fold, name)

    monkeypatch.setattr("eval.running.folds.run_arm", failing)
    done = command("eval.cv", *words, "--kind", "grouped")
    assert done.status == 1 and len(done.error) == 1
    assert "1 of 9 arms of folds failed, the first grouped fold 1, flow: the flow does not invert" in done.error[0]
    assert "grouped fold 2, flow: F1" in done.out and "failed: fold 1: the flow does not invert" in done.out
    monkeypatch.setattr("eval.running.folds.run_arm", working)
    ran.clear()
    assert command("eval.cv", *words, "--kind", "grouped").status == 0
    assert ran == [("grouped", 1, "flow")]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--fold", "3"), "--fold 3: "),
        (("--kind", "split"), "--kind split: choose grouped or stratified"),
        (("--arms", "none,flaw"), "--arms: no arm is called 'flaw'; choose from none, class-weights"),
        (("--arms", "none,none"), "--arms: name at least one arm, and each only once"),
        (("--set", "study.fold=4"), "unknown key study.fold; did you mean folds?"),
        (("--set", "study.folds=30"), "too few for 30 folds"),
        (("--jobs", "2", "--scheduler", "tcp://a:1"), "give --jobs or --scheduler, not both"),
        (("--tables-only", "--fold", "0"), "--tables-only trains nothing; leave out --fold"),
        (("--tables-only",), "no arm of a fold is finished"),
        (("--survey", "nowhere"), "nowhere"),
    ],
)
def test_wrong_words_are_told_in_a_line(words, tmp_path, command, ran, more, message):
    done = command("eval.cv", *words, *more)
    assert done.status == 2 and len(done.error) == 1 and message in done.error[0], done.error
    assert ran == []


@pytest.mark.parametrize("option", ["--out", "--outcomes"])
def test_folders_that_cannot_be_written_to_are_told_before_any_work(there, tmp_path, command, ran, option):
    file = tmp_path / "file"
    file.touch()
    words = [*there[:3], "--out", tmp_path / "study"]
    for folder, reason in (
        (file, "is a file, not a folder"),
        (file / "deeper", "cannot be written to (Not a directory)"),
    ):
        done = command("eval.cv", *words, option, folder)
        assert done.status == 2 and done.out == "", done.out
        assert done.error == [f"eval.cv: {folder}: {reason}; give another {option}"]
    assert ran == []


def test_a_folder_of_another_study_is_refused(words, command, ran):
    assert command("eval.cv", *words, "--fold", "0", "--kind", "grouped").status == 0
    done = command("eval.cv", *words, "--set", "study.augmentations=7")
    assert done.status == 2 and len(done.error) == 1
    assert "study of another recipe (study.augmentations was 6, now 7)" in done.error[0]


def test_outcomes_of_another_study_are_refused(words, tmp_path, command, ran):
    write_outcome(tmp_path / "study/outcomes", make_outcome("grouped", 0, "none"))
    done = command("eval.cv", *words)
    assert done.status == 2 and len(done.error) == 1 and "is of another study" in done.error[0]


def test_a_survey_that_changed_is_refused(words, tmp_path, command, ran):
    recipe, _, _, *rest = words
    own = study_words(tmp_path / "own")[2]
    assert command("eval.cv", recipe, "--survey", own, *rest, "--fold", "0", "--kind", "grouped").status == 0
    shutil.rmtree(own)
    labelled_survey(own, counts=(24, 20, 17))
    done = command("eval.cv", recipe, "--survey", own, *rest)
    assert done.status == 2 and len(done.error) == 1 and "changed" in done.error[0]


def test_folds_of_other_processes_get_the_same_words(there, words, tmp_path, command, monkeypatch, ran):
    # The labels are the records', so it is the same study.
    (tmp_path / "anna.csv").write_text((there[2] / "gathers.csv").read_text())
    labels = ("--labels", str(tmp_path / "anna.csv"), "--judge", "anna")
    asked = []
    monkeypatch.setattr(
        "eval.running.scheduling.on_this_machine", lambda jobs, at_once, say: asked.append((jobs, at_once))
    )
    done = command("eval.cv", *words, "--kind", "grouped", "--jobs", "2", "--set", "study.temperature=0.8", *labels)
    # No process did anything, and that is told.
    assert done.status == 2 and "no arm of a fold is finished" in done.error[0]
    ((jobs, at_once),) = asked
    assert at_once == 2 and [job.name for job in jobs] == [f"grouped fold {fold}" for fold in range(3)]
    said = list(jobs[0].words)
    assert said[said.index("--set") + 1] == "study.temperature=0.8" and said[said.index("--arms") + 1] == ",".join(ARMS)
    assert tuple(said[said.index("--labels") :][:4]) == labels


def test_the_estimate_is_of_what_finished_arms_took_on_such_a_machine(there, tmp_path, monkeypatch):
    monkeypatch.setattr("eval.running.estimate.machine", lambda: "2 cores, no GPU")
    study = prepare(read_study(there[0]), tmp_path / "study", there[2])
    folder = study.outcomes
    for fold, seconds in ((0, 100.0), (1, 140.0)):
        write_outcome(folder, make_outcome("grouped", fold, "flow", study=study.digest, seconds={"flow": seconds}))
    other = {"seconds": {"flow": 9e9}, "study": study.digest}
    write_outcome(folder, make_outcome("grouped", 0, "none", **other, machine="64 cores, a GPU"))
    write_outcome(folder, make_outcome("grouped", 2, "flow", **other, error="failed"))
    (folder / "damaged.json").write_text("{")
    assert estimate(study, [("grouped", 2, "flow"), ("stratified", 0, "flow")]) == 240.0
    assert estimate(study, [("grouped", 2, "flow"), ("grouped", 0, "none")]) is None
    assert estimate(study, []) == 0.0


def start_cv(python, words, *more):
    return subprocess.Popen(
        [python, "-m", "eval.cv", *map(str, words), *more],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_signal_keeps_what_is_finished_and_the_same_command_goes_on(there, tmp_path, command, warm_python, jobs):
    recipe, option, survey, _, _ = there
    words = [recipe, option, survey, "--out", tmp_path / "study", "--arms", "none,oversampling", "--kind", "grouped"]
    words += ["--jobs", jobs, "--set", "study.folds=2", "--set", "study.training.epochs=1"]
    process = start_cv(warm_python, words)
    outcomes = tmp_path / "study/outcomes"
    end = time.monotonic() + 300
    while not list(outcomes.glob("*.json")):
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=300)
    kept = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in outcomes.glob("*.json")}
    assert 1 <= len(kept) < 4 and not (tmp_path / "study/report.html").exists()
    assert process.returncode == 75, error
    assert error.splitlines()[-1] == (
        "eval.cv: stopped; everything finished is kept, run the same command again to continue"
    )
    # How many processes there are may change.
    done = command("eval.cv", *words, "--jobs", "1")
    assert done.status == 0, done.error
    assert f"{4 - len(kept)} arms of folds to run, {len(kept)} finished" in done.out
    assert all((path.read_bytes(), path.stat().st_mtime_ns) == before for path, before in kept.items())
    assert len(list(outcomes.glob("*.json"))) == 4 and (tmp_path / "study/report.html").exists()
    assert not any(read_outcome(path).error for path in outcomes.glob("*.json"))


@pytest.mark.slow
def test_the_whole_command_with_a_flow(there, tmp_path, warm_python):
    recipe, option, survey, _, _ = there
    words = [recipe, option, survey, "--out", tmp_path / "study", "--arms", "none,flow", "--kind", "grouped"]
    process = start_cv(warm_python, words, "--set", "study.folds=2", "--fold", "1")
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0, error
    assert "Traceback" not in error and "retracing" not in error
    flow = read_outcome(tmp_path / "study/outcomes/grouped-01-flow.json")
    assert flow.synthetic == 6 and flow.seconds["flow"] > 0 and flow.seconds["synthesis"] > 0
    assert json.loads((tmp_path / "study/study.json").read_text())["recipe"]["study"]["folds"] == 2
    assert "1 of 2 folds" in out and "Table 1" in out


@pytest.mark.parametrize("name", ["demo", "study", "paper"])
def test_recipes_serve_studies(name):
    recipe = read_study(CHECKOUT / f"train/{name}.toml")
    section = recipe.study
    assert section.kinds == ["grouped", "stratified"]
    assert {"none", "oversampling", "pixel-mixing", "flow"} <= set(section.arms)
    assert section.independent and section.independent.size == recipe.survey.size
    rare = section.independent.count * section.independent.fractions[2] / sum(section.independent.fractions)
    assert name == "demo" or rare > 1000
    assert {label for phase in recipe.phases_of("rare") for label in phase.labels} == {"bad"}
