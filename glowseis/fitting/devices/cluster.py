"""The processes that train together on several machines, from TF_CONFIG or from Slurm."""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import tensorflow as tf

from glowseis.errors import InputError, reason_of
from glowseis.fitting.devices.meeting import meet

CONFIG = "TF_CONFIG"

EXAMPLE = '{"cluster": {"worker": ["node1:23456", "node2:23456"]}, "task": {"type": "worker", "index": 0}}'

SHOWN = 500
"""Most characters of the variable that a message shows."""


@dataclass(frozen=True)
class Cluster:
    """The addresses of the processes that train together.

    Attributes:
        addresses: `host:port` of each; the first is the chief's.
        worker: Number of this process, from 0.
    """

    addresses: tuple[str, ...]
    worker: int

    @property
    def workers(self) -> int:
        """Number of processes."""
        return len(self.addresses)


def from_tf_config(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """The cluster that TF_CONFIG describes; None without it.

    Raises:
        InputError: It is not in TensorFlow's format.
    """
    text = environment.get(CONFIG, "")
    if not text.strip():
        return None
    try:
        config = json.loads(text)
        jobs = config["cluster"]
        kind, index = config["task"]["type"], config["task"]["index"]
        addresses = [address for job in ("chief", "worker") for address in jobs.get(job, [])]
        number = int(index) + (len(jobs.get("chief", [])) if kind == "worker" else 0)
        sound = (
            set(jobs) <= {"chief", "worker"}
            and len(jobs.get("chief", [])) <= 1
            and kind in jobs
            and 0 <= int(index) < len(jobs[kind])
            and all(isinstance(one, str) and _is_address(one) for one in addresses)
            and len(set(addresses)) == len(addresses)
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        sound = False
    if not sound:
        shown = f"{text[:SHOWN]}..." if len(text) > SHOWN else text
        raise InputError(
            f"{CONFIG} is {shown!r}; it must name each worker once, and say which one this is, such as {EXAMPLE}"
        )
    return Cluster(tuple(addresses), number)


def _is_address(text: str) -> bool:
    found = re.fullmatch(r"\S+:(\d{1,5})", text)
    return found is not None and 0 < int(found[1]) < 65_536


def from_slurm(environment: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster of all tasks of the current Slurm step, as TensorFlow's resolver finds them.

    Raises:
        InputError: This process is not a task of a Slurm step.
    """
    try:
        tasks = int(environment["SLURM_STEP_NUM_TASKS"])
        # Jobs that share a node must not share ports. The resolver's GPUs are not used, because Slurm gives each task
        # its own; but without any the resolver fails, so it is given one per task.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=15_000 + int(environment["SLURM_JOB_ID"]) % 10_000,
            gpus_per_node=tasks,
            gpus_per_task=1,
            auto_set_gpu=False,
        )
        addresses = resolver.cluster_spec().as_dict()["worker"]
        number = int(environment["SLURM_PROCID"])
    except (KeyError, ValueError, RuntimeError) as wrong:
        raise InputError(
            f"--cluster slurm: this is not a task of a Slurm step ({reason_of(wrong)}); start it "
            "with srun, as train/slurm.sh does"
        ) from None
    # The resolver sorts node10 before node9; Slurm numbers its tasks the other way round.
    addresses = sorted(addresses, key=lambda address: [_number(part) for part in re.split(r"(\d+)", address)])
    node = environment.get("SLURMD_NODENAME")
    if node and addresses[number].rpartition(":")[0] != node:
        raise InputError(
            f"--cluster slurm: task {number} runs on {node}, not on {addresses[number]}; give srun --distribution=block"
        )
    return Cluster(tuple(addresses), number)


def _number(part: str) -> tuple[int, str]:
    return (int(part), "") if part.isdigit() else (0, part)


def joined(cluster: Cluster, say: Callable[[str], None] = print) -> tf.distribute.Strategy:
    """Wait for all processes of a cluster and return their common strategy.

    TensorFlow can do this only before it has done anything else.

    Args:
        cluster: The processes.
        say: Called with a line while this process waits for others.

    Raises:
        InputError: They do not meet, or cannot be joined.
    """
    meet(cluster.addresses, cluster.worker, say=say)
    task = {"type": "worker", "index": cluster.worker}
    # Only with this resolver does the strategy take all the GPUs that the process sees.
    os.environ[CONFIG] = json.dumps({"cluster": {"worker": list(cluster.addresses)}, "task": task})
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    with _signals_end_the_process():
        try:
            return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
        except (tf.errors.OpError, RuntimeError, ValueError) as wrong:
            raise InputError(
                f"worker {cluster.worker} of {', '.join(cluster.addresses)} cannot join the others "
                f"({reason_of(wrong)}); start all of them, at addresses that they can reach"
            ) from None


@contextmanager
def _signals_end_the_process() -> Iterator[None]:
    """Let signals end the process: Python's handlers do not run while TensorFlow joins, and nothing needs saving."""
    former = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
