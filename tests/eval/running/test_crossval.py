"""One arm in one fold, fitted and scored for real at the size of a stamp."""

import dataclasses

import numpy as np
import pytest

from eval.running import crossval
from eval.running.crossval import duration, line_of, run_arm
from eval.running.folds import run_fold, unfinished
from eval.study.arms import ARM_CLASSES
from eval.study.fold import Fold
from eval.study.guard import LeakError
from eval.study.outcome import write_outcome
from eval.study.preparation import prepare
from eval.study.recipe import read_study
from glowseis.errors import FittingError, InputError
from tests.support.outcomes import make_outcome
from tests.support.small_study import LABELS, labelled_survey, study_words

pytestmark = [pytest.mark.usefixtures("eager_fitting"), pytest.mark.slow]
FRACTIONS = (66.68, 31.54, 1.76)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crossval")
    recipe, _, survey, _, out = study_words(folder)
    made = prepare(read_study(recipe), out, survey)
    settings = made.recipe.survey.model_copy(update={"fractions": list(FRACTIONS)})
    independent = labelled_survey(folder / "independent", counts=(8, 9, 11), first_shot=1000)
    return dataclasses.replace(
        made, independent=independent, recipe=made.recipe.model_copy(update={"survey": settings})
    )


@pytest.fixture(scope="module")
def fold(study):
    return Fold(study, "grouped", 1)


@pytest.fixture(scope="module")
def outcomes(fold):
    return {name: run_arm(fold, name) for name in ("none", "oversampling")}


def test_an_arm_is_scored_on_the_folds_test_gathers(study, fold, outcomes):
    outcome = outcomes["oversampling"]
    assert outcome.error == "" and outcome.study == study.digest and outcome.seed == fold.seed
    index = study.survey.index
    assert outcome.ids == index["gather_id"].iloc[fold.test].tolist()
    assert [LABELS[one] for one in outcome.classes] == index["label"].iloc[fold.test].tolist()
    assert np.shape(outcome.probabilities) == (len(fold.test), 3)
    np.testing.assert_allclose(np.sum(outcome.probabilities, axis=1), 1, atol=1e-5)
    assert outcome.synthetic == 6 and outcomes["none"].synthetic == 0
    counts = index["label"].iloc[fold.training].value_counts()
    assert outcome.training == outcomes["none"].training == {label: counts[label] for label in LABELS}


def test_arms_take_as_many_steps_and_begin_with_the_same_weights(fold, outcomes):
    one, other = outcomes["none"], outcomes["oversampling"]
    assert one.steps == other.steps == 2 * -(-len(fold.training) // 8)
    assert one.seed == other.seed and len(one.epochs) == 2
    assert [epoch["step"] for epoch in one.epochs] == [one.steps / 2, one.steps]
    best = min(one.epochs, key=lambda epoch: epoch["validation_loss"])
    assert one.kept_step == best["step"]
    assert {"loss", "validation_rare_f1"} <= set(best)


def test_an_arm_gives_the_same_again(fold, outcomes):
    again = run_arm(fold, "oversampling")
    assert again.probabilities == outcomes["oversampling"].probabilities


def test_the_independent_survey_counts_as_the_fractions_say(outcomes):
    found = outcomes["none"].independent
    support = np.sum(found.confusion, axis=1)
    np.testing.assert_allclose(support / support.sum(), np.array(FRACTIONS) / sum(FRACTIONS), rtol=1e-6)
    assert support.sum() == pytest.approx(28) and len(found.precision_at_recall) == 101
    assert 0 <= found.calibration_error <= 1


def test_tensorboard_tells_arms_apart(study, fold, outcomes):
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    events = EventAccumulator(str(study.logs("grouped", 1, "oversampling")), size_guidance={"tensors": 0})
    events.Reload()
    values = {
        tag: {event.step: float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)}
        for tag in events.Tags()["tensors"]
        if not tag.startswith("_hparams_")
    }
    outcome = outcomes["oversampling"]
    assert sorted(values["loss/training"]) == list(range(1, outcome.steps + 1))
    assert len(values["loss/validation"]) == len(values["f1/bad"]) == 2
    assert values["test/accuracy"] == {outcome.kept_step: pytest.approx(np.mean(outcome.truth == outcome.predicted))}
    assert values["independent/f1_rare"][outcome.kept_step] == pytest.approx(outcome.independent.f1[2])

    found = {}
    for tag in ("_hparams_/session_start_info", "_hparams_/session_end_info", "_hparams_/experiment"):
        content = events.SummaryMetadata(tag).plugin_data.content
        found[tag] = plugin_data_pb2.HParamsPluginData.FromString(content)
    settings = found["_hparams_/session_start_info"].session_start_info.hparams
    assert settings["arm"].string_value == "oversampling" and settings["kind"].string_value == "grouped"
    assert [settings[name].number_value for name in ("fold", "augmentations", "seed")] == [1, 6, outcome.seed]
    assert found["_hparams_/session_end_info"].session_end_info.status == 1
    shown = {metric.name.tag for metric in found["_hparams_/experiment"].experiment.metric_infos}
    assert shown <= set(values) and "test/f1_rare" in shown


