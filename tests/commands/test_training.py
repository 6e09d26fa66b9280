"""Training by the command: measured, stopped, resumed, failed."""

import json
import re
import resource
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from glowseis.errors import FittingError, InputError, StoppedError
from glowseis.files import locked
from glowseis.fitting.flow import fitting as loop
from glowseis.fitting.flow import run as in_folder
from glowseis.fitting.flow.fitting import FlowFitting, make_flow
from glowseis.fitting.flow.run import FlowRun
from glowseis.fitting.flow.schedule import learning_rate, plan
from glowseis.fitting.flow.selection import select
from glowseis.fitting.stopping import Stopping
from glowseis.recipe import Phase, read_recipe
from glowseis.run.flow import fitting_of
from glowseis.survey.gather import Origin
from glowseis.survey.store.survey import open_survey, write_survey
from glowseis.synthesis import possible_parents
from tests.support.commands import finish, start
from tests.support.random_gathers import random_gather, random_survey

STEPS = 3 * 7 + 4 * 3

SMALL = ("flow.levels=1", "flow.steps=1", "flow.filters=4", "flow.attention_levels=0")
"""A flow that is run in no time, for what has to do with the loop around it."""


def weights(prefix):
    """Every variable of a checkpoint or SavedModel by its name, but for counters of saves and the name of its run."""
    reader = tf.train.load_checkpoint(str(prefix))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {
        name: reader.get_tensor(name) for name in names if "save_counter" not in name and not name.startswith("run/")
    }


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


def figures(run):
    """A run's figures, but for the time it took and what its identity goes into."""
    result = json.loads((run / "result.json").read_text())
    return {name: value for name, value in result.items() if not name.endswith(("_s", "_sha256"))}


def last_step(run):
    pointer = run / "checkpoints" / "last" / "checkpoint"
    found = re.match(r'model_checkpoint_path: "ckpt-(\d+)"', pointer.read_text()) if pointer.exists() else None
    return int(found[1]) if found else -1


def when_at(process, run, step):
    """Wait until a process has kept the state after a step, or a later one."""
    while last_step(run) < step:
        assert process.poll() is None, finish(process).error
        time.sleep(0.01)
    return process


def run_of(tiny, folder, *changes):
    survey = open_survey(tiny.survey)
    recipe = read_recipe(tiny.recipe, [*SMALL, *changes])
    return FlowRun(fitting_of(recipe, survey, select(survey, recipe)), folder, Stopping())


@pytest.fixture
def eagerly():
    """Functions are run as they stand: what is called a few times takes longer to be traced than to run."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def stepping(monkeypatch, eagerly):
    """In place of a run's optimiser steps small changes of one weight."""

    def change(run):
        fitting = run.fitting

        def step(x):
            fitting.trainer.optimizer.iterations.assign_add(1)
            fitting.flow.weights[0].assign(fitting.flow.weights[0] + 1e-3)
            return 7.0, 1.0

        monkeypatch.setattr(fitting, "_optimise", step)
        return run

    return change


def test_a_finished_run_says_what_it_reached(trained):
    result = figures(trained.run)
    assert result["steps"] == STEPS and result["held_out"] == 3
    assert 0 < result["round_trip_error"] < 1e-4
    assert 1 <= result["step"] <= STEPS and 7 < result["held_out_bits"] < 8.2
    for name in ("held_out_bits", "patch_gaussian_bits", "rare_patch_gaussian_bits", "png_bits", "webp_bits"):
        assert f"{result[name]:6.3f}" in trained.out
    assert result["savedmodel"] == "savedmodels/tiny/1" and "SavedModel: savedmodels/tiny/1" in trained.out
    record = json.loads((trained.run / "run.json").read_text())
    assert record["recipe"]["flow"]["steps"] == [1, 2] and record["versions"]["tensorflow"] == tf.__version__
    about = json.loads((trained.savedmodel / "assets.extra" / "glowseis.json").read_text())
    assert len(about["training_ids"]) == 12 + 9 and len(about["held_out_ids"]) == 3 and about["label"] == "bad"
    assert about["survey_checksum"] == record["survey_checksum"]


