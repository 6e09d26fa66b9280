"""One device, several and several processes end alike; a process that is lost ends all of them with a line."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.fitting.devices.cluster import Cluster, from_slurm, from_tf_config
from glowseis.fitting.devices.devices import Devices
from glowseis.fitting.flow.selection import select
from glowseis.interruption import CONTINUES
from glowseis.recipe import read_recipe
from glowseis.run.flow import fitting_of
from glowseis.survey.store.survey import open_survey
from tests.support import loop_program
from tests.support.commands import CHECKOUT, finish, free_ports, start
from tests.support.device_program import WAYS
from tests.support.device_program import fitted as fitted_here

SMALL = ("flow.levels=1", "flow.steps=1", "flow.attention_levels=0")
"""A flow that is soon traced, for what has to do with processes."""

PROGRAM, LOOP = (CHECKOUT / "tests/support" / name for name in ("device_program.py", "loop_program.py"))


@pytest.fixture(autouse=True)
def one_secret(monkeypatch):
    monkeypatch.setenv("GLOWSEIS_SECRET", "of these tests alone")


def tf_configs(workers):
    """TF_CONFIG of each worker of a cluster on this machine."""
    addresses = [f"localhost:{port}" for port in free_ports(workers)]
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        for index in range(workers)
    ]


def run_program(python, *words, program=PROGRAM, configs=("",)):
    """Run a program once with each TF_CONFIG, side by side, to its end."""
    path = os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])
    processes = [
        subprocess.Popen(
            [python, str(program), *map(str, words)],
            env={**os.environ, "PYTHONPATH": path, **({"TF_CONFIG": config} if config else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for config in configs
    ]
    try:
        for process in processes:
            said, _ = process.communicate(timeout=1200)
            assert process.returncode == 0, said[-3000:]
    finally:
        for process in processes:
            process.kill()


def fitted(python, out, *words, configs=("",)):
    """What the chief of `device_program` kept, by way of fitting."""
    run_program(python, out, *words, configs=configs)
    return {way: dict(np.load(out / f"{way}.npz")) for way in WAYS}


@pytest.fixture(scope="module")
def on_one():
    return {way: {name.replace("/", "|"): value for name, value in fitted_here(Devices(), way).items()} for way in WAYS}


def check_the_same(expected, found):
    for way in WAYS:
        one, other = expected[way], found[way]
        assert one.keys() == other.keys()
        moved = []
        for name in one:
            kind, _, weight = name.partition("|")
            if kind == "before":
                np.testing.assert_array_equal(one[name], other[name], err_msg=f"{way} {name}")
                moved.append(np.max(np.abs(one[f"after|{weight}"] - one[name])))
            # Nothing depends on the bias of an attention's keys: its gradient is rounding, which Adam blows up.
            elif not name.endswith("key_bias"):
                size = np.max(np.abs(one[name])) if kind in ("gradient", "bits", "norm") else 1.0
                assert np.max(np.abs(one[name] - other[name])) <= 1e-5 * max(size, 1e-3), f"{way} {name}"
        assert max(moved) > 1e-2


def test_xla_on_several_devices_is_told():
    class Several(Devices):
        replicas = 2

    with pytest.raises(InputError, match="jit_compile = true: XLA compiles for one device only, and there are 2; set"):
        Several().require_xla()


@pytest.mark.slow
def test_logical_devices_end_with_the_weights_of_one(on_one, tmp_path, warm_python):
    check_the_same(on_one, fitted(warm_python, tmp_path, "2"))


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(on_one, tmp_path, warm_python):
    check_the_same(on_one, fitted(warm_python, tmp_path, configs=tf_configs(2)))


@pytest.mark.slow
def test_a_runs_own_loop_keeps_two_processes_alike(tiny, tmp_path, warm_python):
    def told(configs):
        out = tmp_path / str(len(configs))
        out.mkdir()
        if configs:
            run_program(warm_python, tiny.recipe, tiny.survey, out, program=LOOP, configs=configs)
        else:
            loop_program.train(tiny.recipe, tiny.survey, out)
        every = range(max(1, len(configs)))
        return [
            (json.loads((out / f"worker-{one}.json").read_text()), dict(np.load(out / f"worker-{one}.npz")))
            for one in every
        ]

    ((alone, _),), ((chief, weights), (other, of_other)) = told([]), told(tf_configs(2))
    for name, weight in weights.items():
        np.testing.assert_array_equal(weight, of_other[name])
    assert chief["step"] == other["step"] == alone["step"] > 20
    assert chief["epochs"] == other["epochs"] and len(alone["epochs"]) == 7
    for one, same in zip(alone["epochs"], chief["epochs"], strict=True):
        assert one == pytest.approx(same, rel=2e-3)


def start_workers(python, folder, tiny, configs, *words):
    processes = []
    for config in configs:
        os.environ["TF_CONFIG"] = config
        try:
            processes.append(start("train", tiny.recipe, "--survey", tiny.survey, *words, folder=folder, python=python))
        finally:
            del os.environ["TF_CONFIG"]
    return processes


def last_step(folder):
    names = [path.name for path in (folder / "runs" / "tiny" / "checkpoints" / "last").glob("ckpt-*.index")]
    return max((int(name.split("-")[1].split(".")[0]) for name in names), default=-1)


def wait_for_step(folder, processes, step):
    late = time.monotonic() + 900
    while last_step(folder) < step:
        assert all(process.poll() is None for process in processes), [finish(process).error for process in processes]
        assert time.monotonic() < late, "no step came"
        time.sleep(0.05)


@pytest.mark.slow
def test_two_workers_train_stop_lose_one_and_go_on(tiny, tmp_path, warm_python):
    """The last time by `train/hosts.sh`, against a stand-in for ssh that stays on this machine."""
    run = tmp_path / "run"
    run.mkdir()
    changes = (*SMALL, "training.batch=4", "training.checkpoint_every_s=0.05", "phases.1.epochs=20")
    words = [f"--set={change}" for change in changes]

    def workers():
        return start_workers(warm_python, run, tiny, tf_configs(2), *words)

    stopped = workers()
    wait_for_step(run, stopped, 3)
    stopped[1].send_signal(signal.SIGTERM)
    ends = [finish(process) for process in stopped]
    assert [end.status for end in ends] == [75, 75], [end.error for end in ends]
    assert "everything is saved" in ends[0].error[-1]
    at = last_step(run)

    robbed = workers()
    wait_for_step(run, robbed, at + 2)
    robbed[1].kill()
    end = finish(robbed[0])
    robbed[1].communicate()
    assert end.status == 1, end.error
    assert len(end.error) == 1 and "a worker of this run is gone" in end.error[0], end.error
    assert "noticed by " in end.error[0] and "Graph execution error" not in end.error[0], end.error
    assert "start all workers again; the run resumes after step" in end.error[0]

    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/bash\nshift\nexec bash -c "$*"\n')
    ssh.chmod(0o755)
    done = subprocess.run(
        ["bash", CHECKOUT / "train/hosts.sh", tiny.recipe, "--survey", tiny.survey, *words],
        cwd=run,
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHON": str(warm_python),
            "PYTHONPATH": str(CHECKOUT),
            "HOSTS": " ".join(f"localhost:{port}" for port in free_ports(2)),
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    # The chief alone says and writes anything.
    assert done.stdout.count("resuming after step") == done.stdout.count("SavedModel: ") == 1
    assert (run / "savedmodels" / "tiny" / "1" / "saved_model.pb").exists()


def test_a_worker_that_waits_for_another_can_be_stopped(tiny, tmp_path, warm_python):
    configs = tf_configs(2)
    waiting = start_workers(warm_python, tmp_path, tiny, configs[:1])[0]
    port = int(json.loads(configs[0])["cluster"]["worker"][0].rpartition(":")[2])
    late = time.monotonic() + 120
    while time.monotonic() < late:
        with contextlib.suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
            break
        time.sleep(0.1)
    waiting.send_signal(signal.SIGTERM)
    end = finish(waiting)
    assert end.status == 75 and len(end.error) == 1 and end.error[0].endswith(CONTINUES), end


WORKER = """#!/bin/sh
trap 'echo stopped; exit 75' TERM
printf '%s\\n' "$GLOWSEIS_SECRET" "$TF_CONFIG" "$PWD" "$@" > "$TOLD/$$"
while [ -z "$ENDS" ]; do sleep 0.05; done
exit 3
"""
"""In place of Python: says what it was given, and waits for a signal."""


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("ends", ["", "yes"])
def test_hosts_are_given_a_secret_and_stopped_without_files_of_others(tmp_path, shell, ends):
    """Against stand-ins for ssh and for Python; the third host cannot be reached."""
    (tmp_path / "ssh").write_text(
        f'#!/bin/bash\necho "$@" >> {tmp_path}/words\n[ $1 = nowhere ] && exit 255\nshift\nexec {shell} -c "$*"\n'
    )
    (tmp_path / "python").write_text(WORKER)
    for name in ("ssh", "python"):
        (tmp_path / name).chmod(0o755)
    temporary, told, run = (tmp_path / name for name in ("temporary", "told", "a run"))
    for folder in (temporary, told, run):
        folder.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "TMPDIR": str(temporary),
        "TOLD": str(told),
        "ENDS": ends,
        "HOSTS": "node1 node2:77 nowhere",
    }
    del environment["GLOWSEIS_SECRET"]
    words = ["a.toml", "--set", "it's $(touch here)", "*"]
    with subprocess.Popen(
        ["bash", CHECKOUT / "train/hosts.sh", *words],
        cwd=run,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        late = time.monotonic() + 60
        while len(list(told.iterdir())) < 2 and time.monotonic() < late:
            time.sleep(0.05)
        if not ends:
            time.sleep(0.5)
            assert process.poll() is None and not list(temporary.iterdir())
            process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    # The first worker's that is not 0.
    assert process.returncode == (3 if ends else 75) and said == ("" if ends else "stopped\nstopped\n"), said
    given = [file.read_text().splitlines() for file in told.iterdir()]
    secrets, configs = {one[0] for one in given}, sorted(one[1] for one in given)
    assert len(secrets) == 1 and re.fullmatch("[0-9a-f]{64}", *secrets)
    assert not any(secret in (tmp_path / "words").read_text() for secret in secrets)
    workers = ["node1:23456", "node2:77", "nowhere:23456"]
    for index, config in enumerate(configs):
        assert json.loads(config) == {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
    assert all(one[2:] == [str(run), "-m", "glowseis.train", *words] for one in given)
    assert not list(run.iterdir()) and not list(temporary.iterdir())


@pytest.mark.parametrize(("status", "queued_again"), [(75, True), (0, False), (1, False)])
def test_a_slurm_job_that_was_stopped_is_queued_again(tmp_path, status, queued_again):
    """Against stand-ins for Slurm's commands."""
    for name, body in (("srun", f"exit {status}"), ("scontrol", "exit 0")):
        told = f'#!/bin/bash\necho {name} "$@" >> {tmp_path}/called\necho "$GLOWSEIS_SECRET" >> {tmp_path}/secrets\n'
        (tmp_path / name).write_text(f"{told}{body}\n")
        (tmp_path / name).chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "17"}
    del environment["GLOWSEIS_SECRET"]
    done = subprocess.run(["bash", CHECKOUT / "train/slurm.sh", "a.toml"], env=environment, check=False)
    called = (tmp_path / "called").read_text().splitlines()
    assert done.returncode == status and "--kill-on-bad-exit=0" in called[0]
    assert called[0].endswith("python -m glowseis.train a.toml --cluster slurm")
    assert called[1:] == (["scontrol requeue 17"] if queued_again else [])
    # All tasks of the step have one, of this job alone.
    assert re.fullmatch("[0-9a-f]{64}", (tmp_path / "secrets").read_text().splitlines()[0])


