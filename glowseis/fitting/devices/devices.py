"""The devices that train together: one, several of a machine, or several machines."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from glowseis.errors import FittingError, StoppedError
from glowseis.fitting.devices.cluster import Cluster, joined
from glowseis.fitting.stopping import STOPPED

Result = TypeVar("Result")

LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)
"""What TensorFlow raises, by the moment, on those that are left when a process of a cluster is gone."""


def deterministic_kernels() -> None:
    """Ask for kernels that repeat: a GPU's fastest ones add up in any order; a resumed run would end elsewhere."""
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


@dataclass(frozen=True)
class Devices:
    """The devices of a run, and what its processes tell each other; without arguments, one device.

    A worker is a process, a replica a device with its copy of the weights. The chief, worker 0, alone writes.

    Args:
        strategy: TensorFlow's, in whose scope weights and optimiser are made.
        workers: Number of processes that train together.
        worker: Number of this one, from 0.
        description: The devices in words.
    """

    strategy: tf.distribute.Strategy = field(default_factory=tf.distribute.get_strategy)
    workers: int = 1
    worker: int = 0
    description: str = "one device"

    @property
    def replicas(self) -> int:
        """Number of devices, of all processes together."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def own_replicas(self) -> range:
        """Numbers of this process's devices among all."""
        count = self.replicas // self.workers
        return range(self.worker * count, (self.worker + 1) * count)

    @property
    def is_chief(self) -> bool:
        """Whether this is the process that writes."""
        return self.worker == 0

    def batch(self, gathers: int) -> int:
        """Gathers of a step over all devices: as many as wanted, or a few more, so that all get equally many."""
        return -(-gathers // self.replicas) * self.replicas

    def on_each(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """A TensorFlow function that runs on every device with its share (`shares`).

        Args:
            function: What runs there; its results must be the same on all, as those of an all-reduce are.

        Returns:
            A function of the same meaning.
        """
        if self.replicas == 1:
            return tf.function(function)

        def run(share: Any) -> Any:
            results = self.strategy.run(function, args=(share,))
            return tf.nest.map_structure(lambda one: self.strategy.experimental_local_results(one)[0], results)

        return tf.function(run)

    def shares(self, values: Sequence[Any]) -> Any:
        """What a function of `on_each` takes.

        Args:
            values: One for each of this process's devices, in order.
        """
        if self.replicas == 1:
            return values[0]
        first = self.own_replicas.start
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: values[context.replica_id_in_sync_group - first]
        )

    def total(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """The sum of each value over all processes, float64 `[value]`; every process waits here for all others."""
        own = np.asarray(values, np.float64)
        if self.workers == 1:
            return own
        # Of a process with several devices the first speaks for all.
        silent = [np.zeros_like(own)] * (len(self.own_replicas) - 1)
        return self._sum(self.shares([tf.constant(value) for value in (own, *silent)])).numpy()

    @cached_property
    def _sum(self) -> Callable[[Any], tf.Tensor]:
        def add(value: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # An argument has no device yet, which the reduction asks for.
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))

        return self.on_each(add)

    def on_chief(self, work: Callable[[], Result]) -> Result | None:
        """Do on the chief what only one may do, while the others wait; None on those.

        Raises:
            Exception: On the chief, what the work raised.
            StoppedError: On the others, when the chief was stopped.
            FittingError: On the others, when the chief's work failed.
        """
        result, wrong = None, None
        if self.is_chief:
            try:
                result = work()
            except Exception as error:
                if self.workers == 1 or isinstance(error, LOST):
                    raise
                wrong = error
        (verdict,) = self.total([0 if wrong is None else 2 if isinstance(wrong, StoppedError) else 1])
        if wrong is not None:
            raise wrong
        if verdict:
            raise StoppedError(STOPPED) if verdict == 2 else FittingError("worker 0 cannot go on; it says why")
        return result

    def of_chief(self, measure: Callable[[], float | None]) -> float:
        """What the chief measures, on all; raises as `on_chief`."""
        value = self.on_chief(measure)
        return float(self.total([0.0 if value is None else value])[0])

    def follow_chief(self, variables: Sequence[tf.Variable]) -> None:
        """Give variables the chief's values; float64 holds those of all narrower types, and counters, exactly."""
        if self.workers == 1:
            return
        values = [variable.numpy() for variable in variables]
        own = np.concatenate([np.ravel(value).astype(np.float64) for value in values])
        told = np.split(self.total(own if self.is_chief else np.zeros_like(own)), np.cumsum([v.size for v in values]))
        for variable, value, flat in zip(variables, values, told[:-1], strict=True):
            variable.assign(flat.reshape(value.shape).astype(value.dtype))

    @contextmanager
    def noticing_the_lost(self, state: Callable[[], str] = lambda: "the run goes on where it was") -> Iterator[None]:
        """A context in which the loss of another process ends this one with a line.

        Args:
            state: Says from where the run will go on.

        Raises:
            FittingError: Another process is gone.
        """
        try:
            yield
        except LOST as wrong:
            if self.workers == 1:
                raise
            raise FittingError(
                f"a worker of this run is gone (worker {self.worker} of {self.workers} noticed: "
                f"{_reason(wrong)}); start all of them again, {state()}"
            ) from None


def _reason(wrong: tf.errors.OpError) -> str:
    """What TensorFlow says, without the place in its graph."""
    lines = [line.strip() for line in wrong.message.splitlines()]
    passed = ("Graph execution error", "Detected at", "File ", "[[", "Traceback", "Additional GRPC")
    return next((line[:160] for line in lines if line and not line.startswith(passed)), type(wrong).__name__)


def devices_of(cluster: Cluster | None = None) -> Devices:
    """The devices that a process is to use: those of all processes of a cluster, else all GPUs here, else one.

    Args:
        cluster: The processes; it must be joined before TensorFlow does anything else.

    Raises:
        InputError: The cluster cannot be joined.
    """
    if cluster is not None and cluster.workers > 1:
        strategy = joined(cluster)
        count = int(strategy.num_replicas_in_sync)
        words = f"{cluster.workers} workers with {count} devices"
        return Devices(strategy, cluster.workers, cluster.worker, words)
    gpus = tf.config.list_logical_devices("GPU")
    if len(gpus) > 1:
        return Devices(tf.distribute.MirroredStrategy(gpus), description=f"{len(gpus)} devices of this machine")
    return Devices()


def mean_over_replicas(values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Means over all devices of what each has, in the function that runs on each; of one device the values themselves.

    Args:
        values: Tensors, such as gradients of a loss that is the mean over a device's share.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return list(values)
    # What comes out of a called step has no device, which the reduction asks for.
    return list(context.all_reduce(tf.distribute.ReduceOp.MEAN, [tf.identity(one) for one in values]))


def for_the_optimizer(gradients: Sequence[tf.Tensor], optimizer: Any) -> list[tf.Tensor]:
    """What a Keras optimiser must be given on each device, that it apply gradients which are reduced already.

    It clips what it is given and then adds it up over the devices. So the whole gradient is clipped here, and each
    device gives an equal part of it, of which the optimiser's own clipping leaves everything.

    Args:
        gradients: Those of the whole batch, the same on all devices.
        optimizer: The Keras optimiser.

    Raises:
        ValueError: It clips each gradient apart, which would be done to the parts.
    """
    replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    if replicas == 1:
        return list(gradients)
    if optimizer.clipnorm or optimizer.clipvalue:
        raise ValueError(
            "An optimiser on several devices clips by global_clipnorm alone; leave out clipnorm, clipvalue."
        )
    if optimizer.global_clipnorm:
        gradients, _ = tf.clip_by_global_norm(gradients, optimizer.global_clipnorm)
    return [gradient / replicas for gradient in gradients]
