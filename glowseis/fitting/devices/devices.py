"""The devices that train together: one, several in one machine, or several machines."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from glowseis.errors import FittingError, InputError, StoppedError
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
"""What TensorFlow raises on the other processes when one of a cluster is gone; it depends on the moment."""


def deterministic_kernels() -> None:
    """Use deterministic kernels: a GPU's fastest ones sum in any order, so a resumed run would end differently."""
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


@dataclass(frozen=True)
class Devices:
    """The devices of a run, and the communication between its processes; without arguments, one device.

    A worker is a process, a replica a device with its copy of the weights. Only the chief, worker 0, writes.

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
        """Gathers per step over all devices: as many as given, or a few more, so that all get equally many."""
        return -(-gathers // self.replicas) * self.replicas

    def on_each(self, function: Callable[[Any], Any], *, jit_compile: bool = False) -> Callable[[Any], Any]:
        """A TensorFlow function that runs on every device with its share (`shares`).

        Args:
            function: The function to run; its results must be the same on all devices, like those of an all-reduce.
            jit_compile: Whether XLA compiles it, on one device (`require_xla`).

        Returns:
            A function that takes the shares of all devices.
        """
        if self.replicas == 1:
            return tf.function(function, autograph=False, jit_compile=jit_compile or None)

        def run(share: Any) -> Any:
            results = self.strategy.run(function, args=(share,))
            return tf.nest.map_structure(lambda one: self.strategy.experimental_local_results(one)[0], results)

        return tf.function(run, autograph=False)

    def require_xla(self) -> None:
        """Make sure that XLA can compile a training step.

        Raises:
            InputError: There are several devices, or XLA cannot compile here.
        """
        try:
            if self.replicas > 1:
                raise InputError(f"XLA compiles for one device only, and there are {self.replicas}")
            # A GPU's XLA needs files of CUDA for functions such as this one.
            tf.function(tf.exp, autograph=False, jit_compile=True)(tf.zeros(()))
        except (InputError, tf.errors.OpError, ValueError) as wrong:
            why = str(wrong).strip().splitlines()[0]
            raise InputError(f"training.jit_compile = true: {why}; set it to false, or leave it out") from None

    def shares(self, values: Sequence[Any]) -> Any:
        """The argument of a function from `on_each`.

        Args:
            values: One value for each of this process's devices, in order.
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
        # In a process with several devices, the first contributes for all.
        silent = [np.zeros_like(own)] * (len(self.own_replicas) - 1)
        return self._sum(self.shares([tf.constant(value) for value in (own, *silent)])).numpy()

    @cached_property
    def _sum(self) -> Callable[[Any], tf.Tensor]:
        def add(value: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # An argument has no device yet, and the reduction needs one.
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))

        return self.on_each(add)

    def on_chief(self, work: Callable[[], Result]) -> Result | None:
        """Run work on the chief alone while the others wait; returns None on the others.

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
            raise StoppedError(STOPPED) if verdict == 2 else FittingError("worker 0 cannot go on; see its output")
        return result

    def of_chief(self, measure: Callable[[], float | None]) -> float:
        """The chief's measurement, returned on all processes; raises like `on_chief`."""
        value = self.on_chief(measure)
        return float(self.total([0.0 if value is None else value])[0])

    def follow_chief(self, variables: Sequence[tf.Variable]) -> None:
        """Set variables to the chief's values; float64 holds values of all narrower types, and counters, exactly."""
        if self.workers == 1:
            return
        values = [variable.numpy() for variable in variables]
        own = np.concatenate([np.ravel(value).astype(np.float64) for value in values])
        told = np.split(self.total(own if self.is_chief else np.zeros_like(own)), np.cumsum([v.size for v in values]))
        for variable, value, flat in zip(variables, values, told[:-1], strict=True):
            variable.assign(flat.reshape(value.shape).astype(value.dtype))

    @contextmanager
    def noticing_the_lost(self, state: Callable[[], str] = lambda: "the run resumes where it was") -> Iterator[None]:
        """A context in which the loss of another process ends this one with a one-line error.

        Args:
            state: Says where the run will resume.

        Raises:
            FittingError: Another process is gone.
        """
        try:
            yield
        except LOST as wrong:
            if self.workers == 1:
                raise
            raise FittingError(
                f"a worker of this run is gone (noticed by worker {self.worker} of {self.workers}: "
                f"{_reason(wrong)}); start all workers again; {state()}"
            ) from None


def _reason(wrong: tf.errors.OpError) -> str:
    """TensorFlow's message, without the place in its graph."""
    lines = [line.strip() for line in wrong.message.splitlines()]
    passed = ("Graph execution error", "Detected at", "File ", "[[", "Traceback", "Additional GRPC")
    return next((line[:160] for line in lines if line and not line.startswith(passed)), type(wrong).__name__)


def devices_of(cluster: Cluster | None = None) -> Devices:
    """The devices to use: those of all processes of a cluster, else all GPUs of this machine, else one device.

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
    """Means of values over all devices, in the function that runs on each; for one device, the values themselves.

    Args:
        values: Tensors, such as gradients of a loss that is the mean over a device's share.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return list(values)
    # The result of a called step has no device, and the reduction needs one.
    return list(context.all_reduce(tf.distribute.ReduceOp.MEAN, [tf.identity(one) for one in values]))


def for_the_optimizer(gradients: Sequence[tf.Tensor], optimizer: Any) -> list[tf.Tensor]:
    """Gradients to pass to a Keras optimiser on each device so that it applies ones that are already reduced.

    The optimiser clips its gradients and then sums them over the devices. So the whole gradient is clipped here, and
    each device passes an equal part of it, which the optimiser's own clipping does not change.

    Args:
        gradients: Those of the whole batch, the same on all devices.
        optimizer: The Keras optimiser.

    Raises:
        ValueError: It clips each gradient separately, which would apply to the parts.
    """
    replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    if replicas == 1:
        return list(gradients)
    if optimizer.clipnorm or optimizer.clipvalue:
        raise ValueError(
            "An optimiser on several devices can clip only by global_clipnorm; leave out clipnorm and clipvalue."
        )
    if optimizer.global_clipnorm:
        gradients, _ = tf.clip_by_global_norm(gradients, optimizer.global_clipnorm)
    return [gradient / replicas for gradient in gradients]
