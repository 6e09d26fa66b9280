"""A survey whose writer was stopped, however that came about, goes on and ends as if it had not been."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from glowseis.errors import InputError, StoppedError
from glowseis.files import resumable_folder, whole_folder
from glowseis.interruption import CONTINUES
from glowseis.survey.simulate import Acquisition, simulate_recordings
from glowseis.survey.store import framing
from glowseis.survey.store.scanning import verify
from glowseis.survey.store.survey import open_survey, take_up, write_records, write_survey
from tests.support.commands import CHECKOUT
from tests.support.random_gathers import full_device, random_gather

SIZE, COUNT, SHARD_BYTES = (64, 32), 20, 20_000
WORK = {"seed": 7, "count": 20, "noise": {"swell": 1.0}}


def gathers(start=0, count=COUNT):
    return (random_gather(shot, label=("good", "bad", "")[shot % 3]) for shot in range(start, count))


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resume") / "whole"
    write_survey(folder, gathers(), SIZE, {"seed": 7}, SHARD_BYTES)
    return folder


def go_on(folder, is_whole=None):
    """What was kept; the rest is written."""
    written = take_up(folder, SHARD_BYTES, is_whole)
    kept = len(written)
    write_records(folder, gathers(kept), SIZE, {"seed": 7}, SHARD_BYTES, written)
    return kept


def cut(path, random):
    size = path.stat().st_size
    os.truncate(path, int(random.integers(0, size + 1)))


def flip(path, random):
    place = int(random.integers(0, path.stat().st_size))
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ int(random.integers(1, 256))]))


def lengthen(path, random):
    with path.open("ab") as file:
        file.write(random.bytes(int(random.integers(1, 9000))))


def remove(path, random):
    path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("harm", [cut, flip, lengthen, remove])
def test_whatever_was_left_the_survey_ends_the_same(tmp_path, whole, harm):
    files = sorted(path.name for path in whole.iterdir() if path.name != "manifest.json")
    assert len(files) > 3
    kept = []
    for number in range(60):
        random = np.random.default_rng(number)
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        # A writer of shards and index ends anywhere; the manifest comes last.
        if number % 4:
            (folder / "manifest.json").unlink()
        harm(folder / files[number % len(files)], random)
        kept.append(go_on(folder))
        assert content(folder) == content(whole)
        shutil.rmtree(folder)
    # What follows the last record costs none.
    assert set(kept) == {COUNT} if harm is lengthen else len(set(kept)) > 2


def test_nothing_is_written_twice_nor_lost(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "copy")
    assert go_on(tmp_path / "copy") == COUNT
    assert content(tmp_path / "copy") == content(whole)
    (tmp_path / "empty").mkdir()
    assert go_on(tmp_path / "empty") == 0
    assert content(tmp_path / "empty") == content(whole)


def test_other_files_may_hold_less(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "copy")
    seen = []

    def is_whole(gather):
        seen.append(gather.gather_id)
        return len(seen) <= 7

    assert go_on(tmp_path / "copy", is_whole) == 7
    assert seen == [f"line3-shot{shot}" for shot in range(8)]
    assert content(tmp_path / "copy") == content(whole)


def test_a_survey_of_other_columns_is_begun_anew(tmp_path, whole):
    shutil.copytree(whole, tmp_path / "copy")
    index = tmp_path / "copy" / "gathers.csv"
    index.write_text(index.read_text().replace("gather_id", "name", 1))
    assert go_on(tmp_path / "copy") == 0
    assert content(tmp_path / "copy") == content(whole)


def stop(out, wrong, work=WORK, *, kept=True):
    with resumable_folder(out, work) as (folder, keep):
        (folder / "half").write_text("half")
        if kept:
            keep()
        raise wrong


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("wrong", "told"), [(KeyboardInterrupt(), StoppedError), (InputError("died"), InputError)])
def test_stopped_work_is_kept_and_taken_up(tmp_path, wrong, told):
    out = tmp_path / "survey"
    with pytest.raises(told, match=r"run the same command again to continue; to give up, remove .*\.survey\.writing"):
        stop(out, wrong)
    assert names(tmp_path) == [".survey.writing"]
    with resumable_folder(out, WORK) as (folder, _):
        assert (folder / "half").read_text() == "half"
        assert not out.exists()
    assert names(tmp_path) == ["survey"] and names(out) == ["half"]


@pytest.mark.parametrize("wrong", [KeyboardInterrupt(), InputError("died")])
def test_work_that_did_not_begin_leaves_nothing(tmp_path, wrong):
    with pytest.raises(type(wrong), match=None if isinstance(wrong, KeyboardInterrupt) else "^died$"):
        stop(tmp_path / "survey", wrong, kept=False)
    assert names(tmp_path) == []


def test_a_mistake_of_ours_costs_nothing_that_is_finished(tmp_path):
    with pytest.raises(RuntimeError):
        stop(tmp_path / "survey", RuntimeError("a mistake"))
    assert names(tmp_path) == [".survey.writing"]


def test_a_full_disk_keeps_what_is_finished_of_a_survey(tmp_path, whole, monkeypatch):
    out = tmp_path / "survey"

    def write(most):
        with resumable_folder(out, WORK) as (folder, keep):
            written = take_up(folder, SHARD_BYTES)
            begun.append(len(written))

            def kept():
                for gather in gathers(len(written)):
                    if len(written) >= most:
                        monkeypatch.setattr(framing, "open_shard", full_device)
                    yield gather
                    keep()

            write_records(folder, kept(), SIZE, {"seed": 7}, SHARD_BYTES, written)

    begun, open_shard = [], framing.open_shard
    for most in (5, 9):
        with pytest.raises(InputError, match=r"No space left on device; what is finished is kept: .* run the same"):
            write(most)
        assert names(tmp_path) == [".survey.writing"]
        monkeypatch.setattr(framing, "open_shard", open_shard)
    write(COUNT)
    assert begun[0] == 0 and 5 <= begun[1] < 9 <= begun[2] < COUNT
    assert content(out) == content(whole)


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ({**WORK, "seed": 8}, r"\(seed was 7, now 8\)"),
        ({**WORK, "noise": {"swell": 0.0}}, r"\(swell was 1.0, now 0.0\)"),
        ({"command": "other"}, "other work was stopped there; run that command again"),
    ],
)
def test_other_work_does_not_destroy_it(tmp_path, work, told):
    out = tmp_path / "survey"
    with pytest.raises(StoppedError):
        stop(out, KeyboardInterrupt())
    with pytest.raises(InputError, match=told), resumable_folder(out, work):
        pass
    with pytest.raises(InputError, match=r"other work was stopped there; .* or remove .*\.survey\.writing"):
        write_survey(out, gathers(), SIZE, {})
    assert names(tmp_path / ".survey.writing") == ["half", "state.json"]
    with pytest.raises(InputError, match="another process"), resumable_folder(out, WORK), whole_folder(out):
        pass


@pytest.mark.parametrize("state", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_state_that_cannot_be_read_is_none(tmp_path, state):
    with pytest.raises(StoppedError):
        stop(tmp_path / "survey", KeyboardInterrupt())
    (tmp_path / ".survey.writing" / "state.json").write_bytes(state)
    with resumable_folder(tmp_path / "survey", WORK) as (folder, _):
        assert names(folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_simulated_gathers_from_a_number_on(workers):
    acquisition = Acquisition.of_size(64, 48)
    whole = list(simulate_recordings(6, 3, acquisition))
    for start in (0, 4, 6):
        part = list(simulate_recordings(6, 3, acquisition, workers=workers, start=start))
        assert [one.gather_id for one in part] == [one.gather_id for one in whole[start:]]
        assert all(
            np.array_equal(one.amplitude, other.amplitude) for one, other in zip(part, whole[start:], strict=True)
        )
    with pytest.raises(ValueError, match="start is 7 of 6"):
        simulate_recordings(6, 3, acquisition, start=7)


@contextlib.contextmanager
def simulating(out, *words):
    """The command at work in a session of its own; a test that fails ends it."""
    command = [sys.executable, "-m", "glowseis.simulate", "--out", out, "--size", "64x48", "--workers", 2, *words]
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=CHECKOUT,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finished(out):
    index = out.parent / f".{out.name}.writing" / "gathers.csv"
    return index.read_bytes().count(b"\n") - 1 if index.exists() else 0


@pytest.mark.slow
def test_the_command_goes_on_after_every_kind_of_end(tmp_path, command):
    out, count = tmp_path / "survey é", 400
    words = ("--count", count, "--segy")
    done = 0
    for stop, status, told in (
        (signal.SIGKILL, -signal.SIGKILL, ""),
        (signal.SIGINT, 75, "run the same command again to continue"),
        (signal.SIGTERM, 75, "run the same command again to continue"),
    ):
        with simulating(out, *words) as process:
            end = time.monotonic() + 60
            while finished(out) < done + 40 and time.monotonic() < end:
                time.sleep(0.005)
            for _ in range(2):
                os.killpg(process.pid, stop)
                time.sleep(0.02)
            printed, error = process.communicate(timeout=60)
        assert process.returncode == status and told in error and len(error.splitlines()) <= 1
        assert f"resuming after {done} of {count} gathers" in printed or not done
        assert not out.exists()
        # Of what was finished by then at most the last gather is not whole.
        assert count > finished(out) >= done + 40
        done = finished(out)
        refused = command("simulate", "--out", out, "--size", "64x48", "--count", count)
        assert refused.status == 2 and "segy was true, now false" in refused.error[0] and len(refused.error) == 1
        written = take_up_count(out)
        done = min(done, written)
    with simulating(out, *words) as process:
        printed, error = process.communicate(timeout=120)
    assert process.returncode == 0 and error == "" and f"resuming after {done} of" in printed
    assert command("simulate", "--out", tmp_path / "other", "--size", "64x48", "--workers", 1, *words).status == 0
    assert content(out) == content(tmp_path / "other")
    assert names(tmp_path) == ["other", out.name]
    verify(open_survey(out))


def take_up_count(out):
    """How many gathers are whole in records and SEG-Y, looked up in a copy."""
    from glowseis.survey.simulate.segy_beside import SegyBeside

    folder = out.parent / f".{out.name}.writing"
    copy = out.parent / "looked up"
    shutil.copytree(folder, copy)
    try:
        with (copy / "survey.segy").open("ab") as file:
            return len(take_up(copy, is_whole=SegyBeside(file, 7).holds))
    finally:
        shutil.rmtree(copy)


@pytest.mark.slow
def test_an_impatient_user_leaves_nothing_or_what_goes_on(tmp_path):
    out = tmp_path / "survey"
    with simulating(out, "--count", 100_000) as process:
        while not (tmp_path / ".survey.writing").exists() and process.poll() is None:
            time.sleep(0.005)
        for _ in range(3):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.02)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 75
    if CONTINUES in error:
        # Between making the hidden folder and guarding it there is a moment; an empty one is the next writer's.
        assert not any(path.is_file() for path in tmp_path.rglob("*"))
    else:
        assert "state.json" in names(tmp_path / ".survey.writing")
