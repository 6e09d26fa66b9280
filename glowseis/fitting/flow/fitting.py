"""The training loop: phases of epochs, measured, logged, checkpointed, and resumed to the bit."""

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from glowseis.errors import FittingError, InputError, StoppedError
from glowseis.fitting.checkpoints import Checkpoints
from glowseis.fitting.devices.devices import Devices
from glowseis.fitting.flow.execution import stored_bytes
from glowseis.fitting.flow.pictures import Pictures
from glowseis.fitting.flow.schedule import PlannedPhase, learning_rate, plan
from glowseis.fitting.flow.selection import Selection
from glowseis.fitting.flow.trainer import FlowTrainer
from glowseis.fitting.log import RunLog
from glowseis.fitting.stopping import STOPPED, Stopping
from glowseis.layers.types import Tensor
from glowseis.models.glow import Glow
from glowseis.models.grey_levels import from_levels
from glowseis.recipe import Recipe
from glowseis.survey.batches.images import batches, epoch_order, fixed_batches, images, training_batches
from glowseis.survey.store.survey import Survey

ROUND_TRIP_BOUND = 1e-3
"""Largest |decode(encode(x)) - x| of a usable flow, of full scale: half of what would change a grey level."""

ROUND_TRIP_GATHERS = 2

MUCH_BYTES = 2 << 30
"""Activations that take more than this are recomputed rather than stored, unless the recipe says otherwise."""


def make_flow(recipe: Recipe, size: tuple[int, int]) -> Glow:
    """The recipe's flow for pictures of a size, with weights drawn from the recipe's seed.

    Raises:
        ValueError: The size is not divisible by 2^levels.
    """
    keras.utils.set_random_seed(recipe.seed)
    flow = Glow(image_shape=(*size, 1), **recipe.flow.model_dump())
    flow.build()
    return flow


def recompute(recipe: Recipe, flow: Glow, batch: int) -> bool:
    """Whether the recipe's training, of so many gathers a device, recomputes activations instead of storing them."""
    wanted = recipe.training.reversible
    if wanted == "auto":
        too_much = stored_bytes(flow, batch) > MUCH_BYTES
        return recipe.training.conditioners == "float32" and too_much
    return wanted


