"""The command that simulates: what it writes, refuses and leaves behind when it is stopped."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import segyio

import glowseis
from glowseis.survey.labels.overlay import with_labels
from glowseis.survey.simulate import Acquisition, Simulation, simulate_recording, simulation
from glowseis.survey.simulate.acquisition import Position
from glowseis.survey.store.survey import open_survey
from tests.support.commands import CHECKOUT


def simulate(*words):
    command = [sys.executable, "-m", "glowseis.simulate", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_command_writes_a_survey(tmp_path):
    out = tmp_path / "survey"
    words = (
        "--size",
        "64x48",
        "--seed",
        4,
        "--fractions",
        "1,1,1",
        "--workers",
        2,
        "--noise",
        "tug=0",
        "--noise",
        "bird=3",
    )
    done = simulate("--out", out, "--count", 12, *words)
    assert (done.returncode, done.stderr) == (0, "")
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["gathers"] == 12
    assert manifest["size"] == [64, 48]
    assert sum(manifest["counts"].values()) == 12
    assert '"seed": 4' in json.dumps(manifest)
    factors = manifest["about"]["simulator"]["noise"]
    assert (factors["tug"], factors["bird"], factors["swell"]) == (0.0, 3.0, 1.0)


def test_command_writes_segy_beside_the_records(tmp_path, command):
    out = tmp_path / "survey"
    done = command("simulate", "--out", out, "--count", 3, "--size", "64x48", "--seed", 4, "--segy", "--workers", 1)
    assert (done.status, done.error) == (0, [])
    with segyio.open(out / "survey.segy", ignore_geometry=True) as file:
        first = simulate_recording(0, 4, Acquisition.of_size(64, 48))
        traces = first.amplitude.shape[1]
        assert np.array_equal(file.trace.raw[:traces].T, first.amplitude)
        assert segyio.tools.dt(file) == 8000
        assert file.header[0][segyio.TraceField.FieldRecord] == first.geometry.shot
        told = segyio.tools.wrap(file.text[0])
    assert "SIMULATED BY GLOWSEIS, SEED 4" in told and "AMPLITUDES: PRESSURE IN MICROBAR, TIMES A GAIN" in told


def test_one_line_is_shot_from_end_to_end(tmp_path, command):
    words = ["--size", "64x48", "--workers", 1, "--segy"]
    done = command("simulate", "--out", tmp_path / "line", "--count", 9, "--lines", 1, "--cables", 1, *words)
    assert done.status == 0, done.error
    (found,) = (open_survey(tmp_path / "line").index[["sail_line", "shot", "cable"]].to_numpy().tolist(),)
    assert found == [[1, shot, 1] for shot in range(1, 10)]
    assert [one.geometry.shot for one in glowseis.read_gathers(tmp_path / "line" / "survey.segy")] == [*range(1, 10)]
    # Two lines of two cables; the last shot of the last one is cut short.
    done = command("simulate", "--out", tmp_path / "two", "--count", 11, "--lines", 2, "--cables", 2, *words)
    assert done.status == 0, done.error
    index = open_survey(tmp_path / "two").index
    places = [(line, shot, cable) for line in (1, 2) for shot in (1, 2, 3) for cable in (1, 2)][:11]
    assert [*index[["sail_line", "shot", "cable"]].itertuples(index=False, name=None)] == places
    drawn = ["--acquisitions", 2, "--lines", 1, "--cables", 1, "--size", "64x48", "--workers", 1, "--count", 6]
    assert command("simulate", "--out", tmp_path / "drawn", *drawn).status == 0
    index = open_survey(tmp_path / "drawn").index
    assert [*zip(index["sail_line"], index["shot"], strict=True)] == [
        *((line, shot) for shot in (1, 2, 3) for line in (1001, 2001))
    ]


def test_labels_are_beside_the_records_if_they_are_not_in_them(tmp_path, command):
    words = ["--count", 30, "--size", "64x48", "--fractions", "1,1,1", "--workers", 1]
    for name, more in (("known", []), ("blind", ["--unlabelled", "--segy"])):
        assert command("simulate", "--out", tmp_path / name, *words, *more).status == 0
    known, blind = (open_survey(tmp_path / name) for name in ("known", "blind"))
    assert set(blind.index["label"]) == {""} and len(set(known.index["label"])) == 3
    assert np.array_equal(known.read(3).image, blind.read(3).image)
    laid = with_labels(blind, [tmp_path / "blind" / "truth.csv"], None)
    assert laid.index["label"].tolist() == known.index["label"].tolist()
    assert not (tmp_path / "known" / "truth.csv").exists()
    # They fit the SEG-Y file beside them too.
    ingest = ["--size", "64x48", "--labels", tmp_path / "blind" / "truth.csv"]
    assert command("ingest", tmp_path / "blind" / "survey.segy", "--out", tmp_path / "read", *ingest).status == 0
    index = open_survey(tmp_path / "read").index
    places = ["sail_line", "shot", "cable"]
    assert index.set_index(places)["label"].sort_index().equals(known.index.set_index(places)["label"].sort_index())
    again = command("simulate", "--out", tmp_path / "blind", *words)
    assert again.status == 2


def test_labels_go_by_gather_id_where_places_repeat(monkeypatch):
    made = Simulation(3, 1, (64, 48))
    assert made.truth()[0] == "line,shot,cable,label"
    monkeypatch.setattr(simulation, "place_and_label", lambda index, *rest: (f"g{index}", Position(1, 2, 3), "good"))
    assert made.truth() == ["gather_id,label", "g0,good", "g1,good", "g2,good"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--size", "10x10"), "48x32 to 896x640"),
        (("--size", "large"), "896x640"),
        (("--fractions", "1,2"), "fractions"),
        (("--fractions", "0,0,0"), "fractions"),
        (("--count", "0"), "at least 1"),
        (("--count", "0", "--lines", "1"), "at least 1"),
        (("--lines", "-1"), "give 1 to 999 lines"),
        (("--cables", "2"), "give 1 to 999 lines and, only with lines"),
        (("--seed", "-1"), "at least 0"),
        (("--noise", "waves=1"), "there is no kind 'waves'"),
        (("--noise", "swell=loud"), "not a number"),
        (("--noise", "tug=2", "--noise", "swell=0"), "with noise swell=0 tug=2 hardly any gathers are bad"),
    ],
)
def test_command_tells_wrong_arguments_in_one_line(tmp_path, command, words, told):
    failed = command("simulate", "--out", tmp_path / "survey", *words)
    assert failed.status == 2
    assert len(failed.error) == 1 and told in failed.error[0]
    assert not (tmp_path / "survey").exists()


def test_command_leaves_a_folder_with_other_things_alone(tmp_path, command):
    (tmp_path / "mine.txt").write_text("keep")
    failed = command("simulate", "--out", tmp_path)
    assert failed.status == 2
    assert "not empty" in failed.error[0]
    assert (tmp_path / "mine.txt").read_text() == "keep"


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextlib.contextmanager
def under_way(*words):
    """The command at work in a session of its own, as a terminal would start it; a test that fails ends it."""
    command = [sys.executable, "-m", "glowseis.simulate", *map(str, words)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()


def ended(process, seconds=60):
    """What a process said until its end, which must come; nothing of it is left behind."""
    try:
        return process.communicate(timeout=seconds)[1]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def children_of(process):
    found = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process.pid)], check=True, capture_output=True, text=True
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "spawn_main" in line]


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_command_stopped_twice_can_go_on(tmp_path, stop, workers):
    out = tmp_path / "survey"
    with under_way("--out", out, "--count", 100_000, "--size", "112x80", "--workers", workers, "--segy") as process:
        until((tmp_path / ".survey.writing" / "state.json").exists)
        for _ in range(2):
            os.killpg(process.pid, stop)
            time.sleep(0.05)
        error = ended(process)
    assert process.returncode == 75 and len(error.splitlines()) == 1
    assert "stopped; run the same command again to continue; to give up, remove" in error
    assert [path.name for path in tmp_path.iterdir()] == [".survey.writing"]


@pytest.mark.slow
def test_iterating_stopped_twice_ends(tmp_path):
    """Without the command's own handlers, at moments that differ."""
    script = (
        "from glowseis.survey.simulate import Acquisition, simulate_recordings\n"
        "if __name__ == '__main__':\n"
        "    for _ in simulate_recordings(100_000, 1, Acquisition.of_size(448, 320), workers=2):\n"
        "        print('one', flush=True)\n"
    )
    (tmp_path / "script.py").write_text(script)
    for pause_s in (0.0, 0.02, 0.1):
        with subprocess.Popen(
            [sys.executable, tmp_path / "script.py"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        ) as process:
            assert process.stdout.readline() == b"one\n"
            for _ in range(2):
                os.killpg(process.pid, signal.SIGINT)
                time.sleep(pause_s)
            ended(process, 30)
        assert process.returncode != 0


@pytest.mark.slow
def test_a_worker_that_was_killed_is_told_in_one_line(tmp_path):
    out = tmp_path / "survey"
    with under_way("--out", out, "--count", 100_000, "--size", "112x80", "--workers", 2) as process:
        until((tmp_path / ".survey.writing" / "state.json").exists)
        os.kill(children_of(process)[0], signal.SIGKILL)
        error = ended(process)
    line = "glowseis.simulate: a worker process died (out of memory?); use fewer --workers; run the same command again"
    assert process.returncode == 2 and error.startswith(line) and len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == [".survey.writing"]


def test_segy_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch, capsys):
    from glowseis.command import run
    from glowseis.simulate import main
    from glowseis.survey.simulate import segy_beside

    def write(recording):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(segy_beside, "segy_writer", lambda file, text_lines: write)
    with pytest.raises(SystemExit) as left:
        run(main, ["--out", str(tmp_path / "survey"), "--count", "3", "--size", "64x48", "--workers", "1", "--segy"])
    told = capsys.readouterr()
    assert (left.value.code, told.out, len(told.err.splitlines())) == (2, "", 1)
    assert "no space left" in told.err and str(tmp_path / "survey") in told.err
    assert not list(tmp_path.iterdir())


