"""Files read and gathers graded by the workers of a Dask scheduler: what comes of it is what one process makes."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from glowseis import cluster as clusters
from glowseis.errors import InputError
from glowseis.export import classifier as classifiers
from glowseis.export.classifier import SavedClassifier
from glowseis.export.folders import savedmodel_sha256
from glowseis.run import graded_lines, grading_apart
from glowseis.survey.ingestion import apart, ingest, parts
from glowseis.survey.ingestion.request import Request
from tests.support.commands import CHECKOUT, dask_cluster, free_ports
from tests.support.file_batches import OPTIONS, write_batch
from tests.support.grades import assert_same_grades

GONE = "the scheduler or its workers are gone: this process continues alone"


@pytest.fixture(scope="module")
def cluster(graded):
    """A scheduler and workers, made after the classifier.

    Their threads take numbers from Python's generator, from which Keras seeds initial weights.
    """
    with dask_cluster() as made:
        yield made


@pytest.fixture
def batch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_batch(tmp_path)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_as_alone(done, command, tmp_path):
    """The survey `new` and what was printed are those of one process."""
    alone = command("ingest", "in", *OPTIONS, "--out", "one")
    assert (done.status, done.out) == (alone.status, alone.out.replace("one", "new"))
    assert content(tmp_path / "new") == content(tmp_path / "one") and not list(tmp_path.glob(".*"))


def test_workers_read_files(batch, tmp_path, command, cluster, read_here):
    done = command("ingest", "in", *OPTIONS, "--scheduler", cluster.scheduler_address, "--out", "new")
    assert done.status == 0 and done.error == [] and read_here == []
    assert_as_alone(done, command, tmp_path)


def test_a_task_is_tried_again_and_at_last_the_file_is_read_here(
    batch, tmp_path, command, cluster, read_here, monkeypatch
):
    records, tries = parts.Task.records, []

    def failing(task):
        tries.append(task.path.name)
        if task.path.name == "b.segy" or tries.count(task.path.name) < 2:
            raise OSError("the network is down")
        return records(task)

    monkeypatch.setattr(parts.Task, "records", failing)
    done = command("ingest", "in", *OPTIONS, "--scheduler", cluster.scheduler_address, "--out", "new")
    assert done.status == 0, done.error
    assert read_here == ["b.segy"] and sorted(map(tries.count, set(tries))) == [2, 2, 2, 1 + clusters.RETRIES]
    assert_as_alone(done, command, tmp_path)


@pytest.mark.slow
def test_work_that_cannot_be_shared_is_refused_and_costs_nothing(batch, tmp_path, command, cluster, monkeypatch):
    address = cluster.scheduler_address
    words = ("ingest", "in", *OPTIONS, "--out", "new")

    def stop(*given, **named):
        wait_for(lambda: len(list(tmp_path.glob(".new.writing/parts/[!.]*"))) == 4)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ingest, "write_records", stop)
        assert command(*words, "--scheduler", address).status == 75
    there = sorted((tmp_path / ".new.writing/parts").glob("[!.]*"))

    def refused(*more):
        done = command(*words, *more)
        assert (done.status, len(done.error)) == (2, 1), done.error
        assert sorted((tmp_path / ".new.writing/parts").glob("[!.]*")) == there
        assert sorted(path.name for path in tmp_path.iterdir()) == [".new.writing", "in", "labels.csv"]
        return done.error[0]

    nobody = f"tcp://127.0.0.1:{free_ports(1)[0]}"
    with monkeypatch.context() as patched:
        connected = clusters.connected
        patched.setattr(clusters, "connected", lambda address: connected(address, 0.5))
        assert f"--scheduler {nobody}: no scheduler answers there" in refused("--scheduler", nobody)
    assert "pass only one of them" in refused("--scheduler", address, "--jobs", 2)
    with monkeypatch.context() as patched:
        patched.setattr(clusters, "__version__", "9.9")
        told = refused("--scheduler", address)
        assert "has glowseis 0." in told and "but this is 9.9; install the same version there" in told
    with monkeypatch.context() as patched:
        patched.setattr(clusters, "code_digest", lambda: "another checkout")
        assert "as this machine, but its code differs" in refused("--scheduler", address)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "glowseis.version", None)
        assert "has no glowseis, but this is" in refused("--scheduler", address)
    exists = os.path.exists
    for unseen, named in (("/in", str(batch)), (".new.", "what is written beside new")):
        with monkeypatch.context() as patched:
            patched.setattr(os.path, "exists", lambda path, unseen=unseen: unseen not in str(path) and exists(path))
            told = refused("--scheduler", address)
        assert f"does not see {named}; use files that all workers see under the same path" in told


@pytest.mark.slow
def test_it_is_said_now_and_then_that_there_is_no_worker(batch, tmp_path, command, monkeypatch):
    monkeypatch.setattr(clusters, "TOLD_EVERY_S", 0.2)
    with dask_cluster(0) as made:
        starter = threading.Timer(1.0, made.scale, [1])
        starter.start()
        done = command("ingest", "in", *OPTIONS, "--scheduler", made.scheduler_address, "--out", "new")
        starter.join()
    assert done.status == 0 and "waiting for its first worker" in done.out
    assert done.out.count("start one, or press Ctrl-C to stop") >= 2


def test_a_scheduler_that_goes_before_it_has_a_worker_is_told_in_a_line():
    class Lonely:
        def nthreads(self):
            return {}

        def wait_for_workers(self, count, timeout):
            raise OSError("connection closed")

    with pytest.raises(InputError, match=r"--scheduler tcp://x: lost the scheduler \(connection closed\); start it"):
        clusters._wait_for_worker(Lonely(), "tcp://x")


@pytest.mark.slow
def test_files_are_read_here_once_no_worker_is_left(batch, tmp_path, command, read_here, monkeypatch):
    monkeypatch.setattr(clusters, "PATIENCE_S", 1.0)
    released, wait_here = threading.Event(), apart.Parts.wait_for

    def stuck(task):
        released.wait()
        raise OSError

    with dask_cluster(1) as made:

        def losing(self, path):
            if path.name == "a.segy":
                made.scale(0)
            return wait_here(self, path)

        monkeypatch.setattr(apart.Parts, "wait_for", losing)
        monkeypatch.setattr(parts.Task, "records", stuck)
        try:
            done = command("ingest", "in", *OPTIONS, "--scheduler", made.scheduler_address, "--out", "new")
        finally:
            released.set()
    assert len(read_here) == 4 and done.error == [GONE]
    assert_as_alone(done, command, tmp_path)


@pytest.mark.slow
def test_the_part_of_a_worker_that_dies_is_made_by_another(batch, tmp_path, command, read_here, monkeypatch):
    with dask_cluster(2, processes=True) as made:
        wait_here, killed = apart.Parts.wait_for, []

        def killing(self, path):
            if not killed:
                killed.append(next(iter(made.workers.values())).pid)
                os.kill(killed[0], signal.SIGKILL)
            return wait_here(self, path)

        monkeypatch.setattr(apart.Parts, "wait_for", killing)
        done = command("ingest", "in", *OPTIONS, "--scheduler", made.scheduler_address, "--out", "new")
    assert killed and read_here == []
    assert_as_alone(done, command, tmp_path)


@pytest.mark.slow
def test_a_scheduler_that_dies_is_made_up_for(batch, tmp_path, command, monkeypatch, caplog):
    monkeypatch.setattr(clusters, "PATIENCE_S", 3.0)
    program = "from glowseis.survey.ingestion.parts import Task\n"
    program += "from distributed import LocalCluster as C; import time\nTask.records = lambda self: time.sleep(600)\n"
    program += "if __name__ == '__main__':\n"
    program += "    c = C(n_workers=1, processes=False, dashboard_address=':0', host='127.0.0.1', protocol='tcp://')\n"
    program += "    print(c.scheduler_address, flush=True); time.sleep(600)"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)
    wait_here = apart.Parts.wait_for

    def killing(self, path):
        if process.poll() is None:
            process.kill()
            process.wait()
            time.sleep(1)
        return wait_here(self, path)

    try:
        address = process.stdout.readline().strip()
        monkeypatch.setattr(apart.Parts, "wait_for", killing)
        done = command("ingest", "in", *OPTIONS, "--scheduler", address, "--out", "new")
    finally:
        process.kill()
        process.wait()
    assert done.error == [GONE] and "Error" not in caplog.text
    assert_as_alone(done, command, tmp_path)


@pytest.fixture
def lines_of(batch, graded):
    """What classifies the batch; by its fixture, a classifier of its own."""
    return ("classify", graded.folder / "grader/1", graded.survey.path, *(f"in/{name}.segy" for name in "abc"))


@pytest.fixture
def tasks(monkeypatch):
    """The shares that tasks were given, one each try; and how often a classifier was loaded for them."""
    given, loaded = [], []
    grade, load = grading_apart._grade, classifiers.load_classifier
    grading_apart._loaded.cache_clear()

    def watched(classifier, keeper, surveys, files, share, *more):
        given.append((len(surveys), [path.name for path in files.sources], share))
        grade(classifier, keeper, surveys, files, share, *more)

    monkeypatch.setattr(grading_apart, "_grade", watched)
    monkeypatch.setattr(classifiers, "load_classifier", lambda path: (loaded.append(path), load(path))[1])
    yield given, loaded
    grading_apart._loaded.cache_clear()


@pytest.mark.slow
def test_workers_grade(lines_of, command, cluster, tmp_path, tasks, monkeypatch):
    assert command(*lines_of, "--out", "one.csv").status == 0
    looks, look, collect = [], SavedClassifier.look, graded_lines.grade_on_cluster

    def collecting(*given):
        collect(*given)
        looks.clear()

    monkeypatch.setattr(SavedClassifier, "look", lambda self, images: (looks.append(1), look(self, images))[1])
    monkeypatch.setattr(graded_lines, "grade_on_cluster", collecting)
    done = command(*lines_of, "--scheduler", cluster.scheduler_address, "--out", "many.csv")
    assert done.status == 0, done.error
    assert_same_grades("many.csv", "one.csv")
    assert not looks and not list(tmp_path.glob(".many*"))
    given, loaded = tasks
    files = [(0, [f"{name}.segy"], (0, 1)) for name in "abc"]
    assert sorted(given) == sorted([(1, [], (0, 2)), (1, [], (1, 2)), *files])
    assert len(loaded) <= 2  # once by each worker, two threads of this process


@pytest.mark.slow
def test_a_try_that_still_writes_is_not_written_to(lines_of, command, cluster, tmp_path, monkeypatch):
    grade, kept = grading_apart._grade, []

    def failing(classifier, keeper, *given):
        kept.append(keeper)
        grade(classifier, keeper, *given)
        if kept.index(keeper) < 3:
            raise OSError("the network is down")

    monkeypatch.setattr(grading_apart, "_grade", failing)
    with monkeypatch.context() as patched:
        patched.setattr(graded_lines, "_states", lambda *given: signal.raise_signal(signal.SIGINT))
        stopped = command(*lines_of, "--scheduler", cluster.scheduler_address, "--out", "x.csv")
    assert stopped.status == 75
    paths = [keeper._path for keeper in kept]
    assert len(paths) == 5 + 3 and len(set(paths)) == len(paths)
    # A second try found what the first had graded.
    assert sum(keeper.begun > 0 for keeper in kept) == 3
    monkeypatch.setattr(SavedClassifier, "look", lambda *given: pytest.fail("graded again"))
    done = command(*lines_of, "--scheduler", cluster.scheduler_address, "--out", "x.csv")
    assert done.status == 0 and "gathers graded before" in done.out


def test_a_task_carries_the_path_of_its_own_file_alone(batch, tmp_path, monkeypatch):
    given = {}

    @contextlib.contextmanager
    def submitted(client, work, tasks):
        given.update(tasks)
        yield lambda name: False

    monkeypatch.setattr(grading_apart, "submitted", submitted)
    client = SimpleNamespace(nthreads=dict)
    files = Request([batch / f"{name}.segy" for name in "abc"])
    grading_apart.grade_on_cluster(client, tmp_path / "own", (tmp_path / "model", "x"), [], files, 4, None)
    assert [(share.file.name, share.files.sources) for (share,) in given.values()] == [
        (f"{name}.segy", ()) for name in "abc"
    ]


def test_a_survey_is_not_graded_again_by_another_number_of_workers(graded, tmp_path, monkeypatch):
    model = graded.folder / "grader/1"
    whole = grading_apart.Share(
        tmp_path / "own", model, savedmodel_sha256(model), Request((), fit=""), 4, None, survey=graded.survey.path
    )
    for number in range(2):
        grading_apart.grade_elsewhere(replace(whole, number=number, of=2))
    monkeypatch.setattr(SavedClassifier, "look", lambda *given: pytest.fail("graded again"))
    for number in range(3):
        grading_apart.grade_elsewhere(replace(whole, number=number, of=3))


@pytest.mark.slow
def test_what_no_task_could_grade_is_graded_here(lines_of, command, cluster, tmp_path, tasks, monkeypatch):
    assert command(*lines_of, "--out", "one.csv").status == 0
    # As a worker that came later, and was not asked for its code.
    monkeypatch.setattr(grading_apart, "code_digest", lambda: "another checkout")
    done = command(*lines_of, "--scheduler", cluster.scheduler_address, "--out", "x.csv")
    assert done.status == 0 and tasks[0] == []
    assert_same_grades("x.csv", "one.csv")
    (tmp_path / "in/b.segy").write_bytes(b"no")
    refused = command(*lines_of, "--scheduler", cluster.scheduler_address, "--out", "y.csv")
    assert (refused.status, len(refused.error)) == (2, 1) and "in/b.segy" in refused.error[0]