@pytest.mark.slow
def test_a_run_that_was_killed_and_stopped_ends_with_the_same_weights(tiny, trained, tmp_path, monkeypatch, command):
    words = ("train", tiny.recipe, "--survey", tiny.survey, "--set", "training.checkpoint_every_s=0.05")
    run = tmp_path / "runs" / "tiny"
    killed = when_at(start(*words, folder=tmp_path), run, 4)
    killed.send_signal(signal.SIGKILL)
    assert finish(killed).status == -signal.SIGKILL
    assert last_step(run) < STEPS and not (run / "result.json").exists()

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        after_step = FlowRun.after_step

        def stop(run, step, *told):
            after_step(run, step, *told)
            if step == 24:
                signal.raise_signal(signal.SIGTERM)

        patch.setattr(FlowRun, "after_step", stop)
        stopped = command(*words)
    message = "glowseis.train: stopped; everything is saved, run the same command again to continue"
    assert (stopped.status, stopped.error) == (75, [message])
    assert last_step(run) == 24 and not (tmp_path / "savedmodels").exists()

    done = command(*words)
    assert done.status == 0 and f"resuming after step 24 of {STEPS}" in done.out
    assert figures(run) == figures(trained.run)
    last = Path("checkpoints") / "last" / f"ckpt-{STEPS}"
    assert same(weights(run / last), weights(trained.run / last))
    variables = Path("variables") / "variables"
    assert same(weights(tmp_path / "savedmodels/tiny/1" / variables), weights(trained.savedmodel / variables))


def test_the_first_weights_follow_the_seed(tiny):
    def first(seed):
        return [weight.numpy() for weight in make_flow(read_recipe(tiny.recipe).flow, (32, 32), seed).weights]

    assert all(map(np.array_equal, first(3), first(3)))
    assert not all(map(np.array_equal, first(3), first(4)))


def test_a_finished_run_is_not_trained_again(tiny, trained, command, monkeypatch):
    monkeypatch.chdir(trained.folder)
    monkeypatch.setattr(FlowFitting, "run", None)
    before = {path: path.stat().st_mtime_ns for path in trained.folder.rglob("*") if path.is_file()}
    done = command("train", tiny.recipe, "--survey", tiny.survey)
    assert done.status == 0 and "this run is done" in done.out
    assert trained.out.split("bits per grey value")[1] == done.out.split("bits per grey value")[1]
    assert before == {path: path.stat().st_mtime_ns for path in trained.folder.rglob("*") if path.is_file()}


