"""A flow's fitting and its run in a folder: what is kept and when, what stops it, what it trains on."""

import signal

import numpy as np
import pytest
import tensorflow as tf

from glowseis.errors import FittingError
from glowseis.fitting.flow import fitting as loop
from glowseis.fitting.flow import run as in_folder
from glowseis.fitting.flow.fitting import FlowFitting
from glowseis.fitting.flow.run import FlowRun
from glowseis.fitting.flow.schedule import learning_rate, plan
from glowseis.fitting.flow.selection import select
from glowseis.fitting.stopping import Stopping
from glowseis.recipe import Phase, read_recipe
from glowseis.run.flow import fitting_of
from glowseis.survey.store.survey import open_survey

SMALL = ("flow.levels=1", "flow.steps=1", "flow.filters=4", "flow.attention_levels=0")
"""A flow that is run in no time, for what has to do with the loop around it."""


def run_of(tiny, folder, *changes):
    survey = open_survey(tiny.survey)
    recipe = read_recipe(tiny.recipe, [*SMALL, *changes])
    return FlowRun(fitting_of(recipe, survey, select(survey, recipe)), folder, Stopping())


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
