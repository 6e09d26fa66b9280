"""Fitting the flow: phases of epochs with measurements; the result is the same bit for bit wherever it resumes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from glowseis.errors import FittingError, InputError
from glowseis.fitting.adam import FusedAdam
from glowseis.fitting.devices.devices import Devices
from glowseis.fitting.flow.execution import stored_bytes
from glowseis.fitting.flow.schedule import PlannedPhase, learning_rate, plan
from glowseis.fitting.flow.selection import Selection
from glowseis.fitting.flow.trainer import FlowTrainer
from glowseis.fitting.state import InMemory, State
from glowseis.layers.types import Tensor
from glowseis.models.flow_trainer import Activations
from glowseis.models.glow import Glow
from glowseis.models.grey_levels import from_levels
from glowseis.recipe import FlowSection, Phase, TrainingSection
from glowseis.survey.batches.images import batches, epoch_order, fixed_batches, images, training_batches
from glowseis.survey.store.survey import Survey

ROUND_TRIP_BOUND = 1e-3
"""Largest |decode(encode(x)) - x| of a usable flow, relative to full scale: half of what would change a grey level."""

ROUND_TRIP_GATHERS = 2

MUCH_BYTES = 2 << 30
"""Activations that would take more bytes than this are recomputed, unless the settings say otherwise."""


def make_flow(section: FlowSection, size: tuple[int, int], seed: int) -> Glow:
    """Make a flow for images of a size, with weights drawn from a seed.

    Raises:
        ValueError: The size is not divisible by 2^levels.
    """
    keras.utils.set_random_seed(seed)
    flow = Glow(image_shape=(*size, 1), **section.model_dump())
    flow.build()
    return flow


def activations_of(training: TrainingSection, flow: Glow, batch: int) -> Activations:
    """How training with this many gathers per device treats activations."""
    if training.activations == "auto":
        return "recomputed" if stored_bytes(flow, batch) > MUCH_BYTES else "stored"
    return training.activations


@dataclass(frozen=True)
class Epoch:
    """Measurements at the end of an epoch.

    Attributes:
        number: Epochs done, over all phases.
        step: Steps done.
        bits: Mean bits per dimension of the epoch's steps in this process.
        gradient_norm: Mean norm of their gradients.
        round_trip_error: Largest |decode(encode(x)) - x|, relative to full scale; None if not measured.
        held_out_bits: Mean bits per dimension of the held-out gathers; None if not measured, or if there are none.
    """

    number: int
    step: int
    bits: float
    gradient_norm: float
    round_trip_error: float | None = None
    held_out_bits: float | None = None


@dataclass(frozen=True)
class Fitted:
    """A fitted flow.

    Attributes:
        flow: The flow with the kept weights.
        step: The step of these weights.
        steps: Steps done in all.
    """

    flow: Glow
    step: int
    steps: int


class Watcher:
    """Hooks that a fitting calls while it runs; here they do nothing. A subclass logs, saves or stops."""

    def while_adapting(self) -> None:
        """Called before training, after the ActNorm of each flow step was set; it may raise an error to stop."""

    def after_step(self, step: int, bits: float, gradient_norm: float, learning_rate: float) -> None:
        """Called after every optimiser step, counted from 1."""

    def after_epoch(self, epoch: Epoch, best: bool) -> None:
        """Called at an epoch's end; `best` says whether its weights are the best so far."""

    def between_steps(self, step: int, last: bool) -> None:
        """Called last after every step; it may save the state, or raise an error to stop."""


