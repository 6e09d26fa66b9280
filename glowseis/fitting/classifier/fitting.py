"""Fitting the classifier: epochs of steps, validation, early stopping; with or without a run's folder."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from glowseis.errors import FittingError, InputError
from glowseis.fitting.classifier.balance import balanced
from glowseis.fitting.classifier.trainer import ClassifierTrainer, Predictor, make_classifier, predict
from glowseis.fitting.state import InMemory, State
from glowseis.models.miniception import Miniception
from glowseis.recipe import ClassifierData, ClassifierTraining, StartedTraining
from glowseis.scoring import Scores, scores
from glowseis.survey.batches.images import batches
from glowseis.survey.batches.labelled import (
    LabelledGathers,
    from_memory,
    in_windows,
    side_by_side,
    steps_per_pass,
    training_steps,
)
from glowseis.survey.size import parse_size

JUDGED_WINDOWS = 4
"""Most windows of a validation gather that judge the weights after each epoch."""

__all__ = ["ClassifierFitting", "Epoch", "Fitted", "fit_classifier", "make_classifier", "predict"]


@dataclass(frozen=True)
class Epoch:
    """Measurements at the end of an epoch.

    Attributes:
        step: Steps done.
        loss: Mean training loss of the epoch's steps in this process.
        accuracy: Mean share of their batches that was graded correctly.
        validation_loss: Mean cross-entropy of the validation gathers, unweighted; None if there are none.
        validation: Their scores; None if there are none.
    """

    step: int
    loss: float
    accuracy: float
    validation_loss: float | None = None
    validation: Scores | None = None


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier.

    Attributes:
        model: The classifier with the kept weights.
        step: The step of these weights.
        steps: Steps done in all.
        epochs: Measurements at the end of each epoch of this process.
    """

    model: Miniception
    step: int
    steps: int
    epochs: list[Epoch]


class Watcher:
    """Hooks that a fitting calls while it runs; here they do nothing. A subclass logs, saves or stops."""

    def after_step(self, step: int, loss: float, accuracy: float, learning_rate: float) -> None:
        """Called after every optimiser step, counted from 1."""

    def after_epoch(self, epoch: Epoch, best: bool) -> None:
        """Called after an epoch was measured; `best` says whether its weights are the best so far."""

    def between_steps(self, step: int, last: bool) -> None:
        """Called last after every step; it may save the state, or raise an error to stop."""