def test_a_batch_is_shared_equally():
    class Two(Devices):
        replicas = 2

    assert Devices().batch(1) == 1 and Devices().batch(7) == 7
    assert Two().batch(1) == 2 and Two().batch(7) == 8 and Two().batch(8) == 8


def test_too_few_gathers_for_the_devices_are_told_at_once(tiny):
    class Many(Devices):
        replicas = 50

    recipe, survey = read_recipe(tiny.recipe), open_survey(tiny.survey)
    with pytest.raises(InputError, match=r"a phase with 9 gathers cannot be shared by 50 devices"):
        fitting_of(recipe, survey, select(survey, recipe), Many())


def test_tf_config_is_read():
    def read(cluster, kind, index):
        return from_tf_config({"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})})

    assert from_tf_config({}) is None and from_tf_config({"TF_CONFIG": " "}) is None
    assert read({"worker": ["a:1", "b:2"]}, "worker", 1) == Cluster(("a:1", "b:2"), 1)
    assert read({"chief": ["c:3"], "worker": ["a:1"]}, "worker", 0) == Cluster(("c:3", "a:1"), 1)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": Infinity}}',
        "[" * 100_000,
        '{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:99999"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_a_bad_tf_config_is_told_in_a_line(text):
    with pytest.raises(InputError, match=r"^TF_CONFIG is .{1,510} it must name each worker once"):
        from_tf_config({"TF_CONFIG": text})


def test_slurm_without_a_step_is_told_in_a_line():
    with pytest.raises(InputError, match="--cluster slurm: this is not a task of a Slurm step"):
        from_slurm({})
