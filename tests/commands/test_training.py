"""Training by the command: measured, stopped, resumed, failed."""

import json
import re
import resource
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from glowseis.fitting.flow.fitting import FlowFitting, make_flow
from glowseis.fitting.flow.run import FlowRun
from glowseis.locks import locked
from glowseis.recipe import read_recipe
from tests.support.commands import finish, start, stopped_after
from tests.support.random_gathers import random_survey

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
def test_a_run_that_was_killed_and_stopped_ends_with_the_same_weights(
    tiny, trained, tmp_path, monkeypatch, command, warm_python
):
    words = ("train", tiny.recipe, "--survey", tiny.survey, "--set", "training.checkpoint_every_s=0.05")
    run = tmp_path / "runs" / "tiny"
    killed = when_at(start(*words, folder=tmp_path, python=warm_python), run, 4)
    killed.send_signal(signal.SIGKILL)
    assert finish(killed).status == -signal.SIGKILL
    assert last_step(run) < STEPS and not (run / "result.json").exists()

    monkeypatch.chdir(tmp_path)
    with stopped_after(monkeypatch, FlowRun, 24):
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


@pytest.mark.slow
def test_every_way_of_training_at_once_ends_with_the_same_weights_when_resumed(tiny, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    ways = ("activations=recomputed", "jit_compile=true", "conditioners=bfloat16")
    changes = (*SMALL, "flow.steps=2", *(f"training.{way}" for way in ways))
    words = ("train", tiny.recipe, "--survey", tiny.survey, *(word for one in changes for word in ("--set", one)))
    whole = command(*words)
    assert whole.status == 0, whole.error
    after_step, told = FlowRun.after_step, []

    def stop(run, step, *figures):
        after_step(run, step, *figures)
        told.append(bool(run.fitting._optimise.function_spec.jit_compile))
        if step == 5:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(FlowRun, "after_step", stop)
    assert command(*words, "--out", "parts").status == 75
    done = command(*words, "--out", "parts")
    assert done.status == 0 and f"resuming after step 5 of {STEPS}" in done.out and set(told) == {True}
    last = f"checkpoints/last/ckpt-{STEPS}"
    assert same(weights(f"parts/{last}"), weights(f"runs/tiny/{last}"))


def test_xla_where_it_cannot_be_had_is_told(tiny, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)

    def function(called, *, autograph, jit_compile):
        raise tf.errors.InternalError(None, None, "libdevice not found at ./libdevice.10.bc\n[Op:exp]")

    changes = (*SMALL, "training.jit_compile=true")
    words = ("train", tiny.recipe, "--survey", tiny.survey, *(word for one in changes for word in ("--set", one)))
    with monkeypatch.context() as patch:
        patch.setattr(tf, "function", function)
        done = command(*words)
    assert done.status == 2 and len(done.error) == 1
    assert "training.jit_compile = true: libdevice not found at ./libdevice.10.bc; set it to false" in done.error[0]
    # Whoever does so is not told that the folder holds another run.
    assert not Path("runs/tiny/run.json").exists()


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_learning_rate_that_is_far_too_high_stops_the_run(tiny, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    changes = (*SMALL, "phases.0.learning_rate=1e6", "phases.0.warmup_steps=0", "training.clip_norm=0")
    done = command("train", tiny.recipe, "--survey", tiny.survey, *(f"--set={change}" for change in changes))
    assert done.status == 1 and len(done.error) == 1
    assert re.match(r"glowseis.train: step \d+: .*lower the phase's learning_rate", done.error[0])
    kept = weights(tmp_path / "runs/tiny/checkpoints/last" / f"ckpt-{last_step(tmp_path / 'runs' / 'tiny')}")
    assert all(np.isfinite(value).all() for name, value in kept.items() if name.startswith("weights"))
    assert not (tmp_path / "savedmodels").exists() and not (tmp_path / "runs/tiny/result.json").exists()


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


@pytest.mark.slow
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
