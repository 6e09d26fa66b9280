"""Classifiers of `eval.worth` by JAX, from simulation to outcomes."""

import contextlib
import sys

import numpy as np
import pytest

from eval.on_jax.graded import About, Graded, read_graded, write_graded
from eval.on_jax.stages import check_suits, stages_of
from eval.study.outcome import read_outcome
from eval.study.recipe import read_study
from eval.worth_jax import main
from glowseis.errors import InputError
from tests.support.commands import on_backend
from tests.support.small_replicates import REPLICATED

JAX = (
    REPLICATED.replace('augmentations = 9', 'augmentations = 8\naugment = ["polarity", "shift_time", "shift_trace"]')
    .replace("learning_rate = 1e-2\n", "learning_rate = 1e-2\nsteps_per_epoch = 3\n")
    .replace("held_out = 0.25", 'held_out = 0.25\naugment = ["polarity", "shift_time", "shift_trace"]')
)  # fmt: skip


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "worth.toml"
    path.write_text(JAX)
    return path


@pytest.mark.slow
def test_a_study_is_run_elsewhere_goes_on_and_is_taken(recipe, tmp_path, monkeypatch, command, jax_python):
    monkeypatch.chdir(tmp_path)
    words = ["-m", "eval.worth_jax", recipe, "graded", "--setting", "weather1-rare6", "--survey", "0"]
    words += ["--seconds", "600", "--workers", "1", "--machine", "a machine"]
    done = on_backend("jax", jax_python, *words)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "graded/weather1-rare6.npz"
    about, arms = read_graded(path)
    assert [(one.number, one.arm) for one in arms] == [(0, "oversampling"), (0, "low-band")]
    assert about.machine == "a machine" and len(about.truth) == 60
    for one in arms:
        assert one.probabilities.shape == (60, 3) and np.allclose(one.probabilities.sum(axis=1), 1, atol=1e-5)
        assert one.training["bad"] == 4 and one.synthetic == 8 and len(one.losses) == 2
    taken = command("eval.worth", recipe, "--take", "graded")
    assert taken.status == 0 and "2 outcomes taken from graded" in taken.out
    outcome = read_outcome(tmp_path / "studies/replicated/outcomes/weather1-rare6-00-low-band.json")
    assert outcome.machine == "a machine" and outcome.steps == 6 and outcome.training == arms[1].training
    assert 0 <= outcome.independent.f1[2] <= 1 and "differ in roundings" not in taken.out
    again = command("eval.worth", recipe, "--take", "graded")
    assert "0 outcomes taken from graded" in again.out


def graded(arm="low-band", number=0):
    return Graded(
        arm, number, 1, "", {"good": 3}, 2, [0.5], {"classifier": 1.0}, {}, np.full((4, 3), 1 / 3, np.float32)
    )


ABOUT = About("digest", "weather1-rare6", "", "", [0, 1, 2, 2], "")


def test_files_of_graded_gathers(tmp_path):
    path = tmp_path / "one.npz"
    write_graded(path, ABOUT, [graded(), graded("oversampling")])
    about, arms = read_graded(path)
    assert about == ABOUT and [one.arm for one in arms] == ["low-band", "oversampling"]
    assert np.array_equal(arms[0].probabilities, graded().probabilities) and arms[0].losses == [0.5]
    content = path.read_bytes()
    for place in range(0, len(content), 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        with contextlib.suppress(InputError):
            read_graded(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="is damaged"):
        read_graded(path)
    path.write_bytes(content[:-30])
    for wrong in (path, tmp_path / "none.npz"):
        with pytest.raises(InputError, match=f"{wrong}: (is damaged|no such file)"):
            read_graded(wrong)
    write_graded(path, ABOUT, [Graded(*[*vars(graded()).values()][:-1], np.zeros((3, 3)))])
    with pytest.raises(InputError, match=r"is damaged, or no file of python -m eval\.worth_jax"):
        read_graded(path)


@pytest.mark.slow
def test_other_studies_are_not_taken(recipe, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert (
        "empty: has no files of python -m eval.worth_jax" in command("eval.worth", recipe, "--take", "empty").error[0]
    )
    write_graded(tmp_path / "graded/weather1-rare6.npz", ABOUT, [graded()])
    refused = command("eval.worth", recipe, "--take", "graded")
    assert refused.status == 2 and "is of another study or simulator" in refused.error[0]


def test_points_of_the_curve_share_their_stages(recipe):
    curve = "study.replicates.scarcity={rare=[4,6,8],arms=['oversampling','low-band'],surveys=2}"
    study = read_study(recipe, [curve], surveys=True)
    every = list(study.study.replicates.every_setting)
    found = [([one.name for one in stage.settings], stage.numbers) for stage in stages_of(study, every, [0, 1, 2], 2)]
    assert found == [
        (["weather1-rare6"], [0, 1]), (["weather1-rare6"], [2]), (["weather1-all"], [0, 1]), (["weather1-all"], [2]),
        (["weather0-all"], [0, 1]), (["weather0-all"], [2]), (["weather1-rare4", "weather1-rare8"], [0, 1]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("study.arms=['smote']", "the arm smote is not one of"),
        ("study.augment=[]", "study.augment is [], and here only"),
        ("study.classifier.head='ordinal'", "study.classifier.head is 'ordinal'"),
        ("study.training.steps_per_epoch=0", "steps_per_epoch is 0"),
        ("training.weight_decay=0.1", "training.weight_decay is 0.1"),
        ("survey.acquisitions=3", "survey.acquisitions is 3"),
        ("study.independent.acquisitions=3", "study.independent.acquisitions is 3"),
        ("data.label='medium'", "data.label is 'medium'"),
    ],
)
def test_studies_that_only_tensorflow_can_run(recipe, change, says):
    study = read_study(recipe, [change], surveys=True)
    with pytest.raises(InputError) as refused:
        check_suits(study, recipe)
    assert str(refused.value).startswith(f"{recipe}: ") and says in str(refused.value)


@pytest.mark.parametrize(
    ("words", "backend", "says"),
    [
        (["--setting", "weather3"], "jax", "--setting weather3"),
        (["--survey", "9"], "jax", "--survey 9"),
        ([], "tensorflow", "set KERAS_BACKEND=jax"),
        (["--set", "study.arms=['none']"], "jax", "the arm none is not one of"),
    ],
)
def test_bad_input(recipe, tmp_path, monkeypatch, capsys, words, backend, says):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setattr(sys, "argv", ["worth_jax", str(recipe), str(tmp_path / "out"), *words])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2 and says in capsys.readouterr().err and not (tmp_path / "out").exists()
