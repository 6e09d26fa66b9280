"""The pilot: its draws, its figures, and the command as a whole with JAX."""

import csv
import sys

import numpy as np
import pytest

from eval.pilot import BAD_SHARE, Bad, child, figures, rows_of_batches
from glowseis.survey.amplitudes.bands import low_band
from glowseis.survey.simulate import acquisitions, noise_alone, simulate_events, simulate_recording
from tests.support.commands import on_backend

SURVEY = acquisitions(112, 80)[0]


def bad(kept=(3, 8), rest=tuple(range(10, 60)), **made):
    return Bad(np.array(kept), np.array(rest), made)


def test_half_of_the_bad_places_are_new_where_an_arm_makes_some():
    setting = bad(**{"low-band": np.zeros((7, 1, 1), np.uint8)})
    rows = rows_of_batches("low-band", setting, 1000, 200, 1)
    new, again = (rows >= 1000), np.isin(rows, setting.kept)
    assert set(np.unique(rows[new])) <= set(range(1000, 1007)) and set(np.unique(rows[again])) == {3, 8}
    assert abs(new.mean() - again.mean()) < 0.02 and abs((new | again).mean() - BAD_SHARE) < 0.01
    repeated = rows_of_batches("oversampling", setting, 1000, 200, 1)
    assert repeated.max() < 60 and abs(np.isin(repeated, setting.kept).mean() - BAD_SHARE) < 0.01
    natural = np.isin(rows_of_batches("none", setting, 1000, 200, 1), setting.kept).mean()
    assert abs(natural - 2 / 52) < 0.01
    more = rows_of_batches("real-8", setting, 1000, 200, 1)
    assert set(np.unique(more[more >= 1000])) == set(range(1000, 1014))
    assert abs((more >= 1000).sum() / np.isin(more, setting.kept).sum() - 7) < 1.5


def test_children_have_the_events_of_hosts_and_the_noise_of_donors():
    bad_one = next(index for index in range(400) if simulate_recording(index, 9001, SURVEY).label == "bad")
    events = simulate_events(0, 9001, SURVEY).amplitude
    noise = noise_alone(bad_one, 9001, SURVEY)[:, : events.shape[1]]
    true = child("oracle-transplant", 9001, SURVEY, 0, bad_one, 0.0).amplitude
    assert np.allclose(true, events + noise, atol=1e-3)
    band = child("low-band", 9001, SURVEY, 0, bad_one, 0.0).amplitude
    got = low_band(band, SURVEY.sample_interval_s).ravel()
    assert np.corrcoef(got, low_band(noise, SURVEY.sample_interval_s).ravel())[0, 1] > 0.9
    fresh = child("oracle-fresh", 9001, SURVEY, 0, bad_one, 0.0).amplitude - events
    assert abs(np.corrcoef(fresh.ravel(), noise.ravel())[0, 1]) < 0.3 and fresh.std() > 0.5


def test_figures_are_weighted_to_the_papers_fractions():
    truth = np.repeat([0, 1, 2], 100)
    found = np.full((300, 3), 0.1)
    found[np.arange(300), truth] = 0.8
    perfect = figures(found, truth, np.array([0.6, 0.28, 0.12]))
    assert perfect["pr_auc"] == perfect["f1_bad"] == perfect["f1_bad_as_trained"] == 100.0
    # One false alarm of a hundred good gathers outweighs the bad ones, which are rare.
    found[0] = [0.1, 0.1, 0.8]
    assert figures(found, truth, np.array([0.6, 0.28, 0.12]))["f1_bad_as_trained"] < 90


@pytest.mark.slow
def test_the_command(tmp_path, jax_python):
    words = ["--settings", "0.0:3", "--surveys", "1", "--alpha", "1", "--steps", "2", "--count", "100", "--made", "3"]
    words += ["--tested", "27", "--workers", "1", "--arms", "none,low-band,oracle-fresh"]
    done = on_backend("jax", jax_python, "-m", "eval.pilot", tmp_path / "pilot.csv", *words)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "pilot.csv").open()))
    assert [row["arm"] for row in rows] == ["none", "low-band", "oracle-fresh"]
    assert all(row["bad"] == "3" and 0 <= float(row["pr_auc"]) <= 100 for row in rows)


@pytest.mark.parametrize(
    ("words", "backend", "says"),
    [
        (["--arms", "none,all"], "jax", "no arm is called 'all'"),
        (["--settings", "1.0"], "jax", "invalid settings_of value: '1.0'"),
        (["--settings", "2.0:0"], "jax", "invalid settings_of value: '2.0:0'"),
        ([], "tensorflow", "set KERAS_BACKEND=jax"),
        ([], "jax", "pilot.csv: exists"),
    ],
)
def test_bad_input(tmp_path, monkeypatch, capsys, words, backend, says):
    from eval.pilot import main

    monkeypatch.setenv("KERAS_BACKEND", backend)
    (tmp_path / "pilot.csv").write_text("kept")
    monkeypatch.setattr(sys, "argv", ["pilot", str(tmp_path / "pilot.csv"), *words])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2 and says in capsys.readouterr().err and (tmp_path / "pilot.csv").read_text() == "kept"
