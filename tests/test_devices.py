"""One device, several and several processes end alike; a process that is lost ends all of them with a line."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import CHECKOUT, finish, start

from glowseis.errors import InputError
from glowseis.fitting.cluster import Cluster, from_slurm, from_tf_config
from glowseis.fitting.devices import Devices

PROGRAM = Path(__file__).parent / "device_program.py"

WAYS = [f"{optimizer}-{how}" for optimizer in ("sgd", "clipped") for how in ("stored", "reversible")]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("localhost", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def tf_configs(workers):
    """TF_CONFIG of each worker of a cluster on this machine."""
    addresses = [f"localhost:{port}" for port in free_ports(workers)]
    return [
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        for index in range(workers)
    ]


def run_program(out, *words, configs=("",)):
    """What the program's chief kept, by way of fitting."""
    path = os.pathsep.join([str(CHECKOUT), os.environ.get("PYTHONPATH", "")])
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(out), *words],
            env={**os.environ, "PYTHONPATH": path, **({"TF_CONFIG": config} if config else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for config in configs
    ]
    try:
        for process in processes:
            said, _ = process.communicate(timeout=400)
            assert process.returncode == 0, said[-3000:]
    finally:
        for process in processes:
            process.kill()
    return {way: dict(np.load(out / f"{way}.npz")) for way in WAYS}


@pytest.fixture(scope="module")
def on_one(tmp_path_factory):
    return run_program(tmp_path_factory.mktemp("one"), "1")


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


@pytest.mark.slow
@pytest.mark.parametrize("count", ["2", "4"])
def test_logical_devices_end_with_the_weights_of_one(count, on_one, tmp_path):
    check_the_same(on_one, run_program(tmp_path, count))


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(on_one, tmp_path):
    check_the_same(on_one, run_program(tmp_path, configs=tf_configs(2)))


def start_workers(folder, tiny, configs, *words):
    processes = []
    for config in configs:
        os.environ["TF_CONFIG"] = config
        try:
            processes.append(start("train", tiny.recipe, "--survey", tiny.survey, *words, folder=folder))
        finally:
            del os.environ["TF_CONFIG"]
    return processes


def last_step(folder):
    names = [path.name for path in (folder / "runs" / "tiny" / "checkpoints" / "last").glob("ckpt-*.index")]
    return max((int(name.split("-")[1].split(".")[0]) for name in names), default=-1)


def wait_for_step(folder, processes, step):
    late = time.monotonic() + 240
    while last_step(folder) < step:
        assert all(process.poll() is None for process in processes), [finish(process).error for process in processes]
        assert time.monotonic() < late, "no step came"
        time.sleep(0.05)


@pytest.mark.slow
def test_two_workers_train_stop_lose_one_and_go_on(tiny, tmp_path):
    def workers():
        return start_workers(tmp_path, tiny, tf_configs(2), "--set", "training.batch=4")

    stopped = workers()
    wait_for_step(tmp_path, stopped, 3)
    stopped[1].send_signal(signal.SIGTERM)
    ends = [finish(process) for process in stopped]
    assert [end.status for end in ends] == [75, 75], [end.error for end in ends]
    assert "everything is saved" in ends[0].error[-1]
    at = last_step(tmp_path)

    robbed = workers()
    wait_for_step(tmp_path, robbed, at + 2)
    robbed[1].kill()
    end = finish(robbed[0])
    robbed[1].communicate()
    assert end.status == 1, end.error
    assert len(end.error) == 1 and "a worker of this run is gone" in end.error[0], end.error
    assert "start all of them again, the run goes on after step" in end.error[0]

    ends = [finish(process) for process in workers()]
    assert [end.status for end in ends] == [0, 0], [end.error for end in ends]
    assert "going on after step" in ends[0].out and not ends[1].out.strip()
    assert (tmp_path / "savedmodels" / "tiny" / "1" / "saved_model.pb").exists()


def test_a_batch_is_shared_equally():
    class Two(Devices):
        replicas = 2

    assert Devices().batch(1) == 1 and Devices().batch(7) == 7
    assert Two().batch(1) == 2 and Two().batch(7) == 8 and Two().batch(8) == 8


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
        '{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}',
        '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_a_bad_tf_config_is_told_in_a_line(text):
    with pytest.raises(InputError, match=r"TF_CONFIG is .* it must name each worker once"):
        from_tf_config({"TF_CONFIG": text})


def test_slurm_without_a_step_is_told_in_a_line():
    with pytest.raises(InputError, match="--cluster slurm: this is no task of a Slurm step"):
        from_slurm({})