def test_a_full_disk_keeps_what_is_finished(tmp_path, monkeypatch, command):
    from glowseis.survey.simulate import segy_beside

    words = ("--count", 6, "--size", "64x48", "--workers", 1, "--segy")
    segy_writer = segy_beside.segy_writer

    def of_a_small_disk(file, text_lines):
        write, written = segy_writer(file, text_lines), []

        def written_or_full(recording):
            if len(written) == 3:
                raise OSError(errno.ENOSPC, "No space left on device")
            written.append(write(recording))

        return written_or_full

    monkeypatch.setattr(segy_beside, "segy_writer", of_a_small_disk)
    done = command("simulate", "--out", tmp_path / "survey", *words)
    assert done.status == 2 and len(done.error) == 1
    assert "survey: No space left on device; what is finished is kept: " in done.error[0]
    assert "run the same command again to continue" in done.error[0]
    monkeypatch.setattr(segy_beside, "segy_writer", segy_writer)
    done = command("simulate", "--out", tmp_path / "survey", *words)
    assert done.status == 0 and "resuming after 3 of 6 gathers" in done.out
    assert command("simulate", "--out", tmp_path / "other", *words).status == 0
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("survey", "other")
    )
    assert first == second


def test_every_gather_is_simulated_once(tmp_path, monkeypatch, capsys):
    from glowseis.command import run
    from glowseis.simulate import main
    from glowseis.survey.simulate import recordings

    made = []

    def counted(index, *rest, **named):
        made.append(index)
        return simulate_recording(index, *rest, **named)

    monkeypatch.setattr(recordings, "simulate_recording", counted)
    with pytest.raises(SystemExit) as left:
        run(main, ["--out", str(tmp_path / "survey"), "--count", "3", "--size", "64x48", "--workers", "1", "--segy"])
    assert (left.value.code, capsys.readouterr().err, made) == (0, "", [0, 1, 2])
    assert (tmp_path / "survey" / "survey.segy").is_file()