class FlowFitting:
    """One run of a recipe on a survey, from its first or its last checkpoint to its end.

    On several devices a step's batch is shared by them; of several processes each has a FlowFitting, all decide alike,
    and the chief alone writes, reads checkpoints, and judges.

    Args:
        recipe: What to do.
        survey: The gathers.
        selection: Which of them are trained on and held out.
        folder: The run's folder, which gets `checkpoints/` and `logs/`.
        stopping: Asked between steps.
        identity: The run's, which its checkpoints name.
        devices: What trains; one device when None.
        callbacks: Keras callbacks, told in every process of training, epochs (numbered through the phases) and batches.
            An epoch's logs are the means of its steps and, when it was evaluated, `val_bits_per_dimension`. They watch:
            the recipe says how long a run is, so `stop_training` is not heeded.

    Attributes:
        batch: Gathers of a step, over all devices.
        restored: Whether an earlier process left a state, which is the present one then.
        first_step_at: When this process had done its first step, by `time.monotonic`; None before.

    Raises:
        InputError: A phase has fewer gathers than there are devices, or a checkpoint cannot be read.
    """

    def __init__(
        self,
        recipe: Recipe,
        survey: Survey,
        selection: Selection,
        folder: Path,
        stopping: Stopping,
        identity: str = "",
        *,
        devices: Devices | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ):
        self.recipe = recipe
        self.survey = survey
        self.selection = selection
        self.folder = folder
        self.stopping = stopping
        self.devices = devices or Devices()
        self.batch = self.devices.batch(recipe.training.batch)
        fewest = min(len(rows) for rows in selection.phases)
        if fewest < self.devices.replicas:
            # Said now, not when a phase begins after hours.
            raise InputError(
                f"{survey.path}: a phase's {fewest} gathers cannot be shared by {self.devices.replicas} devices; use "
                "fewer devices"
            )
        self.planned = plan(recipe.phases, [len(rows) for rows in selection.phases], self.batch)
        # A step's function is called many times: making one of its own for each call takes seconds and gains nothing.
        tf.config.optimizer.set_experimental_options({"function_optimization": False})
        with self.devices.strategy.scope():
            flow = make_flow(recipe, survey.size)
            recomputes = recompute(recipe, flow, self.batch // self.devices.replicas)
            self.trainer = FlowTrainer(flow, recomputes, recipe.training.conditioners)
            self.trainer.compile(optimizer=_optimizer(recipe, self.planned))
            self.trainer.optimizer.build(self.trainer.flow.trainable_variables)
        chief = self.devices.is_chief
        self.checkpoints = Checkpoints(
            folder / "checkpoints", self.trainer.flow, self.trainer.optimizer, identity, keeps=chief
        )
        self.restored = bool(self.devices.of_chief(self.checkpoints.restore))
        if self.restored:
            self.devices.follow_chief(self.checkpoints.state)
        self.callbacks = keras.callbacks.CallbackList(list(callbacks), model=self.trainer)
        self.first_step_at: float | None = None
        self._optimise = self.devices.on_each(self.trainer.optimise)
        self._bits = tf.function(self.trainer.call)
        self._round_trip = tf.function(self._there_and_back)
        judged = selection.held_out if len(selection.held_out) else selection.rare
        shown = images(survey, judged[:8])
        self._saved_at = 0.0
        self._judged = from_levels(shown[:ROUND_TRIP_GATHERS, ..., np.newaxis])
        self._pictures = Pictures(self.trainer, shown if len(shown) > 1 else images(survey, selection.rare[:3]))

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.planned[-1].end

    def run(self) -> Glow:
        """Train to the end; return the flow with the weights that the recipe keeps.

        Raises:
            StoppedError: A signal came; the state is saved.
            FittingError: The loss is not finite, the flow no longer inverts, or another process is gone.
            InputError: A record or a checkpoint cannot be read.
        """
        with self.devices.noticing_the_lost(lambda: f"the run goes on after step {self.checkpoints.step}"):
            if not self.restored:
                # Statistics of float32 pictures differ between kinds of processors; so one sets ActNorm for all.
                self.devices.on_chief(self._adapt)
                self.devices.follow_chief(self.checkpoints.state)
                self._save(0)
            self._saved_at = time.monotonic()
            silent = not self.devices.is_chief
            log = RunLog(self.folder / "logs", self.steps, self.checkpoints.step, silent=silent)
            self.callbacks.on_train_begin()
            try:
                for phase, rows in zip(self.planned, self.selection.phases, strict=True):
                    self._run_phase(phase, rows, log)
            finally:
                log.close()
            self.callbacks.on_train_end()
        if self.recipe.training.keep == "best" and self.devices.is_chief:
            self.checkpoints.restore_best()
        return self.trainer.flow

    def held_out_bits(self) -> float | None:
        """Mean bits per dimension of the held-out gathers with the present weights; None when there are none."""
        rows = self.selection.held_out
        if not len(rows):
            return None
        # Equal batches, so that one trace serves all.
        batch = max(size for size in range(1, self.recipe.training.batch + 1) if len(rows) % size == 0)
        dataset = fixed_batches(self.survey, rows, batch, self.recipe.seed)
        return float(np.mean([np.mean(self._bits(x)) for x in batches(self.survey, dataset)]))

    def round_trip_error(self) -> float:
        """Largest |decode(encode(x)) - x| over a few gathers, of full scale."""
        return float(np.max(np.abs(self._round_trip(self._judged) - self._judged)))

    def _there_and_back(self, x: Tensor) -> Tensor:
        with self.trainer.running():
            return self.trainer.flow.decode(self.trainer.flow.encode(x))

    def _adapt(self) -> None:
        rows = epoch_order(self.survey, self.selection.phases[0], self.recipe.seed, 0)
        rows = rows[: self.recipe.training.adapt_gathers]
        batch = min(self.recipe.training.batch, len(rows))
        dataset = fixed_batches(self.survey, rows[: len(rows) // batch * batch], batch, self.recipe.seed)
        with self.trainer.running():
            self.trainer.flow.adapt(batches(self.survey, dataset), progress=self.stopping.check)

    def _run_phase(self, phase: PlannedPhase, rows: np.ndarray, log: RunLog) -> None:
        for epoch in range(phase.phase.epochs):
            start = phase.start + epoch * phase.steps_per_epoch
            end = start + phase.steps_per_epoch
            if end > self.checkpoints.step:
                self._run_epoch(rows, start, end, log)

    def _run_epoch(self, rows: np.ndarray, start: int, end: int, log: RunLog) -> None:
        done = max(start, self.checkpoints.step)
        epoch = self._epochs_done(start)
        self.callbacks.on_epoch_begin(epoch)
        measured: list[tuple[float, float]] = []
        for step, x in enumerate(self._shares(rows, start, done - start), start=done + 1):
            self.callbacks.on_train_batch_begin(step - start - 1)
            rate = float(self.trainer.optimizer.learning_rate)
            bits, gradient_norm = (float(value) for value in self._optimise(x))
            self.first_step_at = self.first_step_at or time.monotonic()
            self._require_finite(step, {"the loss": bits, "its gradient's norm": gradient_norm})
            measured.append((bits, gradient_norm))
            scalars = {"bits_per_dimension/training": bits, "gradient_norm": gradient_norm, "learning_rate": rate}
            log.step(step, scalars, {"bits": f"{bits:.3f}"})
            self.callbacks.on_train_batch_end(
                step - start - 1, {"bits_per_dimension": bits, "gradient_norm": gradient_norm}
            )
            if step == end:
                held_out = self._evaluate(step, log)
                means = map(float, np.mean(measured, axis=0))
                logs = dict(zip(("bits_per_dimension", "gradient_norm"), means, strict=True)) | held_out
                self.callbacks.on_epoch_end(epoch, logs)
            due = time.monotonic() - self._saved_at > self.recipe.training.checkpoint_every_s
            # A signal to any process stops all of them after the same step; the chief's clock says when to save.
            stop, due = self.devices.total([self.stopping.requested, due and self.devices.is_chief]) > 0
            if due or step == self.steps or stop:
                self._save(step)
                if stop and step < self.steps:
                    raise StoppedError(STOPPED)

    def _shares(self, rows: np.ndarray, epoch: int, skip: int) -> Iterator[Any]:
        """Batches of an epoch, those of all of this process's devices together."""
        replicas = self.devices.replicas
        # The number of an epoch's first step names it: unique in a run, whatever its phases.
        datasets = [
            training_batches(
                self.survey,
                rows,
                self.batch // replicas,
                self.recipe.seed,
                epoch=epoch,
                worker=replica,
                workers=replicas,
                skip=skip,
                augment=self.recipe.data.augment,
            )
            for replica in self.devices.own_replicas
        ]
        return map(self.devices.shares, zip(*(batches(self.survey, one) for one in datasets), strict=True))

    def _save(self, step: int) -> None:
        # The loss of a step says nothing of the weights that the step leaves behind; only good ones are kept.
        self._require_invertible(step, self.devices.of_chief(self.round_trip_error))
        self.devices.on_chief(lambda: self.checkpoints.save(step))
        if not self.devices.is_chief:
            self.checkpoints.save(step)
        self._saved_at = time.monotonic()

    def _evaluate(self, step: int, log: RunLog) -> dict[str, float]:
        """Measure what is due at an epoch's end, keep the weights if they are the best; tell what callbacks want."""
        told: dict[str, float] = {}
        last = step == self.steps
        epochs = self._epochs_done(step)
        if last or epochs % self.recipe.training.evaluate_every_epochs == 0:
            error = self.devices.of_chief(self.round_trip_error)
            bits = self.devices.of_chief(self.held_out_bits) if len(self.selection.held_out) else None
            self._require_invertible(step, error)
            self._require_finite(step, {} if bits is None else {"the held-out loss": bits})
            best = bits is not None and self.checkpoints.offer(step, bits)
            if best:
                # So that what is said of the best weights is never older than the weights.
                self._save(step)
            scalars, shown = {"round_trip_error": error}, {}
            if bits is not None:
                scalars["bits_per_dimension/held_out"] = told["val_bits_per_dimension"] = bits
                shown["held_out"] = f"{bits:.3f}" + ("*" if best else "")
            log.evaluation(step, scalars, shown)
        pictures_due = last or epochs % self.recipe.training.pictures_every_epochs == 0
        if pictures_due and self.devices.is_chief:
            log.pictures(step, self._pictures.rows())
        return told

    def _epochs_done(self, step: int) -> int:
        return sum(min(max(step - one.start, 0), one.end - one.start) // one.steps_per_epoch for one in self.planned)

    def _require_finite(self, step: int, values: dict[str, float]) -> None:
        if all(math.isfinite(value) for value in values.values()):
            return
        found = " and ".join(f"{name} is {value:.4g}" for name, value in values.items())
        raise FittingError(
            f"step {step}: {found}; {self._last_good()}; lower the phase's learning_rate or set training.clip_norm, "
            "and give another --out"
        )

    def _require_invertible(self, step: int, error: float) -> None:
        if error <= ROUND_TRIP_BOUND:
            return
        # Before the first step there is only ActNorm to blame, which a set without variation blows up.
        cure = "lower the phase's learning_rate or flow.scale_cap" if step else "raise training.adapt_gathers"
        raise FittingError(
            f"step {step}: the flow does not invert: |decode(encode(x)) - x| reaches {error:.3g} of full scale, more "
            f"than {ROUND_TRIP_BOUND:g}; {self._last_good()}; {cure}, and give another --out"
        )

    def _last_good(self) -> str:
        if not self.checkpoints.saved:
            return "there is no checkpoint yet"
        return f"the last good checkpoint, after step {self.checkpoints.step}, is kept in {self.checkpoints.folder}"


def _optimizer(recipe: Recipe, planned: list[PlannedPhase]) -> keras.optimizers.Optimizer:
    """Adam with Keras' default moments (0.9, 0.999), or AdamW when the recipe has weight decay."""
    settings: dict[str, Any] = {"learning_rate": learning_rate(planned)}
    if recipe.training.clip_norm:
        settings["global_clipnorm"] = recipe.training.clip_norm
    if recipe.training.weight_decay:
        return keras.optimizers.AdamW(weight_decay=recipe.training.weight_decay, **settings)
    return keras.optimizers.Adam(**settings)