class FlowFitting:
    """A fitting, from its first step, or from a restored state, to its end.

    Several devices share each step's batch. Each of several processes has its own FlowFitting; all make the same
    decisions, and only the chief evaluates and saves.

    Args:
        flow: The flow, made in the scope of the devices' strategy; trained in place.
        survey: The gathers.
        selection: Which of them are trained on and held out.
        phases: Classes, epochs and learning rates, one phase after another.
        training: Batch, clipping, when to evaluate and what to keep.
        seed: Seed of order, noise and augmentation.
        augment: Names of random changes of every training gather.
        devices: The devices that train; one device when None.
        started: Whether the flow has been trained before, so that its ActNorm is not set again.
        window: Samples and traces of the windows of gathers that are trained on; whole images when None.

    Attributes:
        batch: Gathers per step, over all devices.
        window: As above.

    Raises:
        InputError: A phase has fewer gathers than there are devices, or XLA cannot compile the step.
    """

    def __init__(
        self,
        flow: Glow,
        survey: Survey,
        selection: Selection,
        phases: Sequence[Phase],
        training: TrainingSection,
        seed: int,
        *,
        augment: Sequence[str] = (),
        devices: Devices | None = None,
        started: bool = False,
        window: tuple[int, int] | None = None,
    ):
        self._started, self.window = started, window
        self.flow, self.survey, self.selection, self.training = flow, survey, selection, training
        self.devices = devices or Devices()
        self.batch = self.devices.batch(training.batch)
        self._seed, self._augment = seed, augment
        if training.jit_compile:
            self.devices.require_xla()
        fewest = min(len(rows) for rows in selection.phases)
        if fewest < self.devices.replicas:
            # Raised now, not hours later when the phase begins.
            raise InputError(
                f"{survey.path}: a phase with {fewest} gathers cannot be shared by {self.devices.replicas} devices; "
                "use fewer devices"
            )
        self.planned = plan(phases, [len(rows) for rows in selection.phases], self.batch)
        # A step's function is called many times; specialising it for each call takes seconds and gains nothing.
        tf.config.optimizer.set_experimental_options({"function_optimization": False})
        with self.devices.strategy.scope():
            activations = activations_of(training, flow, self.batch // self.devices.replicas)
            self.trainer = FlowTrainer(flow, activations, training.conditioners)
            self.trainer.compile(_optimizer(training, self.planned), jit_compile=training.jit_compile)
        self._state: State = InMemory(flow)
        self._optimise = self.devices.on_each(self.trainer.optimise, jit_compile=training.jit_compile)
        self._bits = tf.function(self.trainer.call, autograph=False)
        self._round_trip = tf.function(self._there_and_back, autograph=False)
        self._judged = from_levels(self.images(self.judged_rows[:ROUND_TRIP_GATHERS])[..., np.newaxis])

    @property
    def steps(self) -> int:
        """Steps of the whole fitting."""
        return self.planned[-1].end

    @property
    def judged_rows(self) -> np.ndarray:
        """Rows of the gathers that judge the flow: those held out, or else those of the rare class."""
        return self.selection.held_out if len(self.selection.held_out) else self.selection.rare

    def images(self, rows: np.ndarray) -> np.ndarray:
        """What is evaluated of some gathers, their images or one window of each: uint8 `[gather, time, trace]`."""
        return images(self.survey, rows, self._seed, self.window)

    def run(
        self,
        state: State | None = None,
        watcher: Watcher | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> Fitted:
        """Train to the end; the flow then has the kept weights.

        Args:
            state: The state to start from and to save to; in memory, from the first step, when None.
            watcher: Called after every step and epoch.
            callbacks: Keras callbacks, called in every process for training, epochs (numbered over all phases) and
                batches. An epoch's logs are the means of its steps and, when it was evaluated,
                `val_bits_per_dimension`. They only watch: the phases decide how long a fitting is, so `stop_training`
                is ignored.

        Raises:
            FittingError: The loss is not finite, the flow no longer inverts, or another process is gone.
            InputError: A record cannot be read.
        """
        self._state, watcher = state or self._state, watcher or Watcher()
        told = keras.callbacks.CallbackList(list(callbacks), model=self.trainer)
        with self.devices.noticing_the_lost(lambda: f"the run resumes after step {self._state.step}"):
            if not self._state.step:
                # Statistics of float32 images differ between kinds of processors, so the chief sets ActNorm for all.
                if not self._started:
                    self.devices.on_chief(lambda: self._adapt(watcher))
                self.devices.follow_chief([weight.value for weight in self.flow.weights])
                self.keep(0)
            told.on_train_begin()
            self._train(watcher, told)
            told.on_train_end()
        best_kept = self.training.keep == "best"
        if best_kept and self.devices.is_chief:
            self._state.restore_best()
        return Fitted(self.flow, self._state.best_step if best_kept else self.steps, self.steps)

    def keep(self, step: int) -> None:
        """Save the current state, in all processes, as that after `step` steps, if the flow inverts.

        Raises:
            FittingError: It does not, or the chief cannot save it.
        """
        # The loss of a step says nothing about the weights after it; only good ones are saved.
        self._require_invertible(step, self.devices.of_chief(self.round_trip_error))
        self.devices.on_chief(lambda: self._state.save(step))
        if not self.devices.is_chief:
            self._state.save(step)

    def held_out_bits(self) -> float | None:
        """Mean bits per dimension of the held-out gathers with the current weights; None if there are none."""
        rows = self.selection.held_out
        if not len(rows):
            return None
        # Equal batches, so that one trace serves all.
        batch = max(size for size in range(1, self.training.batch + 1) if len(rows) % size == 0)
        dataset = fixed_batches(self.survey, rows, batch, self._seed, self.window)
        return float(np.mean([np.mean(self._bits(x)) for x in batches(self.survey, dataset)]))

    def round_trip_error(self) -> float:
        """Largest |decode(encode(x)) - x| over a few gathers, relative to full scale."""
        return float(np.max(np.abs(self._round_trip(self._judged) - self._judged)))

    def _there_and_back(self, x: Tensor) -> Tensor:
        with self.trainer.running():
            return self.flow.decode(self.flow.encode(x))

    def _adapt(self, watcher: Watcher) -> None:
        rows = epoch_order(self.survey, self.selection.phases[0], self._seed, 0)[: self.training.adapt_gathers]
        batch = min(self.training.batch, len(rows))
        dataset = fixed_batches(self.survey, rows[: len(rows) // batch * batch], batch, self._seed, self.window)
        with self.trainer.running():
            self.flow.adapt(batches(self.survey, dataset), progress=watcher.while_adapting)

    def _train(self, watcher: Watcher, told: keras.callbacks.CallbackList) -> None:
        done = self._state.step
        measured: list[tuple[float, float]] = []
        for start, end, x in self._left(done):
            number = self._epochs_done(start)
            if not measured:
                told.on_epoch_begin(number)
            told.on_train_batch_begin(done - start)
            rate = float(self.trainer.optimizer.learning_rate)
            bits, gradient_norm = (float(value) for value in self._optimise(x))
            done += 1
            self._require_finite(done, {"the loss": bits, "its gradient's norm": gradient_norm})
            measured.append((bits, gradient_norm))
            watcher.after_step(done, bits, gradient_norm, rate)
            logs = {"bits_per_dimension": bits, "gradient_norm": gradient_norm}
            told.on_train_batch_end(done - start - 1, logs)
            if done == end:
                epoch = self._measured(number + 1, done, measured)
                best = epoch.held_out_bits is not None and self._state.offer(done, epoch.held_out_bits)
                watcher.after_epoch(epoch, best)
                told.on_epoch_end(number, _logs(epoch))
                measured = []
            last = done == self.steps
            if last:
                self.keep(done)
            watcher.between_steps(done, last)

    def _left(self, done: int) -> Iterator[tuple[int, int, Any]]:
        """The steps left after `done` steps: each one's batch, with the first and the last step of its epoch."""
        for phase, rows in zip(self.planned, self.selection.phases, strict=True):
            for epoch in range(phase.phase.epochs):
                start = phase.start + epoch * phase.steps_per_epoch
                end = start + phase.steps_per_epoch
                if end > done:
                    for x in self._shares(rows, start, max(done - start, 0)):
                        yield start, end, x

    def _shares(self, rows: np.ndarray, epoch: int, skip: int) -> Iterator[Any]:
        """Batches of an epoch for all of this process's devices together."""
        replicas = self.devices.replicas
        # An epoch is identified by the number of its first step, which is unique in a fitting whatever its phases.
        datasets = [
            training_batches(
                self.survey,
                rows,
                self.batch // replicas,
                self._seed,
                epoch=epoch,
                worker=replica,
                workers=replicas,
                skip=skip,
                augment=self._augment,
                window=self.window,
            )
            for replica in self.devices.own_replicas
        ]
        return map(self.devices.shares, zip(*(batches(self.survey, one) for one in datasets), strict=True))

    def _measured(self, number: int, step: int, measured: list[tuple[float, float]]) -> Epoch:
        bits, gradient_norm = map(float, np.mean(measured, axis=0))
        epoch = Epoch(number, step, bits, gradient_norm)
        if step < self.steps and number % self.training.evaluate_every_epochs:
            return epoch
        error = self.devices.of_chief(self.round_trip_error)
        held_out = self.devices.of_chief(self.held_out_bits) if len(self.selection.held_out) else None
        self._require_invertible(step, error)
        self._require_finite(step, {} if held_out is None else {"the held-out loss": held_out})
        return replace(epoch, round_trip_error=error, held_out_bits=held_out)

    def _epochs_done(self, step: int) -> int:
        return sum(min(max(step - one.start, 0), one.end - one.start) // one.steps_per_epoch for one in self.planned)

    def _require_finite(self, step: int, values: dict[str, float]) -> None:
        if all(math.isfinite(value) for value in values.values()):
            return
        found = " and ".join(f"{name} is {value:.4g}" for name, value in values.items())
        raise FittingError(
            f"step {step}: {found}; {self._state.last_good}; lower the phase's learning_rate or set "
            "training.clip_norm, and give another --out"
        )

    def _require_invertible(self, step: int, error: float) -> None:
        if error <= ROUND_TRIP_BOUND:
            return
        # Before the first step only ActNorm can be the cause: gathers without variation blow it up.
        cure = "lower the phase's learning_rate or flow.scale_cap" if step else "raise training.adapt_gathers"
        raise FittingError(
            f"step {step}: the flow does not invert: |decode(encode(x)) - x| reaches {error:.3g} of full scale, more "
            f"than {ROUND_TRIP_BOUND:g}; {self._state.last_good}; {cure}, and give another --out"
        )


def _logs(epoch: Epoch) -> dict[str, float]:
    """What Keras callbacks receive at an epoch's end."""
    logs = {"bits_per_dimension": epoch.bits, "gradient_norm": epoch.gradient_norm}
    return logs if epoch.held_out_bits is None else {**logs, "val_bits_per_dimension": epoch.held_out_bits}


def _optimizer(training: TrainingSection, planned: list[PlannedPhase]) -> keras.optimizers.Optimizer:
    """Adam with Keras' default moments (0.9, 0.999), or AdamW with weight decay."""
    settings: dict[str, Any] = {"learning_rate": learning_rate(planned)}
    if training.clip_norm:
        settings["global_clipnorm"] = training.clip_norm
    if training.weight_decay:
        settings["weight_decay"] = training.weight_decay
    return FusedAdam(**settings)