def test_a_run_that_was_killed_before_its_end_was_written_is_exported_once(
    tiny, trained, tmp_path, monkeypatch, command
):
    shutil.copytree(trained.folder, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    (tmp_path / "copy" / "runs" / "tiny" / "result.json").unlink()
    assert command("train", tiny.recipe, "--survey", tiny.survey).status == 0
    assert figures(tmp_path / "copy" / "runs" / "tiny") == figures(trained.run)
    assert [path.name for path in (tmp_path / "copy" / "savedmodels" / "tiny").iterdir()] == ["1"]


def test_a_run_begun_with_other_versions_is_told(tiny, trained, tmp_path, command):
    record = json.loads((trained.run / "run.json").read_text())
    record["versions"]["tensorflow"] = "2.0.0"
    (tmp_path / "run.json").write_text(json.dumps(record))
    shutil.copy(trained.run / "result.json", tmp_path)
    done = command("train", tiny.recipe, "--survey", tiny.survey, "--out", tmp_path)
    assert done.status == 0 and "begun with other versions (tensorflow was '2.0.0', now" in done.out


def test_a_folder_where_another_process_trains_is_told(tiny, tmp_path, command):
    with locked(tmp_path / ".lock", ""):
        done = command("train", tiny.recipe, "--survey", tiny.survey, "--out", tmp_path)
    assert done.status == 2 and len(done.error) == 1
    assert "another process is training there; wait for it or give another --out" in done.error[0]
    assert not list(tmp_path.iterdir())


def test_tensorboard_shows_figures_and_pictures(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained.run / "logs"), size_guidance={"tensors": 0})
    events.Reload()
    values = {
        tag: {event.step: tf.make_ndarray(event.tensor_proto) for event in events.Tensors(tag)}
        for tag in events.Tags()["tensors"]
    }
    every_step = list(range(1, STEPS + 1))
    for tag in ("bits_per_dimension/training", "learning_rate", "gradient_norm"):
        assert sorted(values[tag]) == every_step
    np.testing.assert_allclose([values["learning_rate"][step] for step in (1, 3, 4)], [1e-2 / 3, 1e-2, 1e-2], rtol=1e-6)
    assert all(norm > 0 for norm in values["gradient_norm"].values())
    evaluated = [14, 24, 30, 33]
    assert sorted(values["bits_per_dimension/held_out"]) == sorted(values["round_trip_error"]) == evaluated
    best = figures(trained.run)
    assert values["bits_per_dimension/held_out"][best["step"]] == pytest.approx(best["held_out_bits"], rel=1e-6)
    assert min(values["bits_per_dimension/held_out"].values()) == values["bits_per_dimension/held_out"][best["step"]]
    pictures = {}
    for name in ("real", "reconstructed", "interpolated", "sampled"):
        width, height, *shown = values[f"gathers/{name}"][STEPS]
        assert int(height) > 256 and int(width) > 3 * 256 and len(shown) == 1
        pictures[name] = tf.io.decode_png(shown[0]).numpy()[..., 0] / 255
    assert np.array_equal(pictures["real"], pictures["reconstructed"])
    # Axes are the same in all.
    inside = np.ptp([*pictures.values()], axis=0) > 0
    assert 0.3 < inside.mean() < 0.9
    real, interpolated, sampled = (pictures[name][inside] for name in ("real", "interpolated", "sampled"))
    # What lies between gathers looks like both, what is sampled like none of them.
    assert 0.3 < np.corrcoef(real, interpolated)[0, 1] < 0.95 and abs(np.corrcoef(real, sampled)[0, 1]) < 0.2


@pytest.mark.parametrize(("keep", "kept"), [("best", 14), ("last", 24)])
def test_the_weights_that_the_recipe_keeps(tiny, tmp_path, monkeypatch, stepping, keep, kept):
    seen = {}

    def held_out_bits(fitting):
        step = int(fitting.trainer.optimizer.iterations)
        seen[step] = [weight.numpy() for weight in fitting.flow.weights]
        return {7: 6.0, 14: 5.0, 21: 5.0, 24: 5.5}[step]

    monkeypatch.setattr(FlowFitting, "held_out_bits", held_out_bits)
    changes = (f"training.keep={keep}", "phases.1.epochs=1", "training.evaluate_every_epochs=1")
    run = run_of(tiny, tmp_path, *changes, "training.pictures_every_epochs=99")
    fitted = stepping(run).run()
    assert sorted(seen) == [7, 14, 21, 24] and (fitted.step, fitted.steps) == (kept, 24)
    for step, there in seen.items():
        equal = all(np.array_equal(weight, one) for weight, one in zip(fitted.flow.weights, there, strict=True))
        assert equal == (step == kept)


def test_without_gathers_held_out_all_are_trained_on(tiny, tmp_path, stepping):
    changes = ("data.held_out=0.0", "training.keep=last", "phases.1.epochs=1", "phases.0.epochs=1", "training.batch=6")
    run = stepping(run_of(tiny, tmp_path, *changes))
    assert len(run.fitting.selection.rare) == 12 and run.fitting.held_out_bits() is None
    run.run()
    assert run.checkpoints.step == 4 + 2


def failed(run, tiny, folder):
    """Run until it fails; the words of the failure and the last state that was kept."""
    with pytest.raises(FittingError) as wrong:
        run.run()
    fresh = run_of(tiny, folder)
    assert fresh.restored
    assert all(np.isfinite(weight.numpy()).all() for weight in fresh.fitting.flow.weights)
    assert fresh.fitting.round_trip_error() <= loop.ROUND_TRIP_BOUND
    return str(wrong.value), fresh.checkpoints.step


