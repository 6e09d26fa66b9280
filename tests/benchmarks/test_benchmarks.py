"""The flow's benchmarks: that they run, and that what they count is right."""

import csv
import dataclasses
import math
import os
import subprocess
import sys

import pytest

from benchmarks import flow, flow_ours
from benchmarks.flow_table import PAPER, Measurements, marks, training_rows
from benchmarks.measures import PEERS, WAYS, highest_mb
from benchmarks.moved_bytes import moved_bytes
from benchmarks.multiply_adds import multiply_adds
from glowseis.command import run
from tests.support.commands import CHECKOUT

TINY = ("--size", "16x16", "--levels", "1", "--flow-steps", "1", "--filters", "8", "--rounds", "1", "--steps", "2")


def benchmark(name, *words, python=sys.executable, **environment):
    return subprocess.run(
        [python, "-m", f"benchmarks.{name}", *map(str, words)],
        check=False,
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
        capture_output=True,
        text=True,
    )


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_command_measures_ours_and_writes_its_tables(tmp_path, monkeypatch, capsys):
    """All in this process; the next test has a measurement in a process of its own."""
    monkeypatch.setattr(flow, "_ask", lambda task, peers: flow_ours.measure(task) | {"peak_mb": highest_mb()})
    monkeypatch.setattr(flow_ours, "PRODUCT_SIDE", 64)
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, cores: None)
    with pytest.raises(SystemExit) as left:
        run(flow.main, [*TINY, "--only", "paper,throughput", "--out", str(tmp_path)])
    assert left.value.code == 0 and "no --peers" in capsys.readouterr().out
    rows = {row["contender"]: row for row in rows_of(tmp_path / "paper.csv")}
    for name in ("ours stored", "ours recomputed-bfloat16"):
        assert float(rows[name]["step_s"]) > 0 and float(rows[name]["peak_mb"]) > 100
        assert rows[name]["of_fastest_peer"] == ""
    (throughput,) = rows_of(tmp_path / "throughput.csv")
    assert all(float(throughput[f"{way}_per_s"]) > 0 for way in ("encode", "decode", "generate"))
    met = {row["mark"]: row["met"] for row in rows_of(tmp_path / "marks.csv")}
    assert met["step of the fastest peer's, stored"] == "not measured"
    assert met["step recomputed / stored"] == "not this flow"


@pytest.mark.slow
def test_a_real_process_answers_with_seconds_and_its_memory(monkeypatch, warm_python):
    monkeypatch.setattr(sys, "executable", str(warm_python))
    task = dataclasses.replace(PAPER, size=(16, 16), levels=1, steps=1, filters=8, attention_levels=0, count=2)
    answer = flow._ask(task, None)
    assert len(answer["steps_s"]) == 2 and answer["first_step_s"] > 0 and answer["peak_mb"] > 100
    # Weights and two moments, at least.
    assert answer["state_mb"] > 3 * 4 * (9 * 2 * 8 + 8 * 8 + 9 * 8 * 4) / 1e6


