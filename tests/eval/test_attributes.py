"""The comparison of planted and found noise, as a command, on few gathers."""

import json

import numpy as np

from eval.attributes import ERRORS, Found, _compare_faults, figures, table
from glowseis.attributes.faults import FAULTS
from glowseis.attributes.measuring import Measured
from glowseis.survey.simulate.plan import NoisePlan
from tests.support.random_gathers import random_recording


def test_the_table_counts_hits_and_false_alarms_and_gives_errors():
    found = Found(gathers=2, traces=90)
    found.count("weak", np.array([True, True, False, False]), np.array([True, False, True, True]))
    found.errors["first_arrival_ms"] += [np.array([-8.0]), np.array([0.0, 8.0])]
    row = figures(found)
    assert row["faults"] == {"weak": {"planted": 2, "found": 1, "false": 2}}
    assert row["errors"]["first_arrival_ms"]["median"] == 0 and row["errors"]["band_peak_hz"] == {"count": 0}
    shown = table({"simulator": "9.9", "size": "1x1", "seed": 3, "rows": {"here": row}})
    assert "| weak | 2 | 50.0 % | 2 |" in shown and "| first arrival, ms | 3 | -7.2 | 0 | 7.2 |" in shown
    assert "here: 2 gathers, 90 traces" in shown


def test_a_fault_on_a_sound_trace_is_a_false_alarm():
    found, recording = Found(), random_recording(1, traces=6)
    channels = {name: np.zeros(6, bool) for name in FAULTS}
    channels["weak"] = np.array([False, True, False, True, True, False])
    channels["dead"] = np.array([False, False, True, False, False, False])
    # Channel 5 is spiky too, and weak by mistake: what else is wrong with it is not counted.
    plan = NoisePlan(6, weak=(1,), spiky=(4,), dead=(2,), reversed=(2,))
    _compare_faults(found, recording, plan, Measured(channels))
    assert (found.planted["weak"], found.hits["weak"], found.false["weak"]) == (1, 1, 1)
    assert (found.planted["spiky"], found.hits["spiky"], found.planted["reversed"]) == (1, 0, 0)
    assert (found.planted["dead"], found.hits["dead"], found.false["dead"]) == (1, 1, 0)


def test_the_command_writes_what_it_prints(tmp_path, command):
    out = tmp_path / "figures.json"
    done = command("eval.attributes", "--size", "112x80", "--count", 2, "--drawn", 3, "--seed", 2, "--out", out)
    assert done.status == 0, done.error
    result = json.loads(out.read_text())
    assert done.out.strip() == table(result).strip() and len(result["rows"]) == 2
    for row in result["rows"].values():
        assert row["gathers"] == 2 and set(row["errors"]) == set(ERRORS)
        assert row["calm"]["banded"] <= row["calm"]["gathers"] <= 2
        assert set(row["faults"]) >= {*FAULTS, "cross-feed", "swell band"}