def test_a_fitting_needs_no_folder(tiny, tmp_path, monkeypatch, stepping):
    changes = ("phases.0.epochs=1", "phases.1.epochs=2", "training.evaluate_every_epochs=1")
    run = stepping(run_of(tiny, tmp_path / "run", *changes))
    bits = iter([5.0, 4.0, 6.0])
    monkeypatch.setattr(run.fitting, "held_out_bits", lambda: next(bits))
    steps, epochs = [], []

    class Telling(loop.Watcher):
        def after_step(self, step, bits, gradient_norm, learning_rate):
            steps.append((step, bits, gradient_norm))

        def after_epoch(self, epoch, best):
            epochs.append((epoch.number, epoch.step, epoch.bits, epoch.held_out_bits, best))

    fitted = run.fitting.run(watcher=Telling())
    assert (fitted.step, fitted.steps) == (10, 13) and steps == [(step, 7.0, 1.0) for step in range(1, 14)]
    assert epochs == [(1, 7, 7.0, 5.0, True), (2, 10, 7.0, 4.0, True), (3, 13, 7.0, 6.0, False)]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("values", [(np.nan, 1.0), (7.0, np.inf)])
def test_a_loss_or_gradient_that_is_not_finite_stops_the_run(tiny, tmp_path, monkeypatch, eagerly, values):
    run = run_of(tiny, tmp_path, "training.checkpoint_every_s=1e-9")
    steps = iter([(7.0, 1.0)] * 5 + [values])
    monkeypatch.setattr(run.fitting, "_optimise", lambda x: next(steps))
    message, kept = failed(run, tiny, tmp_path)
    assert kept == 5
    assert message.startswith(
        f"step 6: the loss is {values[0]:.4g} and its gradient's norm is {values[1]:.4g}; the last good checkpoint, "
        "after step 5, is kept in"
    )


def test_weights_that_are_not_finite_are_never_kept(tiny, tmp_path, monkeypatch, stepping):
    run = run_of(tiny, tmp_path, "training.checkpoint_every_s=1e-9")
    fitting = stepping(run).fitting
    optimise = fitting._optimise

    def poisoned(x):
        result = optimise(x)
        if int(fitting.trainer.optimizer.iterations) == 3:
            fitting.flow.weights[0].assign(fitting.flow.weights[0] * np.nan)
        return result

    monkeypatch.setattr(fitting, "_optimise", poisoned)
    message, kept = failed(run, tiny, tmp_path)
    assert kept == 2
    assert message.startswith("step 3: the flow does not invert") and "nan of full scale" in message


