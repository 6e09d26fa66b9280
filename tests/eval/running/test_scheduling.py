"""Folds side by side, each in a process of its own: who ends with whom, and what becomes of a fold broken off."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from eval.results.collection import collect
from eval.running.scheduling import Processes, fold_job, on_cluster, on_this_machine
from eval.study.outcome import read_outcome
from glowseis.errors import FittingError, InputError
from tests.support.commands import CHECKOUT
from tests.support.small_study import study_words

ARMS = ("none", "oversampling")


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """In place of `eval.cv`, a program of the test's; gives the function that writes it."""

    def write(program):
        (tmp_path / "eval").mkdir()
        (tmp_path / "eval/cv.py").write_text(textwrap.dedent(program))
        monkeypatch.setattr("eval.running.scheduling.CHECKOUT", tmp_path)

    monkeypatch.delenv("PYTHONPATH", raising=False)
    return write


def jobs_of(folder, count=3):
    return [fold_job("grouped", fold, ("recipe.toml",), str(folder)) for fold in range(count)]


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(process_id):
    try:
        return open(f"/proc/{process_id}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_every_fold_is_run_with_its_share_of_cores(tmp_path, stand_in):
    stand_in("""
        import os, sys
        print(*sys.argv[1:], "on", os.environ["TF_NUM_INTRAOP_THREADS"])
    """)
    said = []
    on_this_machine(jobs_of(tmp_path), 2, said.append)
    cores = max(1, len(os.sched_getaffinity(0)) // 2)
    assert sorted(said) == [f"recipe.toml --fold {fold} --kind grouped --attended on {cores}" for fold in range(3)]


def test_a_folds_process_finds_the_checkout_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    job = fold_job("grouped", 0, ("recipe-that-is-not-there.toml",), str(tmp_path))
    ended = Processes().run(job, 1)
    assert ended.status == 2 and "recipe-that-is-not-there.toml: no such recipe" in ended.error


@pytest.mark.slow
def test_so_many_run_at_once_and_no_more(tmp_path, stand_in):
    stand_in("""
        import pathlib, time
        here = pathlib.Path(f"running-{time.monotonic_ns()}")
        here.touch()
        time.sleep(0.5)
        print(len(list(pathlib.Path(".").glob("running-*"))))
        here.unlink()
    """)
    said = []
    on_this_machine(jobs_of(tmp_path, 4), 2, said.append)
    assert len(said) == 4 and max(map(int, said)) == 2


def test_a_fold_that_is_refused_does_not_keep_others_from_their_end(tmp_path, stand_in):
    stand_in("""
        import sys
        if sys.argv[3] == "0":
            sys.stderr.write("eval.cv: survey: is damaged\\n")
            sys.exit(2)
        print("done")
    """)
    said = []
    with pytest.raises(InputError, match=r"^grouped fold 0: survey: is damaged$"):
        on_this_machine(jobs_of(tmp_path), 1, said.append)
    assert said == ["done", "done"]


def test_a_process_that_dies_is_told_with_its_signal(tmp_path, stand_in):
    stand_in("""
        import os, sys
        if sys.argv[3] == "1":
            os.kill(os.getpid(), 9)
        print("done")
    """)
    said = []
    with pytest.raises(FittingError, match=r"grouped fold 1: its process was killed by signal 9 \(out of memory\?\)"):
        on_this_machine(jobs_of(tmp_path), 1, said.append)
    assert said == ["done", "done"]


def test_a_leak_stops_all_folds(tmp_path, stand_in):
    stand_in("""
        import sys, time, pathlib
        if sys.argv[3] == "0":
            while not pathlib.Path("began-1").exists():
                time.sleep(0.02)
            sys.stderr.write("eval.cv: fold 0: gather x is a test gather\\n")
            sys.exit(1)
        pathlib.Path(f"began-{sys.argv[3]}").touch()
        time.sleep(60)
        print("done")
    """)
    said, started = [], time.monotonic()
    with pytest.raises(FittingError, match="grouped fold 0: fold 0: gather x is a test gather"):
        on_this_machine(jobs_of(tmp_path), 2, said.append)
    assert said == [] and time.monotonic() - started < 30
    assert not (tmp_path / "began-2").exists()


def test_a_fold_ends_with_the_process_that_started_it(tmp_path):
    (tmp_path / "fold.py").write_text(
        textwrap.dedent("""
            import os, pathlib, time
            from eval.running.process import end_with_parent
            end_with_parent()
            pathlib.Path("began.writing").write_text(str(os.getpid()))
            os.rename("began.writing", "began")
            time.sleep(300)
        """)
    )
    (tmp_path / "parent.py").write_text(
        textwrap.dedent("""
            import subprocess, sys, time
            child = subprocess.Popen([sys.executable, "fold.py"], stdin=subprocess.PIPE, start_new_session=True)
            time.sleep(300)
        """)
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    parent = subprocess.Popen([sys.executable, "parent.py"], cwd=tmp_path, env=environment)
    wait_for((tmp_path / "began").exists)
    child = int((tmp_path / "began").read_text())
    assert alive(child)
    parent.kill()
    parent.wait()
    wait_for(lambda: not alive(child))


def test_stopped_processes_are_waited_for(tmp_path, stand_in):
    stand_in("""
        import pathlib, signal, sys, time
        def leave(*_):
            time.sleep(0.5)
            pathlib.Path("saved").touch()
            sys.exit(75)
        signal.signal(signal.SIGTERM, leave)
        pathlib.Path("began").touch()
        time.sleep(60)
    """)
    processes, ended = Processes(), []
    thread = threading.Thread(target=lambda: ended.append(processes.run(jobs_of(tmp_path)[0], 1)))
    thread.start()
    wait_for((tmp_path / "began").exists)
    processes.stop()
    assert (tmp_path / "saved").exists()
    thread.join()
    assert ended[0].status == 75 and ended[0].stopped
    assert processes.run(jobs_of(tmp_path)[1], 1).status == 75


def test_a_scheduler_that_does_not_answer_is_told(tmp_path, monkeypatch):
    import distributed

    def refuse(address, **_):
        raise OSError(f"Timed out trying to connect to {address}")

    monkeypatch.setattr(distributed, "Client", refuse)
    with pytest.raises(InputError, match="no scheduler answers there"):
        on_cluster(jobs_of(tmp_path), "tcp://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r'needs dask.distributed; run pip install "glowseis\[cluster\]"'):
        on_cluster(jobs_of(tmp_path), "tcp://127.0.0.1:1")


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:1", "tcp://127.0.0.1"])
def test_an_address_that_is_none_is_told_before_a_client_is_made(tmp_path, monkeypatch, address):
    import distributed

    monkeypatch.setattr(distributed, "Client", None)
    with pytest.raises(InputError, match=r"no scheduler answers there .*; give the address that it printed"):
        on_cluster(jobs_of(tmp_path), address)


@pytest.fixture
def cluster():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as made:
        yield made


@pytest.mark.slow
def test_a_fold_whose_worker_is_killed_is_finished_by_the_other(tmp_path, stand_in, cluster):
    stand_in(f"""
        import os, pathlib, sys, time
        sys.path.append({str(CHECKOUT)!r})
        from eval.running.process import end_with_parent
        from glowseis.locks import locked
        end_with_parent()
        fold = sys.argv[3]
        with locked(pathlib.Path(f"{{fold}}.lock"), "it", wait=True):
            for arm in {ARMS}:
                if pathlib.Path(f"{{fold}}-{{arm}}.json").exists():
                    continue
                with open("begun", "a") as file:
                    file.write(f"{{fold}} {{os.getpid()}}\\n")
                time.sleep(1)
                # An outcome that is there already is an error.
                with open(f"{{fold}}-{{arm}}.json", "x"):
                    print(fold, arm)
    """)
    said = []
    begun = tmp_path / "begun"

    def kill_one_at_work():
        wait_for(lambda: begun.exists() and len(set(begun.read_text().split()[::2])) == 2)
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_one_at_work)
    killer.start()
    on_cluster(jobs_of(tmp_path, 4), cluster.scheduler_address, said.append)
    killer.join()
    assert said[0] == "4 folds for 2 workers"
    assert len(list(tmp_path.glob("*.json"))) == 4 * len(ARMS)
    # One fold was worked on by two processes, the first of which ended with its worker.
    by_process = set(begun.read_text().splitlines())
    assert len(by_process) == 5 and not any(alive(line.split()[1]) for line in by_process)


@pytest.mark.slow
def test_a_leak_on_a_cluster_stops_the_other_folds(tmp_path, stand_in, cluster):
    stand_in("""
        import pathlib, sys, time
        if sys.argv[3] == "0":
            while not pathlib.Path("1").exists():
                time.sleep(0.02)
            sys.stderr.write("eval.cv: gather x is a test gather\\n")
            sys.exit(1)
        import os
        pathlib.Path("writing").write_text(str(os.getpid()))
        os.rename("writing", sys.argv[3])
        time.sleep(300)
    """)
    with pytest.raises(FittingError, match="grouped fold 0: gather x is a test gather"):
        on_cluster(jobs_of(tmp_path), cluster.scheduler_address, lambda line: None)
    wait_for(lambda: not alive((tmp_path / "1").read_text()))


@pytest.mark.slow
def test_a_study_on_a_cluster_that_loses_a_worker_ends_with_every_outcome_once(tmp_path, cluster, warm_python):
    from distributed import Client

    with Client(cluster) as client:
        client.run(setattr, sys, "executable", str(warm_python))
    words = study_words(tmp_path)
    outcomes = tmp_path / "study/outcomes"
    process = subprocess.Popen(
        [
            *(warm_python, "-m", "eval.cv", *map(str, words)),
            *("--arms", ",".join(ARMS), "--kind", "grouped", "--scheduler", cluster.scheduler_address),
            *("--set", "study.folds=2", "--set", "study.training.epochs=1"),
        ],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: process.poll() is not None or list(outcomes.glob("*.json")), 900)
        assert process.poll() is None, process.communicate()
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
        out, error = process.communicate(timeout=900)
    finally:
        process.kill()
    assert process.returncode == 0, error
    assert all(out.count(f"grouped fold {fold}, {arm}: F1") <= 1 for fold in range(2) for arm in ARMS)
    digest = read_outcome(next(outcomes.glob("*.json"))).study
    results = collect(outcomes, digest, ("grouped",), ARMS, 2)
    assert not results.missing and len(list(outcomes.iterdir())) == 4
    assert not any(one.error for found in results.outcomes.values() for one in found)