def test_every_section_has_its_table_and_what_fails_is_left_out(tmp_path, monkeypatch, capsys):
    asked, ways = [], (*WAYS, "stored-xla")

    def ask(task, peers):
        asked.append(task)
        if task.contender == "ours stored-bfloat16":
            raise ChildProcessError("not this one")
        seconds = 10.0 if task.contender in PEERS else 2.0
        return {
            "product": {"multiply_adds_per_s": 1e11, "numpy_per_s": 1e11, "tensorflow_per_s": 9e10},
            "training": {
                "first_step_s": 9.0,
                "steps_s": [seconds],
                "state_mb": 6.0 * task.steps,
                "multiply_adds": 1e11,
            },
            "throughput": {"encode_s": [seconds], "decode_s": [seconds], "generate_s": [seconds]},
        }[task.what] | {"peak_mb": 1000.0 + 7 * task.steps}

    monkeypatch.setattr(flow, "_ask", ask)
    monkeypatch.setattr(flow, "_reading", lambda path: "as quick as that")
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, cores: None)
    with pytest.raises(SystemExit) as left:
        words = ["--rounds", "2", "--peers", sys.executable, "--out", str(tmp_path), "--ways", ",".join(ways)]
        run(flow.main, words)
    assert left.value.code == 0
    # Sections share what they measure, and what fails is not tried again.
    fails = [task for task in asked if task.contender == "ours stored-bfloat16"]
    assert len(fails) == len(set(fails)) == 8
    assert len(asked) == 2 * len(set(asked)) - len(fails)
    text = (tmp_path / "flow.md").read_text()
    assert all(f"## {name}\n" in text for name in (*flow.SECTIONS, "product", "marks"))
    assert "as quick as that" in text and "left out: not this one" in capsys.readouterr().out
    met = {row["mark"]: row["met"] for row in rows_of(tmp_path / "marks.csv")}
    assert met.pop("step of the fastest peer's, stored-bfloat16") == "not measured"
    assert met.pop("first step stored-bfloat16, s") == "not measured"
    assert set(met.values()) == {"yes"}
    assert [row["size"] for row in rows_of(tmp_path / "size.csv")[:: len(ways)]] == ["448x320", "896x320", "896x640"]
    assert [row["levels_x_steps"] for row in rows_of(tmp_path / "depth.csv")[:: len(ways)]] == ["6x5", "6x15", "6x30"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--only", "everything"), "no such section"),
        (("--ways", "stored,quickly"), "--ways quickly: no such way; choose from stored, recomputed"),
        (("--peers", "nowhere/python"), "no such program"),
        (("--size", "100x100"), "divisible by 128"),
    ],
)
def test_wrong_words_are_told_in_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as left:
        run(flow.main, list(words))
    told = capsys.readouterr().err
    assert left.value.code == 2 and message in told and len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "backend", "message"),
    [
        (("--batches", "x"), "tensorflow", "--batches x: write numbers from 1"),
        (("--size", "8", "--levels", "1"), "tensorflow", "--size 8, --levels 1: give samples x traces"),
        (("--size", "12x8", "--levels", "3"), "tensorflow", "that 2^levels divides"),
        ((), "theano", "KERAS_BACKEND is theano; choose tensorflow, jax or torch"),
        (("--ways", "stored,inverted"), "jax", "--ways inverted: choose of stored, recomputed"),
        (("--calls", "train"), "jax", "--calls train: choose of step, forward, decode"),
        (("--peer",), "jax", "KERAS_BACKEND is jax; --peer needs torch"),
    ],
)
def test_wrong_words_for_other_backends_are_told(words, backend, message):
    done = benchmark("backends", *words, KERAS_BACKEND=backend)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_benchmark_of_other_backends_runs_with_jax(tmp_path, jax_python):
    table = tmp_path / "jax.csv"
    flow = ("--size", "8x8", "--levels", "1", "--steps", "2", "--filters", "8", "--csv", table)
    words = ("--ways", "stored:1,recomputed-bfloat16:2", "--repetitions", "2")
    done = benchmark("backends", *flow, *words, python=jax_python, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stderr
    stored, recomputed = rows_of(table)
    assert stored["backend"] == "jax" and stored["contender"] == "stored" and stored["batch"] == "1"
    assert all(float(stored[name]) > 0 for name in ("step_s", "decode_s", "compile_s", "program_mb", "moved_mb"))
    assert float(stored["round_trip"]) < 1e-4 and not stored["error"]
    assert recomputed["batch"] == "2" and float(recomputed["step_s"]) > 0 and not recomputed["forward_s"]


@pytest.mark.slow
def test_a_row_that_fails_does_not_lose_the_others(tmp_path, warm_python):
    table = tmp_path / "rows.csv"
    flow = ("--size", "8x8", "--levels", "1", "--steps", "1", "--filters", "8", "--calls", "step", "--csv", table)
    # A batch that no machine's memory holds.
    ways = ("--ways", "stored:9000000000000,stored:1")
    done = benchmark("backends", *flow, *ways, python=warm_python, KERAS_BACKEND="tensorflow")
    assert done.returncode == 1 and "some rows were not measured" in done.stderr
    failed, measured = rows_of(table)
    assert failed["error"] and not failed["step_s"]
    assert float(measured["step_s"]) > 0 and not measured["error"]


PROGRAM = """HloModule step, is_scheduled=true

%fused (p: f32[3,8,4]) -> f32[8,4] {
  %p = f32[3,8,4]{2,1,0} parameter(0)
  ROOT %sliced = f32[8,4]{1,0} bitcast(%p)
}

%body (carried: (s32[], f32[8,4], f32[3,8,4])) -> (s32[], f32[8,4], f32[3,8,4]) {
  %carried = (s32[], f32[8,4]{1,0}, f32[3,8,4]{2,1,0}) parameter(0)
  %h = f32[8,4]{1,0} get-tuple-element(%carried), index=1
  %all = f32[3,8,4]{2,1,0} get-tuple-element(%carried), index=2
  %fusion = f32[8,4]{1,0} fusion(%all), kind=kLoop, calls=%fused
  %product = (f32[8,4]{1,0}, s8[4096]{0}) custom-call(%h, %fusion), custom_call_target="__cublas$gemm"
  ROOT %carry = (s32[], f32[8,4]{1,0}, f32[3,8,4]{2,1,0}) tuple(%h, %h, %all)
}

ENTRY %main (x: f32[8,4], w: bf16[3,8,4]) -> f32[8,4] {
  %x = f32[8,4]{1,0} parameter(0)
  %w = bf16[3,8,4]{2,1,0} parameter(1)
  %wide = f32[3,8,4]{2,1,0} convert(%w)
  %start = (s32[], f32[8,4]{1,0}, f32[3,8,4]{2,1,0}) tuple(%x, %x, %wide)
  %loop = (s32[], f32[8,4]{1,0}) while(%start), condition=%c, body=%body, backend_config={"known_trip_count":{"n":"3"}}
  ROOT %y = f32[8,4]{1,0} get-tuple-element(%loop), index=1
}
"""


def test_bytes_that_a_program_moves_count_a_loop_as_often_as_it_runs():
    array = 8 * 4 * 4
    # Three slices of bfloat16 are read, as many of float32 written; each time round one is read and one written, then a
    # product reads two and writes one.
    assert moved_bytes(PROGRAM) == 3 * array / 2 + 3 * array + 3 * (2 * array + 3 * array)
    with pytest.raises(ValueError, match="unknown number of times"):
        moved_bytes(PROGRAM.replace("known_trip_count", "some"))


def test_multiply_adds_of_a_flow_that_can_be_counted_by_hand():
    from glowseis.models.glow import Glow

    small = Glow((4, 4, 1), levels=1, steps=3, filters=2, attention_levels=0)
    small.build()
    # 2 x 2 positions of 4 channels: mixing, 3x3 from 2 to 2, 1x1 from 2 to 2, 3x3 from 2 to 4.
    assert multiply_adds(small) == 3 * 4 * (4 * 4 + 9 * 2 * 2 + 2 * 2 + 9 * 2 * 4)


def test_multiply_adds_of_attention_and_of_what_is_factored_out():
    from glowseis.models.glow import Glow

    small = Glow((4, 8, 1), levels=2, steps=1, filters=4, attention_levels=1, heads=2)
    small.build()
    convolutional = 8 * (4 * 4 + 9 * 2 * 4 + 4 * 4 + 9 * 4 * 4)
    factored_out = 8 * 9 * 2 * 4
    # 1 x 2 positions of 8 channels: query, key, value from 4 to 4, output, scores and sum; 3x3 to 4, 3x3 to 8.
    attention = 2 * (8 * 8 + 3 * 4 * 4 + 4 * 4 + 9 * 4 * 4 + 9 * 4 * 8) + 2 * 2 * 2 * 4
    assert multiply_adds(small) == convolutional + factored_out + attention


@pytest.mark.slow
def test_the_papers_flow_takes_fifty_thousand_million_multiply_adds():
    from glowseis.models.glow import Glow

    # Each step takes as many as the others of its level, and one a level is quicker to build.
    one, two = (Glow(steps=steps) for steps in (1, 2))
    one.build()
    two.build()
    assert multiply_adds(one) + 14 * (multiply_adds(two) - multiply_adds(one)) == pytest.approx(50e9, rel=0.02)


def test_medians_ratios_and_marks_are_of_the_same_round():
    def answers(*rounds, **more):
        return {number: {"steps_s": list(steps), **more} for number, steps in enumerate(rounds)}

    peer, slower = (dataclasses.replace(PAPER, contender=name) for name in ("FrEIA", "normflows"))
    measured = Measurements(
        {
            PAPER: answers([1, 2, 3], [4, 4, 4], [1, 1, 1], peak_mb=2000.0),
            peer: answers([10, 10, 10], [20, 20, 20], [4, 4, 4]),
            slower: answers([30], [30], [30]),
        }
    )
    (row,) = training_rows(measured, [PAPER])
    assert row["step_s"] == 2 and row["of_fastest_peer"] == 0.2 and row["peak_mb"] == 2000
    assert math.isnan(row["first_step_s"])
    met = {mark.name: mark.met for mark in marks(measured, PAPER)}
    assert met["step of the fastest peer's, stored"] == "yes"
    assert met["step of the fastest peer's, recomputed"] == "not measured"
