"""eval.unlike: kinds of gathers that should be unlike, and how alarms are counted."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from eval.results.alarms import alarm_table, alarms
from eval.running.strange import LIKE, STRANGE, changed, graded
from glowseis.export.classifier import load_classifier
from glowseis.shipped import ready_model
from glowseis.survey.simulate import Acquisition, simulate_recording


@pytest.fixture(scope="module")
def recording():
    return simulate_recording(1, 4, Acquisition.drawn(112, 80, 2001))


@pytest.mark.parametrize("kind", [*LIKE, *STRANGE])
def test_a_change_gives_a_recording_with_its_geometry(recording, kind):
    made = changed(recording, (LIKE | STRANGE)[kind], np.random.default_rng(1))
    again = changed(recording, (LIKE | STRANGE)[kind], np.random.default_rng(1))
    assert np.array_equal(made.amplitude, again.amplitude) and made.amplitude.dtype == np.float32
    assert np.isfinite(made.amplitude).all() and made.amplitude.std() > 0
    assert made.amplitude.shape[1] == len(made.geometry.channel) == len(made.geometry.offset_m)
    same = made.amplitude.shape == recording.amplitude.shape and np.allclose(made.amplitude, recording.amplitude)
    assert same == (kind == "as they are")


def test_wrong_sampling_and_derivatives_move_the_spectrum(recording):
    def middle_hz(kind):
        made = changed(recording, (LIKE | STRANGE)[kind], np.random.default_rng(1)).amplitude
        power = (np.abs(np.fft.rfft(made, axis=0)) ** 2).sum(axis=1)
        share = np.cumsum(power) / power.sum()
        return np.fft.rfftfreq(len(made), 0.008)[np.searchsorted(share, 0.5)]

    usual = middle_hz("as they are")
    assert middle_hz("sampled at 4 ms, read as 8 ms") == pytest.approx(usual / 2, abs=2)
    assert middle_hz("sampled at 16 ms, read as 8 ms") > 1.1 * usual
    assert middle_hz("integrated") < usual < middle_hz("differentiated")


def test_alarms_are_counted_by_gather_line_and_cause():
    values = [1.5] * 6 + [None] + [0.2] * 33
    row = alarms("x", ["a"] * 20 + ["b"] * 20, values, ["features"] * 4 + ["rms"] * 36, 0.5, 270, 3)
    assert (row["gathers"], row["unlike"], row["by"]) == (39, 6, "features 4, rms 2")
    assert row["low"] < 6 / 39 < row["high"] and row["whole"] and (row["lines"], row["lines_whole"]) == (2, 1)
    (cells,) = alarm_table([row], "here").frame.to_dict("records")
    assert cells["unlike > 1 (%)"].startswith("15.4 (") and cells["lines unlike"] == "1 of 2"
    assert cells["same grade (%)"] == "50" and cells["as a whole"] == "unlike"
    assert cells["refused"] == "3"


def test_all_may_be_refused():
    (cells,) = alarm_table([alarms("x", [], [], [], None, 270, 5)], "here").frame.to_dict("records")
    assert (cells["graded"], cells["refused"], cells["same grade (%)"]) == ("0", "5", "-")


@pytest.mark.slow
def test_the_command_grades_every_kind(tmp_path, monkeypatch, command, recording):
    monkeypatch.chdir(tmp_path)
    words = ("--count", 3, "--strange", 2, "--acquisitions", 1, "--first", 2002, "--size", "224x160")
    pd.DataFrame(
        {"sail_line": [7, 7], "source": "a.segy", "unlike": [0.5, np.nan], "unlike_by": ["rms", np.nan]}
    ).to_csv("mine.csv")
    done = command("eval.unlike", *words, "--grades", "mine.csv")
    assert done.status == 0, done.error
    table = pd.read_csv("unlike/unlike.csv").set_index("kind")
    assert list(table.index) == [*LIKE, *STRANGE, "mine"]
    assert (table["gathers"] + table["refused"]).tolist() == [3, *[2] * (len(table) - 2), 1]
    assert (table["refused"] > 0).tolist() == [kind == "envelopes" for kind in table.index]
    assert (table.loc[list(LIKE)[1:], "same_grade"] == 1).all() and table.loc["smooth pictures", "unlike"] == 2
    assert "acquisitions 2002 to 2002, 224x160, seed 3001" in done.out
    assert (tmp_path / "unlike/unlike.md").read_text().count("\n| ") == 2 + len(table)
    envelope = dataclasses.replace(recording, amplitude=np.abs(recording.amplitude) + 1)
    one, refused = graded(load_classifier(ready_model("classifier")), [recording, envelope])
    assert one and refused is None
    done = command("eval.unlike", "--first", 300)
    assert done.status == 2 and "robust/3 was trained on that acquisition" in done.error[0]