class ClassifierFitting:
    """A fitting, from its first step, or from a restored state, to its end.

    An epoch is a pass over the gathers, or `training.steps_per_epoch` steps; the order of every pass, its windows and
    its augmentations are functions of the seed and the gather ids, so the same seed gives the same weights on the same
    kind of processor. If trained on windows, a gather is graded by the mean log-probability of a few of its windows.

    Args:
        model: The classifier, built; trained in place.
        gathers: What to train on, with the class of each.
        training: Epochs, batch, learning rate and what to keep.
        seed: Seed of the order, of windows and of augmentations.
        data: Which augmentations and windows; its other settings are not used here.
        validation: Gathers that judge the weights after each epoch.
        labels: Names of the classes, in order of severity; numbers when None.
        logit_adjustment: Whether the loss is adjusted for the classes' frequencies (see `ClassifierTrainer`).
        last_quarter: What the last quarter of the steps trains on; `gathers` when None. Class weights and frequencies
            are those of `gathers`.
        rehearsal: Other gathers, which are `training.rehearsal` of each batch, with class weights of their own.

    Where `training` starts from a saved classifier (`StartedTraining`), which `model` then is, a class without training
    gathers has no part in the loss: what the last layer knows of it stays.

    Attributes:
        head_epochs: Epochs of the last layer alone.
        fractions: Share of each class in the training, float64 `[class]`: its gathers' weights times its weight in the
            loss. A class that is left out of the loss counts as an average one.

    Raises:
        InputError: There are fewer than two classes, a class is beyond the model's, or the best weights are to be kept
            without validation gathers; or gathers to rehearse have another size and are not cut into windows.
    """

    def __init__(
        self,
        model: Miniception,
        gathers: LabelledGathers,
        training: ClassifierTraining,
        seed: int,
        *,
        data: ClassifierData | None = None,
        validation: LabelledGathers | None = None,
        labels: Sequence[str] | None = None,
        logit_adjustment: bool = False,
        last_quarter: LabelledGathers | None = None,
        rehearsal: LabelledGathers | None = None,
    ):
        started = training if isinstance(training, StartedTraining) and training.start_from else None
        self.labels = tuple(labels or map(str, range(model.classes)))
        classes = balanced(gathers, rehearsal, model.classes, training, logit_adjustment)
        if (training.keep == "best" or training.patience) and not (validation and len(validation)):
            raise InputError(
                'training.keep = "best" and training.patience need validation gathers; set data.validation above 0, or '
                'training.keep = "last" and training.patience = 0'
            )
        self.data = data or ClassifierData()
        self.window = parse_size(self.data.window) if self.data.window else None
        if rehearsal is not None and self.window is None and rehearsal.size != gathers.size:
            one, other = ("x".join(map(str, each.size)) for each in (rehearsal, gathers))
            raise InputError(f"{rehearsal.path}: its gathers are {one}, but those to train on {other}; set data.window")
        self.model, self.training, self.seed = model, training, seed
        self.gathers, self.rehearsal, self.fractions = classes.gathers, classes.rehearsal, classes.fractions
        self.last_quarter = last_quarter
        self.validation = validation if validation and len(validation) else None
        self.head_epochs = started.head_epochs if started else 0
        self._batch = training.batch - (started.rehearsed if started and rehearsal is not None else 0)
        self.steps_per_epoch = training.steps_per_epoch or steps_per_pass(gathers, self._batch)
        self.trainer = ClassifierTrainer(
            model,
            training.learning_rate,
            training.decay_per_epoch,
            self.steps_per_epoch,
            classes.class_weights,
            training.at_once,
            classes.logit_shift,
            self.head_epochs * self.steps_per_epoch,
            started.head_learning_rate if started else training.learning_rate,
        )
        self._predictor = Predictor(model)

    @property
    def steps(self) -> int:
        """Steps of the whole fitting, unless it stops early."""
        return self.training.epochs * self.steps_per_epoch

    def run(
        self,
        state: State | None = None,
        watcher: Watcher | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> Fitted:
        """Train to the end; the model then has the kept weights.

        Args:
            state: The state to start from and to save to; in memory, from the first step, when None.
            watcher: Called after every step and epoch.
            callbacks: Keras callbacks, called for training, epochs and batches; their model is the classifier with its
                optimiser. An epoch's logs are the means of its steps and, if there are validation gathers, `val_loss`,
                `val_accuracy` and `val_f1_LABEL`. They only watch: `stop_training` is ignored.

        Raises:
            FittingError: The loss or a weight is not finite.
            InputError: A record cannot be read.
        """
        state, watcher = state or InMemory(self.model), watcher or Watcher()
        epochs: list[Epoch] = []
        losses: list[float] = []
        accuracies: list[float] = []
        done = state.step
        told = self._told(callbacks)
        told.on_train_begin()
        for batch in self._batches(done) if not self._over(done, state) else ():
            number, place = divmod(done, self.steps_per_epoch)
            if not losses:
                told.on_epoch_begin(number)
            told.on_train_batch_begin(place)
            rate = float(self.trainer.optimizer.learning_rate)
            loss, accuracy = (float(value) for value in self.trainer.optimise(*batch))
            done += 1
            self._require_finite(done, loss)
            losses.append(loss)
            accuracies.append(accuracy)
            watcher.after_step(done, loss, accuracy, rate)
            told.on_train_batch_end(place, {"loss": loss, "accuracy": accuracy})
            if done % self.steps_per_epoch == 0:
                epochs.append(self._measured(done, float(np.mean(losses)), float(np.mean(accuracies))))
                losses, accuracies = [], []
                loss_there = epochs[-1].validation_loss
                best = loss_there is not None and state.offer(done, loss_there)
                watcher.after_epoch(epochs[-1], best)
                told.on_epoch_end(number, _logs(epochs[-1]))
            over = self._over(done, state)
            if over:
                self.require_finite_weights(done)
                state.save(done)
            watcher.between_steps(done, over)
            if over:
                break
        told.on_train_end()
        best_kept = self.training.keep == "best"
        if best_kept:
            state.restore_best()
        return Fitted(self.model, state.best_step if best_kept else done, done, epochs)

    def _told(self, callbacks: Sequence[keras.callbacks.Callback]) -> keras.callbacks.CallbackList:
        if not callbacks:
            return keras.callbacks.CallbackList()
        # Compiled itself, the classifier would be saved with its optimiser.
        model = keras.Sequential([self.model])
        model.build((None, None, None, 1))
        model.compile(self.trainer.optimizer)
        return keras.callbacks.CallbackList(list(callbacks), model=model)

    def probabilities(self, gathers: LabelledGathers) -> np.ndarray:
        """Probabilities of the classes with the current weights, float32 `[gather, class]`.

        If trained on windows, the geometric mean over a few windows of each gather, normalised to 1.
        """
        return np.exp(self._log_probabilities(gathers))

    def require_finite_weights(self, step: int) -> None:
        """Make sure that the current weights are finite: a step's loss says nothing about the weights after it.

        Args:
            step: Steps done, for the error.

        Raises:
            FittingError: One is not finite.
        """
        if not all(np.isfinite(weight).all() for weight in self.model.get_weights()):
            raise FittingError(
                f"step {step}: a weight of the classifier is not finite; lower training.learning_rate and train again"
            )

    def _log_probabilities(self, gathers: LabelledGathers) -> np.ndarray:
        batch = self.training.at_once or self.training.batch
        if self.window is None or not len(gathers):
            return self._predictor.log_probabilities(gathers, batch)
        windows, owner = in_windows(gathers, self.window, JUDGED_WINDOWS)
        each = self._predictor.log_probabilities(windows, batch)
        counts = np.bincount(owner, minlength=len(gathers))
        mean = np.add.reduceat(each, np.cumsum(counts) - counts) / counts[:, np.newaxis].astype(np.float32)
        return mean - np.logaddexp.reduce(mean, axis=1, keepdims=True)

    def _batches(self, done: int) -> Iterator[Any]:
        """The batches of the steps after `done` steps."""
        start = self.steps if self.last_quarter is None else self.steps - self.steps // 4
        for gathers, first, end in ((self.gathers, 0, start), (self.last_quarter, start, self.steps)):
            if gathers is not None and done < end:
                parts = [(gathers, self._batch)]
                if self.rehearsal is not None:
                    parts.append((self.rehearsal, self.training.batch - self._batch))
                datasets = [
                    training_steps(
                        each,
                        batch,
                        self.seed,
                        end,
                        first=max(first, done),
                        augment=self.data.augment,
                        window=self.window,
                    )
                    for each, batch in parts
                ]
                yield from batches(gathers, side_by_side(datasets))

    def _over(self, step: int, state: State) -> bool:
        if step >= self.steps:
            return True
        waited = (step - state.best_step) // self.steps_per_epoch
        at_end_of_epoch = step > 0 and step % self.steps_per_epoch == 0
        return bool(self.training.patience) and at_end_of_epoch and waited >= self.training.patience

    def _measured(self, step: int, loss: float, accuracy: float) -> Epoch:
        if self.validation is None:
            return Epoch(step, loss, accuracy)
        found = self._log_probabilities(self.validation)
        truth = self.validation.classes
        validation_loss = -float(np.mean(found[np.arange(len(truth)), truth], dtype=np.float64))
        self._require_finite(step, validation_loss)
        judged = scores(truth, found.argmax(axis=1), self.labels, probabilities=np.exp(found))
        return Epoch(step, loss, accuracy, validation_loss, judged)

    def _require_finite(self, step: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise FittingError(
                f"step {step}: the classifier's loss is {loss:.4g}; lower training.learning_rate and train again"
            )


def fit_classifier(
    model: Miniception,
    gathers: LabelledGathers | tuple[np.ndarray, np.ndarray],
    training: ClassifierTraining,
    seed: int,
    *,
    data: ClassifierData | None = None,
    validation: LabelledGathers | tuple[np.ndarray, np.ndarray] | None = None,
    rehearsal: LabelledGathers | None = None,
    say: Callable[[str], None] | None = None,
) -> Fitted:
    """Train a classifier without a run's folder, as a study does many times.

    ```
    model = make_classifier(classes=3, alpha=4, head="softmax", seed=1)
    fit_classifier(model, (images, classes), ClassifierTraining(epochs=40), seed=1)
    probabilities = predict(model, others)
    ```

    Args:
        model: The classifier, built; trained in place.
        gathers: What to train on: a set, or images, uint8 `[gather, time, trace]`, and classes `[gather]`.
        training: Epochs, batch, learning rate and what to keep.
        seed: Seed of the order, of windows and of augmentations.
        data: Which augmentations and windows; no augmentation and whole images when None.
        validation: Gathers that judge the weights after each epoch, in the same form.
        rehearsal: As for `ClassifierFitting`.
        say: Called with one line per epoch.

    Returns:
        The fitted classifier.

    Raises:
        InputError: The gathers do not suit the model, or a record cannot be read.
        FittingError: The loss or a weight is not finite.
    """
    sets = [from_memory(*one) if isinstance(one, tuple) else one for one in (gathers, validation)]
    assert sets[0] is not None
    fitting = ClassifierFitting(model, sets[0], training, seed, data=data, validation=sets[1], rehearsal=rehearsal)
    return fitting.run(watcher=_Saying(say, training.epochs, fitting.steps_per_epoch) if say else None)


def _logs(epoch: Epoch) -> dict[str, float]:
    """What Keras callbacks receive at an epoch's end."""
    logs = {"loss": epoch.loss, "accuracy": epoch.accuracy}
    if epoch.validation is None or epoch.validation_loss is None:
        return logs
    judged = epoch.validation
    f1 = {f"val_f1_{label}": float(one) for label, one in zip(judged.labels, judged.f1, strict=True)}
    return {**logs, "val_loss": epoch.validation_loss, "val_accuracy": judged.accuracy, **f1}


def words(epoch: Epoch) -> str:
    """An epoch's figures in a line."""
    training = f"loss {epoch.loss:.4f}, accuracy {100 * epoch.accuracy:.1f}"
    if epoch.validation is None:
        return training
    f1 = ", ".join(
        f"{name} {100 * one:.1f}" for name, one in zip(epoch.validation.labels, epoch.validation.f1, strict=True)
    )
    accuracy = 100 * epoch.validation.accuracy
    return f"{training}; validation: loss {epoch.validation_loss:.4f}, accuracy {accuracy:.1f}, F1 {f1}"


class _Saying(Watcher):
    def __init__(self, say: Callable[[str], None], epochs: int, steps_per_epoch: int):
        self._say, self._epochs, self._steps_per_epoch = say, epochs, steps_per_epoch

    def after_epoch(self, epoch: Epoch, best: bool) -> None:
        number = epoch.step // self._steps_per_epoch
        self._say(f"epoch {number} of {self._epochs}: {words(epoch)}{' *' if best else ''}")
