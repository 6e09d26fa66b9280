"""The sections of recipes as pydantic models, which check types, ranges and contradictions."""

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from glowseis.errors import InputError
from glowseis.recipe.later import renamed
from glowseis.survey.size import parse_size

Fraction = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]
PerLevel = PositiveInt | list[PositiveInt]
GradedAugmentation = Literal[
    "trace_order",
    "polarity",
    "shift_time",
    "shift_trace",
    "resample_time",
    "gain",
    "clip",
    "drop_traces",
    "zero_level",
    "quantise",
]
"""The augmentations of `glowseis.survey.batches.augment_graded`."""


class Section(BaseModel):
    """Settings that belong together: strictly typed, without unknown keys, immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


@contextlib.contextmanager
def refusing(key: str = "") -> Iterator[None]:
    """Within a model's check, turn an InputError into a ValueError, which pydantic reports.

    Args:
        key: The key to name, if the error does not name it.

    Raises:
        ValueError: With the same message.
    """
    try:
        yield
    except InputError as wrong:
        raise ValueError(f"{key}: {wrong}" if key else str(wrong)) from None


def _checked_size(text: str) -> str:
    with refusing():
        if text:
            parse_size(text)
    return text


Window = Annotated[str, AfterValidator(_checked_size)]
"""Samples x traces of a window; none if empty."""


class SurveySection(Section):
    """The survey that a recipe simulates when the command names none (see `glowseis.simulate`)."""

    count: PositiveInt = 5223
    size: str = "896x640"
    fractions: list[NotNegative] = Field(default=[66.68, 31.54, 1.76], min_length=3, max_length=3)
    seed: int = Field(default=1, ge=0)
    acquisitions: int = Field(default=0, ge=0)
    """How many acquisitions its gathers come from, drawn at random; 0 for the paper's."""
    first_acquisition: PositiveInt = 1
    """Number of the first of them; acquisitions with different numbers differ."""
    weather: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How far the weather along a line decides a gather's label: 0 not at all, 1 completely."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        with refusing():
            parse_size(self.size)
        return self


class DataSection(Section):
    """Which gathers the flow learns."""

    label: str = "bad"
    """The rare class: held out, measured and generated."""
    held_out: Fraction = 0.0
    """Fraction of that class's gathers that no phase trains on."""
    augment: list[Literal["shift_time", "shift_trace", "polarity"]] = []
    """Random changes of every training gather, drawn again in every epoch."""
    window: Window = ""
    """Samples x traces, such as `192x96`, of the window that is cut at a random place of a gather in every epoch; the
    whole image if empty. A training that starts from a saved flow has that one's."""


class FlowSection(Section):
    """The flow's size (the paper's section 5.2)."""

    levels: PositiveInt = 6
    steps: PerLevel = 15
    filters: PerLevel = 96
    attention_levels: int = Field(default=2, ge=0)
    heads: PositiveInt = 4
    scale_cap: PositiveFloat = 2.0
    condition: int = Field(default=0, ge=0)
    """Features per level of a condition; above 0, the lower half of every image is the condition of its upper half."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key in ("steps", "filters"):
            value = getattr(self, key)
            if isinstance(value, list) and len(value) != self.levels:
                raise ValueError(f"{key} has {len(value)} values for flow.levels = {self.levels}")
        if self.attention_levels > self.levels:
            raise ValueError(f"attention_levels = {self.attention_levels} is more than flow.levels")
        if self.attention_levels:
            widths = self.filters[-self.attention_levels :] if isinstance(self.filters, list) else [self.filters]
            if any(width % self.heads for width in widths):
                raise ValueError("filters of an attention level must be a multiple of flow.heads")
        return self


class Phase(Section):
    """One phase of training: which classes, for how long, at which learning rate."""

    labels: list[str] = Field(min_length=1)
    """Which gathers; "" stands for those without a label."""
    epochs: PositiveInt
    learning_rate: PositiveFloat
    warmup_steps: int = Field(default=0, ge=0)
    """Steps in which the learning rate rises from zero."""
    decay_power: PositiveFloat = 1.0
    """After the warm-up the learning rate falls as (1 - progress)^power."""
    end_learning_rate: NotNegative = 0.0


class TrainingSection(Section):
    """How the flow is fitted."""

    batch: PositiveInt = 1
    clip_norm: NotNegative = 0.0
    """Bound of the gradient's global norm; 0 does not clip."""
    weight_decay: NotNegative = 0.0
    """Decoupled weight decay (AdamW); 0 is plain Adam."""
    activations: Literal["auto", "stored", "recomputed"] = "auto"
    """Whether the gradient stores activations, or keeps only each flow step's input and runs the step again, which
    takes less memory and about a third more time. "auto": recomputed if stored ones would take more than 2 GB."""
    conditioners: Literal["float32", "bfloat16"] = "float32"
    """Precision of the networks inside couplings in training."""
    jit_compile: bool = False
    """Whether XLA compiles the training step, on one device; the first step then takes longer."""
    adapt_gathers: PositiveInt = 16
    """Gathers that set ActNorm before the first step."""
    keep: Literal["best", "last"] = "best"
    """Which weights become the SavedModel: those with the best held-out figure, or the last."""
    evaluate_every_epochs: PositiveInt = 1
    pictures_every_epochs: PositiveInt = 10
    checkpoint_every_s: PositiveFloat = 60.0
    start_from: str = ""
    """A saved flow that the fitting starts from: its name in `savedmodels/`, or a folder. The flow's size is then that
    of the saved one, and ActNorm stays as it was. If empty, weights are drawn from the seed."""

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, settings: Any) -> Any:
        settings = renamed(settings) if isinstance(settings, dict) else settings
        if isinstance(settings, dict) and "reversible" in settings:
            raise ValueError('reversible is now called activations; set it to "auto", "stored" or "recomputed"')
        return settings