def test_a_learning_rate_that_is_far_too_high_stops_the_run(tiny, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    changes = (*SMALL, "phases.0.learning_rate=1e6", "phases.0.warmup_steps=0", "training.clip_norm=0")
    done = command("train", tiny.recipe, "--survey", tiny.survey, *(f"--set={change}" for change in changes))
    assert done.status == 1 and len(done.error) == 1
    assert re.match(r"glowseis.train: step \d+: .*lower the phase's learning_rate", done.error[0])
    kept = weights(tmp_path / "runs/tiny/checkpoints/last" / f"ckpt-{last_step(tmp_path / 'runs' / 'tiny')}")
    assert all(np.isfinite(value).all() for name, value in kept.items() if name.startswith("weights"))
    assert not (tmp_path / "savedmodels").exists() and not (tmp_path / "runs/tiny/result.json").exists()


def test_a_flow_that_no_longer_inverts_stops_the_run(tiny, tmp_path, monkeypatch, stepping):
    monkeypatch.setattr(loop, "ROUND_TRIP_BOUND", 1e-5)
    run = run_of(tiny, tmp_path, "phases.0.learning_rate=1e-6", "training.checkpoint_every_s=1000")
    fitting = stepping(run).fitting
    round_trip_error = fitting.round_trip_error
    worse = {14: 2e-5}
    monkeypatch.setattr(
        fitting, "round_trip_error", lambda: worse.get(int(fitting.trainer.optimizer.iterations), round_trip_error())
    )
    message, kept = failed(run, tiny, tmp_path)
    assert kept == 0
    assert message.startswith(
        "step 14: the flow does not invert: |decode(encode(x)) - x| reaches 2e-05 of full scale, more than 1e-05; "
        "the last good checkpoint, after step 0, is kept in"
    )


@pytest.mark.slow
def test_checkpoints_are_kept_across_epochs_shorter_than_their_interval(tiny, tmp_path, monkeypatch, stepping):
    changes = ("training.checkpoint_every_s=50", "training.evaluate_every_epochs=99")
    run = stepping(run_of(tiny, tmp_path, *changes))
    now = iter(range(0, 10_000, 5))
    monkeypatch.setattr(in_folder.time, "monotonic", lambda: next(now))
    kept = []
    save = run.checkpoints.save
    monkeypatch.setattr(run.checkpoints, "save", lambda step: (kept.append(step), save(step)))
    run.run()
    assert len(kept) >= 4 and np.diff(kept).max() <= 12


@pytest.mark.slow
def test_a_full_disk_stops_the_run_in_one_line(tiny, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        changes = (*SMALL, "training.pictures_every_epochs=1")
        done = command("train", tiny.recipe, "--survey", tiny.survey, *(f"--set={change}" for change in changes))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert done.status == 2 and len(done.error) == 1 and "no space left to write" in done.error[0]
    assert not (tmp_path / "savedmodels").exists()


@pytest.mark.parametrize(
    ("prepare", "words", "message"),
    [
        ("run", ("--set", "training.batch=2"), "holds a run of another recipe (training.batch was 3, now 2); give"),
        ("run", ("--set", "phases.0.epochs=2"), "holds a run of another recipe (phases.0.epochs was"),
        ("thesis", (), "not the folder of a run; give another --out"),
        (
            "nothing",
            ("--set", "flow.levels=6", "--set", "flow.steps=1"),
            "cannot be halved 6 times; make the survey with",
        ),
        (
            "nothing",
            ("--set", "data.label=ugly"),
            "no gather is labelled 'ugly'; choose from its labels: good",
        ),
        (
            "nothing",
            ("--set", "phases.1.labels=['fine']"),
            "no gather is labelled 'fine'; choose from its labels",
        ),
        ("nothing", ("--set", "data.held_out=0.9"), "gathers are labelled 'bad' and 11 of them are held out"),
        ("nothing", ("--survey", "nowhere"), "nowhere: no such survey"),
        ("nothing", ("--set", "training.batch=x"), "training.batch = 'x': input should be a valid integer"),
    ],
)
def test_bad_input_is_told_in_one_line(tiny, trained, tmp_path, monkeypatch, command, prepare, words, message):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "tiny"
    if prepare != "nothing":
        run.mkdir(parents=True)
        record = (trained.run / "run.json").read_text() if prepare == "run" else "years of work"
        (run / ("run.json" if prepare == "run" else "thesis.tex")).write_text(record)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = command("train", tiny.recipe, "--survey", tiny.survey, *words)
    assert done.status == 2 and len(done.error) == 1
    assert message in done.error[0] and done.error[0].startswith("glowseis.train: ")
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_run_on_another_survey_is_told(tiny, trained, tmp_path, monkeypatch, command):
    monkeypatch.chdir(trained.folder)
    other = random_survey(tmp_path / "other", 12)
    done = command("train", tiny.recipe, "--survey", other.path)
    assert done.status == 2 and len(done.error) == 1
    assert f"holds a run on another survey, {tiny.survey}; give another --out" in done.error[0]


def flip(content):
    content[len(content) // 2] ^= 1
    return content


@pytest.mark.parametrize("damage", [flip, lambda content: content[:100], lambda content: b""])
def test_a_damaged_checkpoint_is_told(tiny, trained, tmp_path, monkeypatch, command, damage):
    run = tmp_path / "run"
    (run / "checkpoints" / "last").mkdir(parents=True)
    (run / "run.json").write_text((trained.run / "run.json").read_text())
    for path in (trained.run / "checkpoints" / "last").iterdir():
        content = bytearray(path.read_bytes())
        if ".data-" in path.name:
            content = damage(content)
        (run / "checkpoints" / "last" / path.name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    done = command("train", tiny.recipe, "--survey", tiny.survey, "--out", run)
    assert done.status == 2 and len(done.error) == 1
    assert "this checkpoint cannot be read" in done.error[0] and "remove the run's folder" in done.error[0]


def test_a_size_that_does_not_suit_the_flow_is_told_before_a_survey_is_made(tiny, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    done = command("train", tiny.recipe, "--set", "survey.size=30x32")
    assert done.status == 2
    assert (
        "survey.size: gathers of 30x32 cannot be halved 2 times; make the survey with a size of 32x32" in done.error[0]
    )
    assert not list(tmp_path.iterdir())


def test_a_recipe_makes_its_own_survey(tiny, tmp_path, monkeypatch, command):
    from glowseis.run import own_survey
    from glowseis.survey.simulate import simulation

    monkeypatch.chdir(tmp_path)
    section = read_recipe(tiny.recipe, ["survey.count=6", "survey.size=112x80", "survey.fractions=[1, 1, 1]"]).survey
    survey = own_survey.own_survey(section, tmp_path / "own")
    assert len(survey) == 6 and survey.size == (112, 80)
    monkeypatch.setattr(simulation, "simulate_recordings", None)
    again = own_survey.own_survey(section, tmp_path / "own")
    assert again.checksum == survey.checksum
    other = section.model_copy(update={"seed": 2})
    with pytest.raises(InputError, match="not the survey that the recipe describes"):
        own_survey.own_survey(other, tmp_path / "own")


def test_a_recipes_own_survey_goes_on_where_it_was(tiny, tmp_path, monkeypatch):
    from glowseis.run import own_survey
    from glowseis.survey.simulate import simulation

    section = read_recipe(tiny.recipe, ["survey.count=9", "survey.size=64x48", "survey.fractions=[1, 1, 1]"]).survey
    whole = own_survey.own_survey(section, tmp_path / "whole")
    simulate, starts = simulation.simulate_recordings, []

    def interrupted(*words):
        starts.append(words[-2])
        for number, recording in enumerate(simulate(*words)):
            if len(starts) == 1 and number == 5:
                raise KeyboardInterrupt
            yield recording

    monkeypatch.setattr(simulation, "simulate_recordings", interrupted)
    with pytest.raises(StoppedError, match="run the same command again to continue"):
        own_survey.own_survey(section, tmp_path / "own")
    other = section.model_copy(update={"seed": 2})
    with pytest.raises(InputError, match="other work was stopped there"):
        own_survey.own_survey(other, tmp_path / "own")
    assert own_survey.own_survey(section, tmp_path / "own").checksum == whole.checksum
    assert starts == [0, 5]


def test_synthetic_gathers_train_no_flow_and_have_no_children(tiny, tmp_path):
    origin = Origin(parents=("a", "b"), alpha=0.5, seed=1, model="flow/1", path="linear")
    gathers = [
        random_gather(shot, (32, 32), samples=30, traces=28, label=("good", "bad")[shot % 2]) for shot in range(24)
    ]
    gathers[8:] = [replace(one, origin=origin) for one in gathers[8:]]
    write_survey(tmp_path / "survey", gathers, (32, 32), {})
    survey = open_survey(tmp_path / "survey")
    selection = select(survey, read_recipe(tiny.recipe))
    rows = np.sort(np.concatenate([selection.training, selection.held_out]))
    assert rows.tolist() == list(range(8)) and len(selection.held_out) == 1
    flow = SimpleNamespace(name="flow/1", profile=None, size=(32, 32), about={})
    assert possible_parents(flow, survey, "bad").tolist() == [1, 3, 5, 7]


@pytest.mark.parametrize("which", ["the same", "one gather more", "some rows", "other rows"])
def test_what_training_held_out_is_no_parent_in_any_survey(tmp_path, which):
    """The checksum of a part of the survey, or of more than it, is another."""
    gathers = [random_gather(shot, (32, 32), samples=30, traces=28, label="bad") for shot in range(9)]
    write_survey(tmp_path / "trained", gathers[:8], (32, 32), {})
    write_survey(tmp_path / "more", gathers, (32, 32), {})
    trained, more = open_survey(tmp_path / "trained"), open_survey(tmp_path / "more")
    survey = {
        "the same": trained,
        "one gather more": more,
        "some rows": trained.only([7, 5, 3, 2, 1]),
        "other rows": more.only([8, 2, 1, 0]),
    }[which]
    about = {"survey_checksum": trained.checksum, "held_out_ids": [gathers[2].gather_id, gathers[5].gather_id]}
    flow = SimpleNamespace(name="flow/1", profile=None, size=(32, 32), about=about)
    held_out = [row for row, name in enumerate(survey.index["gather_id"]) if name in about["held_out_ids"]]
    possible = possible_parents(flow, survey, "bad")
    assert held_out and sorted([*possible, *held_out]) == list(range(len(survey)))
    for rows in (held_out, [possible[0], held_out[0]]):
        with pytest.raises(InputError, match="cannot be a parent: only recorded gathers"):
            possible_parents(flow, survey, "bad", np.array(rows))


@pytest.mark.parametrize("held_out", [0.05, 0.25, 0.5])
def test_held_out_gathers_are_never_trained_on(tiny, held_out):
    survey = open_survey(tiny.survey)
    selection = select(survey, read_recipe(tiny.recipe, [f"data.held_out={held_out}"]))
    labels = survey.index["label"].to_numpy()
    assert len(selection.held_out) == max(1, round(12 * held_out))
    assert (labels[selection.held_out] == "bad").all()
    for rows in (*selection.phases, selection.rare):
        assert not set(rows) & set(selection.held_out)
    assert sorted([*selection.held_out, *selection.rare]) == sorted(np.flatnonzero(labels == "bad"))
    assert sorted([*selection.held_out, *selection.phases[0]]) == list(range(24))
    again = select(survey, read_recipe(tiny.recipe, [f"data.held_out={held_out}"]))
    assert np.array_equal(selection.held_out, again.held_out)
    other = select(survey, read_recipe(tiny.recipe, [f"data.held_out={held_out}", "seed=5"]))
    assert held_out == 0.05 or not np.array_equal(selection.held_out, other.held_out)


def test_what_is_trained_on_is_the_selection(tiny, tmp_path, monkeypatch, stepping):
    asked = []
    training_batches = loop.training_batches

    def watched(survey, rows, *rest, **settings):
        asked.append((set(rows), settings["epoch"]))
        return training_batches(survey, rows, *rest, **settings)

    monkeypatch.setattr(loop, "training_batches", watched)
    run = stepping(run_of(tiny, tmp_path, "phases.0.epochs=2", "phases.1.epochs=2"))
    run.run()
    selection = run.fitting.selection
    assert [rows for rows, _ in asked] == [set(rows) for rows in selection.phases for _ in range(2)]
    assert len({epoch for _, epoch in asked}) == 4


def test_learning_rates_of_phases_in_sequence():
    common = {"labels": ["bad"], "epochs": 5, "learning_rate": 1.0}
    phases = [
        Phase(**common, warmup_steps=4, decay_power=2.0, end_learning_rate=0.2),
        Phase(**common | {"learning_rate": 3.0}),
    ]
    planned = plan(phases, [24, 3], batch=5)
    assert [(one.start, one.steps_per_epoch, one.end) for one in planned] == [(0, 4, 20), (20, 1, 25)]
    rate = learning_rate(planned)
    rates = [float(rate(tf.constant(step, tf.int64))) for step in range(26)]
    np.testing.assert_allclose(rates[:5], [0.25, 0.5, 0.75, 1.0, 1.0], rtol=1e-6)
    np.testing.assert_allclose(rates[12], 0.2 + 0.8 * 0.5**2, rtol=1e-6)
    np.testing.assert_allclose(rates[20:], [3.0, 2.4, 1.8, 1.2, 0.6, 0.0], atol=1e-6)
    assert rates[19] > 0.2 and np.all(np.diff(rates[4:20]) < 0)
    loaded = type(rate).from_config(rate.get_config())
    assert [float(loaded(step)) for step in range(26)] == rates


def test_a_second_signal_acts_at_once():
    former = signal.getsignal(signal.SIGINT)
    with Stopping() as stopping:
        stopping.check()
        signal.raise_signal(signal.SIGINT)
        assert stopping.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is former