class Failing:
    name = "oversampling"
    error = FittingError("step 3: the classifier's\nloss is nan")

    def training_set(self, given, first=None):
        raise self.error


def test_an_arm_that_fails_is_told_while_others_go_on_and_is_tried_again(study, fold, monkeypatch):
    monkeypatch.setitem(ARM_CLASSES, "oversampling", Failing)
    monkeypatch.setattr("eval.running.folds.Fold", lambda *_: fold)
    said = []
    arms = ("oversampling", "none")
    first, second = run_fold(study, "grouped", 1, arms, said.append)
    assert first.error == "step 3: the classifier's loss is nan" and first.probabilities == [] and not second.error
    assert said[0] == "grouped fold 1, oversampling: failed: step 3: the classifier's loss is nan"
    assert said[1].startswith("grouped fold 1, none: F1 of bad ")
    assert unfinished(study, "grouped", 1, arms) == ["oversampling"]


def test_a_leak_is_no_failure_of_an_arm(study, fold, monkeypatch):
    monkeypatch.setitem(ARM_CLASSES, "oversampling", Failing)
    monkeypatch.setattr(Failing, "error", LeakError("a test gather"))
    with pytest.raises(LeakError, match="a test gather"):
        run_arm(fold, "oversampling")


def test_what_is_printed_while_a_fold_is_run_goes_to_its_log(study, fold, monkeypatch, capsys):
    def printing(fold, arm):
        print("step 1 of 2")
        tested = study.survey.index["gather_id"].to_numpy()[study.parts("grouped", 2)[2]].tolist()
        made = make_outcome("grouped", 2, arm, study=study.digest)
        chances = [[0.2, 0.3, 0.5]] * len(tested)
        return made.model_copy(update={"ids": tested, "classes": [2] * len(tested), "probabilities": chances})

    monkeypatch.setattr("eval.running.folds.Fold", lambda *_: fold)
    monkeypatch.setattr("eval.running.folds.run_arm", printing)
    run_fold(study, "grouped", 2, ["none"])
    assert capsys.readouterr().out.startswith("grouped fold 2, none: ")
    assert (study.folder / "work/grouped-02.log").read_text().endswith("step 1 of 2\n")
    monkeypatch.setattr("eval.running.folds.run_arm", None)
    assert run_fold(study, "grouped", 2, ["none"]) == []


def test_an_outcome_of_other_folds_is_refused(study):
    write_outcome(study.outcomes, make_outcome("grouped", 0, "none", study=study.digest))
    with pytest.raises(InputError, match=r"grouped-00-none.json: was tested on other gathers than grouped fold 0 has"):
        unfinished(study, "grouped", 0, ["none"])


def test_lines_and_times():
    outcome = make_outcome("stratified", 2, "flow", seconds={"flow": 3000.0, "classifier": 640.0})
    line = line_of(outcome)
    assert line.startswith("stratified fold 2, flow: F1 of bad ") and line.endswith("(1 h 01 min)")
    assert "independent survey" not in line_of(outcome.model_copy(update={"independent": None}))
    assert [duration(one) for one in (0.4, 59, 59.6, 3570, 36000)] == [
        "0 s",
        "59 s",
        "1 min",
        "1 h 00 min",
        "10 h 00 min",
    ]
    assert crossval.machine().split()[1] in ("core,", "cores,")