class ClassifierTraining(Section):
    """How the classifier is fitted: by Adam, as in the paper's section 5.3."""

    epochs: PositiveInt = 40
    batch: PositiveInt = 64
    at_once: int = Field(default=0, ge=0)
    """Gathers whose gradients are computed at a time, and that are graded at a time; memory grows with it. The step is
    the same up to rounding. 0: the whole batch."""
    learning_rate: PositiveFloat = 1e-3
    """That of the first epoch. "Default hyper-parameters" are Adam's 1e-3; the network's authors used 1e-4."""
    decay_per_epoch: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor of the learning rate from epoch to epoch; the network's authors used 0.999."""
    steps_per_epoch: int = Field(default=0, ge=0)
    """Optimiser steps per epoch, the same whatever the number of gathers; 0: as many as a pass over them takes."""
    class_weights: Literal["none", "balanced"] | list[NotNegative] = "none"
    """Weight of a class in the loss: equal, in inverse proportion to its gathers, or as listed."""
    patience: int = Field(default=0, ge=0)
    """Epochs without a lower validation loss after which training stops; 0 never stops early."""
    keep: Literal["best", "last"] = "last"
    """Which weights are kept: those of the lowest validation loss, or the last."""
    checkpoint_every_s: PositiveFloat = 60.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if isinstance(self.class_weights, list) and not any(self.class_weights):
            raise ValueError("class_weights are all 0; give at least one class a weight above 0")
        return self

    def check_labels(self, labels: list[str], key: str) -> None:
        """Make sure that a list of class weights has one per label.

        Args:
            labels: The classes; empty when they are not known yet.
            key: The section of these settings, for the error.

        Raises:
            ValueError: There are more or fewer.
        """
        if labels and isinstance(self.class_weights, list) and len(self.class_weights) != len(labels):
            raise ValueError(f"{key}.class_weights has {len(self.class_weights)} values for {len(labels)} labels")


class StartedTraining(ClassifierTraining):
    """How a classifier is fitted that may start from a saved one instead of weights drawn from the seed."""

    start_from: str = ""
    """The saved one: the name of a ready model, such as "robust", or a folder, `savedmodels/NAME` or one of its
    versions. The network, its classes, window and augmentations are then the saved one's."""
    head_epochs: int = Field(default=0, ge=0)
    """Of the epochs, how many train the last layer alone; the others train all weights."""
    head_learning_rate: PositiveFloat = 1e-3
    """The learning rate of those epochs; `learning_rate` is that of the first epoch after them."""
    rehearsal: Fraction = 0.0
    """Share of each batch that is taken from other gathers, such as those that the saved one was trained on, so that it
    does not forget them."""
    rehearsal_survey: str = ""
    """The survey that holds them."""
    stand_ins: int = Field(default=0, ge=0)
    """Unlabelled gathers that the saved one surely grades as a class join its training gathers until there are so many,
    so that a class of which few or none are labelled is not forgotten."""

    @model_validator(mode="after")
    def _check_start(self) -> Self:
        keys = ("head_epochs", "rehearsal", "rehearsal_survey", "stand_ins")
        if not self.start_from and (key := next((key for key in keys if getattr(self, key)), "")):
            raise ValueError(f"{key} needs a saved classifier to start from; set training.start_from too")
        if self.head_epochs > self.epochs:
            raise ValueError(f"head_epochs = {self.head_epochs} is more than training.epochs = {self.epochs}")
        if bool(self.rehearsal) != bool(self.rehearsal_survey):
            raise ValueError("rehearsal and training.rehearsal_survey go together; set both, or neither")
        if self.rehearsal and not 0 < self.rehearsed < self.batch:
            raise ValueError(
                f"rehearsal = {self.rehearsal:g} of training.batch = {self.batch} leaves no gather of one kind; change "
                "one of the two"
            )
        return self

    @property
    def rehearsed(self) -> int:
        """Gathers of each batch that are rehearsed."""
        return round(self.rehearsal * self.batch)


class ClassifierData(Section):
    """Which gathers the classifier learns from, and which judge it."""

    labels: list[str] = []
    """The classes in order of severity, the mildest first; if empty, all of the survey's, in its order, or those of the
    classifier that the training starts from."""
    folds: str = ""
    """File of `python -m glowseis.folds` that says which gathers train and which test; if empty, `test` draws them."""
    fold: int = Field(default=0, ge=0)
    """Number of the fold in that file, from 0."""
    test: Fraction = 0.2
    """Fraction of the gathers that is only scored at the end; not used with a file of folds."""
    validation: Fraction = 0.125
    """Fraction of the other gathers that judges the weights after each epoch; not used if the file names its own."""
    grouped: bool = False
    """Whether the parts drawn here keep a sail line's gathers together; a file of grouped folds always does."""
    augment: list[GradedAugmentation] = []
    """Random changes of every training gather that must not change its grade, drawn again each time it is used."""
    window: Window = ""
    """Samples x traces, such as `256x128`, of the window that is cut at a random place from a training gather each time
    it is used; the whole image if empty."""
    rename: dict[str, str] = {}
    """Classes by the survey's labels, where these have other names; several labels may be one class."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.labels) == 1 or len(set(self.labels)) < len(self.labels):
            raise ValueError(f"labels = {self.labels}: name at least two labels, each once")
        return self


class ClassifierSection(Section):
    """The classifier, Miniception."""

    alpha: PositiveInt = 4
    """Width; its authors' default is 4."""
    head: Literal["softmax", "ordinal"] = "softmax"
    companded: bool = False
    """Whether the network sees square roots of amplitudes, so that faint noise counts beside loud events."""


class GradingSection(Section):
    """How probabilities become grades."""

    fractions: Literal["survey", "training"] = "survey"
    """The class fractions that probabilities are for: those of the survey's recorded gathers, or those of the training
    after weights, which are even with balanced ones: for a classifier of other people's gathers."""
    missed_cost: PositiveFloat | None = None
    """What a missed gather of the severest class costs, as a multiple of one that is graded so needlessly; it sets the
    probability from which that class is graded. If left out, the most probable class is graded."""
    unsure_below: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability below which a grade is `unsure`; 0: every gather gets a grade."""


class RareSection(Section):
    """Gathers that are added to a class that has few, made from its training gathers."""

    add: Literal["", "oversampling", "moved-noise", "flow"] = ""
    """How: by repeating them; with their noise moved onto the events of other training gathers
    (`glowseis.transplant`); between two of them in a flow's latent space (`glowseis.synthesis`); none if empty."""
    label: str = "bad"
    """The class."""
    count: PositiveInt = 200
    """How many are added."""
    flow: str = ""
    """The saved flow that makes them: its name in `savedmodels/`, or a folder."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.add == "flow") != bool(self.flow):
            raise ValueError('flow and rare.add = "flow" go together; set both, or neither')
        return self


class AnyRecipe(Section):
    """Settings of every recipe."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    seed: int = Field(default=1, ge=0, lt=2**32)
    survey: SurveySection = SurveySection()


class ClassifierRecipe(AnyRecipe):
    """The settings of a run that trains a classifier."""

    data: ClassifierData = ClassifierData()
    classifier: ClassifierSection
    training: StartedTraining = StartedTraining()
    rare: RareSection = RareSection()
    grading: GradingSection = GradingSection()

    @model_validator(mode="after")
    def _check(self) -> Self:
        data, training = self.data, self.training
        # A file of folds may have validation gathers of its own; that is checked when it is read.
        if (training.keep == "best" or training.patience) and not data.validation and not data.folds:
            raise ValueError(
                'training.keep = "best" and training.patience need validation gathers; set data.validation above 0, '
                'or training.keep = "last" and training.patience = 0'
            )
        training.check_labels(data.labels, "training")
        return self


class Recipe(AnyRecipe):
    """The settings of a run that trains a flow."""

    data: DataSection = DataSection()
    flow: FlowSection = FlowSection()
    phases: list[Phase] = Field(min_length=1)
    training: TrainingSection = TrainingSection()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.training.keep == "best" and self.data.held_out == 0:
            raise ValueError(
                'training.keep = "best" needs held-out gathers; set data.held_out above 0, or training.keep = "last"'
            )
        return self
