"""What a run is: settings read strictly from a TOML recipe. An unknown or ill-typed key is an error that names it.

A recipe with a section `[classifier]` trains a classifier, any other a flow.
"""

import difflib
import tomllib
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from glowseis.errors import InputError
from glowseis.survey.size import parse_size

Fraction = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]
PerLevel = PositiveInt | list[PositiveInt]
GradedAugmentation = Literal[
    "trace_order",
    "polarity",
    "shift_time",
    "resample_time",
    "gain",
    "clip",
    "drop_traces",
    "zero_level",
    "quantise",
]
"""What `glowseis.survey.batches.augment_graded` can do."""


class Section(BaseModel):
    """Settings that belong together: strictly typed, nothing unknown, never changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class SurveySection(Section):
    """The survey that a recipe makes for itself when the command names none (see `glowseis.simulate`)."""

    count: PositiveInt = 5223
    size: str = "896x640"
    fractions: list[NotNegative] = Field(default=[66.68, 31.54, 1.76], min_length=3, max_length=3)
    seed: int = Field(default=1, ge=0)
    acquisitions: int = Field(default=0, ge=0)
    """How many acquisitions its gathers come from, drawn at random; 0 for the paper's."""
    first_acquisition: PositiveInt = 1
    """Number of the first of them; acquisitions of different numbers differ."""
    weather: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How far the weather along a line decides a gather's label: 0 not at all, 1 alone."""


class DataSection(Section):
    """Which gathers the flow learns."""

    label: str = "bad"
    """The rare class: held out, measured and generated."""
    held_out: Fraction = 0.0
    """Part of that class's gathers that no phase trains on."""
    augment: list[Literal["shift_time", "shift_trace", "polarity"]] = []
    """Random changes of every training gather, drawn anew in every epoch."""


class FlowSection(Section):
    """The flow's size (the paper's section 5.2)."""

    levels: PositiveInt = 6
    steps: PerLevel = 15
    filters: PerLevel = 96
    attention_levels: int = Field(default=2, ge=0)
    heads: PositiveInt = 4
    scale_cap: PositiveFloat = 2.0


class Phase(Section):
    """A stretch of training: which classes, for how long, at which learning rate."""

    labels: list[str] = Field(min_length=1)
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
    """Bound of the gradient's global norm; 0 leaves it alone."""
    weight_decay: NotNegative = 0.0
    """Decoupled weight decay (AdamW); 0 is plain Adam."""
    reversible: bool | Literal["auto"] = "auto"
    """Whether the gradient recomputes activations from their results, a step of the flow after another, instead of
    storing them: memory that does not grow with the flow's depth, for about a third more time. "auto": where stored
    ones would take more than 2 GB."""
    conditioners: Literal["float32", "bfloat16"] = "float32"
    """Precision of the networks inside couplings while they are trained; bfloat16 stores its activations."""
    adapt_gathers: PositiveInt = 16
    """Gathers that set ActNorm before the first step."""
    keep: Literal["best", "last"] = "best"
    """Which weights become the SavedModel: those of the best held-out figure, or the last."""
    evaluate_every_epochs: PositiveInt = 1
    pictures_every_epochs: PositiveInt = 10
    checkpoint_every_s: PositiveFloat = 60.0


class ClassifierTraining(Section):
    """How the classifier is fitted: by Adam, as the paper's section 5.3."""

    epochs: PositiveInt = 40
    batch: PositiveInt = 64
    at_once: int = Field(default=0, ge=0)
    """Gathers of a batch whose gradients are worked out at a time, and that are graded at a time; memory grows with it.
    The step is the same up to rounding. 0: the whole batch."""
    learning_rate: PositiveFloat = 1e-3
    """Of the first epoch; "default hyper-parameters" are Adam's 1e-3, the network's authors' own runs had 1e-4."""
    decay_per_epoch: Annotated[float, Field(gt=0, le=1)] = 1.0
    """What the learning rate is multiplied by from epoch to epoch; the authors' own runs had 0.999."""
    steps_per_epoch: int = Field(default=0, ge=0)
    """Optimiser steps an epoch, the same whatever the number of gathers; 0: as many as a pass over them takes."""
    class_weights: Literal["none", "balanced"] | list[NotNegative] = "none"
    """What a class counts in the loss: all the same, in inverse proportion to its gathers, or as listed."""
    patience: int = Field(default=0, ge=0)
    """Epochs without a lower validation loss after which training stops; 0 never stops early."""
    keep: Literal["best", "last"] = "last"
    """Which weights are kept: those of the lowest validation loss, or the last."""
    checkpoint_every_s: PositiveFloat = 60.0


class ClassifierData(Section):
    """Which gathers the classifier learns, and which judge it."""

    labels: list[str] = []
    """The classes in order of severity, the mildest first; all of the survey's, in its order, when empty."""
    folds: str = ""
    """File of `python -m glowseis.folds` that says which gathers train and which test; drawn by `test` when empty."""
    fold: int = Field(default=0, ge=0)
    """Number of the fold in that file, from 0."""
    test: Fraction = 0.2
    """Part of the gathers that is scored at the end and nothing else; not used with a file of folds."""
    validation: Fraction = 0.125
    """Part of the other gathers that judges the weights after each epoch; not used with a file that names its own."""
    grouped: bool = False
    """Whether the parts drawn here keep a sail line's gathers together; those of a file of grouped folds always do."""
    augment: list[GradedAugmentation] = []
    """Random changes of every training gather that must not change its grade, drawn anew each time it is used."""
    window: str = ""
    """Samples x traces, such as `256x128`, of the window that is cut out of a training gather each time it comes, at a
    random place; whole pictures when empty."""


class ClassifierSection(Section):
    """The classifier, Miniception."""

    alpha: PositiveInt = 4
    """Width; its authors' default is 4."""
    head: Literal["softmax", "ordinal"] = "softmax"
    companded: bool = False
    """Whether the network sees roots of amplitudes, so that faint noise counts beside loud events."""


class AnyRecipe(Section):
    """What all recipes have."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    seed: int = Field(default=1, ge=0, lt=2**32)
    survey: SurveySection = SurveySection()


class ClassifierRecipe(AnyRecipe):
    """A whole run that trains a classifier."""

    data: ClassifierData = ClassifierData()
    classifier: ClassifierSection
    training: ClassifierTraining = ClassifierTraining()


class FlowRecipe(AnyRecipe):
    """What a recipe with a flow has."""

    data: DataSection = DataSection()
    flow: FlowSection = FlowSection()
    phases: list[Phase] = Field(min_length=1)
    training: TrainingSection = TrainingSection()


class Recipe(FlowRecipe):
    """A whole run that trains a flow."""

    study: dict[str, Any] | None = Field(default=None, exclude=True)
    """Read by `python -m eval.cv`, so that one file serves both; no part of the run."""


LATER: dict[str, Any] = {
    "training.reversible": "auto",
    "training.conditioners": "float32",
    "training.at_once": 0,
    "study.training.at_once": 0,
    "study.farthest": 1.0,
    "study.classifier.companded": False,
    **{
        f"{survey}.{key}": default
        for survey in ("survey", "study.independent")
        for key, default in (("acquisitions", 0), ("first_acquisition", 1), ("weather", 0.0))
    },
}
"""Settings that came when runs and outcomes were kept already, which do not name them, and the default each came with.

A setting that is added to a recipe goes in here, unless what was kept before is no longer to count. Its value here
stays, even if the default changes.
"""

LATER_OF_CLASSIFIERS: dict[str, Any] = {"data.augment": [], "data.window": "", "classifier.companded": False}
"""The same for recipes of classifiers alone: flows had `data.augment` from the start."""


def told(settings: Any) -> Any:
    """The settings that tell one run from another: all but later ones that still have their first default.

    Args:
        settings: A recipe as a dictionary, such as `model_dump` or `run.json` gives it; anything else is given back.
    """
    is_classifiers = isinstance(settings, dict) and "classifier" in settings
    for key, default in (LATER | (LATER_OF_CLASSIFIERS if is_classifiers else {})).items():
        settings = _without(settings, key.split("."), default)
    return settings


def _without(settings: Any, keys: list[str], value: Any) -> Any:
    """A copy without what stands at a place, if it is that value; it need not be there."""
    first, *rest = keys
    if not isinstance(settings, dict) or first not in settings:
        return settings
    if rest:
        return settings | {first: _without(settings[first], rest, value)}
    return settings if settings[first] != value else {key: one for key, one in settings.items() if key != first}


AnyKind = TypeVar("AnyKind", bound=AnyRecipe)


def read_recipe(path: Path, changes: list[str] | None = None) -> Recipe | ClassifierRecipe:
    """Read a recipe, of a classifier if it has a section `[classifier]`, of a flow if not.

    Args:
        path: A TOML file.
        changes: Changes such as `training.batch=2`, the value written as in TOML (a bare word is taken as text).

    Raises:
        InputError: The file is missing or no TOML, a key is unknown, a value is of the wrong type or out of range, or
            settings contradict each other.
    """
    values = _values(path, changes)
    both = [key for key in ("flow", "phases") if key in values]
    if "classifier" not in values:
        return _checked(path, values, Recipe)
    if both:
        raise InputError(f"{path}: has {both[0]} and classifier; a recipe trains a flow or a classifier, not both")
    return _checked(path, values, ClassifierRecipe)


def read_toml(path: Path, changes: list[str] | None, model: type[AnyKind]) -> AnyKind:
    """Read a recipe of a certain kind; else as `read_recipe`.

    Args:
        path: A TOML file.
        changes: As for `read_recipe`.
        model: What it says.

    Raises:
        InputError: As `read_recipe`.
    """
    return _checked(path, _values(path, changes), model)


def _values(path: Path, changes: list[str] | None) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such recipe; the recipes that come with glowseis lie in train/") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise InputError(f"{path}: not a TOML file: {wrong}") from None
    for change in changes or []:
        _set(values, change)
    return values


def _checked(path: Path, values: dict[str, Any], model: type[AnyKind]) -> AnyKind:
    try:
        recipe = model.model_validate(values)
    except ValidationError as wrong:
        raise InputError(f"{path}: {_first_problem(wrong, values, model)}") from None
    try:
        parse_size(recipe.survey.size)
    except InputError as wrong:
        raise InputError(f"{path}: survey.{wrong}") from None
    if isinstance(recipe, ClassifierRecipe):
        _check_classifier(recipe, path)
    if isinstance(recipe, FlowRecipe):
        _check_flow(recipe, path)
    return recipe


def _check_classifier(recipe: ClassifierRecipe, path: Path) -> None:
    data, training = recipe.data, recipe.training
    if data.window:
        try:
            parse_size(data.window)
        except InputError as wrong:
            raise InputError(f"{path}: data.window: {wrong}") from None
    if len(data.labels) == 1 or len(set(data.labels)) < len(data.labels):
        raise InputError(f"{path}: data.labels = {data.labels}: name at least two labels, each once")
    # A file of folds may have validation gathers of its own; what it gives is seen when it is read.
    if (training.keep == "best" or training.patience) and not data.validation and not data.folds:
        raise InputError(
            f'{path}: training.keep = "best" and training.patience need gathers to judge by; set data.validation above '
            '0, or training.keep = "last" and training.patience = 0'
        )
    weights = training.class_weights
    if isinstance(weights, list):
        if data.labels and len(weights) != len(data.labels):
            raise InputError(f"{path}: training.class_weights has {len(weights)} values for {len(data.labels)} labels")
        if not any(weights):
            raise InputError(f"{path}: training.class_weights are all 0; give a class more than that")


def _check_flow(recipe: FlowRecipe, path: Path) -> None:
    if recipe.training.reversible is True and recipe.training.conditioners != "float32":
        raise InputError(
            f'{path}: training.conditioners = "{recipe.training.conditioners}" cannot be inverted closely enough for '
            'training.reversible = true; set training.reversible = false, or training.conditioners = "float32"'
        )
    if recipe.training.keep == "best" and recipe.data.held_out == 0:
        raise InputError(
            f'{path}: training.keep = "best" needs gathers to be judged on; set data.held_out above 0, '
            'or training.keep = "last"'
        )
    for key in ("steps", "filters"):
        value = getattr(recipe.flow, key)
        if isinstance(value, list) and len(value) != recipe.flow.levels:
            raise InputError(f"{path}: flow.{key} has {len(value)} values for flow.levels = {recipe.flow.levels}")
    if recipe.flow.attention_levels > recipe.flow.levels:
        raise InputError(f"{path}: flow.attention_levels = {recipe.flow.attention_levels} is more than flow.levels")
    if recipe.flow.attention_levels:
        filters = recipe.flow.filters
        widths = filters[-recipe.flow.attention_levels :] if isinstance(filters, list) else [filters]
        if any(width % recipe.flow.heads for width in widths):
            raise InputError(f"{path}: flow.filters of an attention level must be a multiple of flow.heads")


def _set(values: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {change}: write it as key=value, such as training.batch=2")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    *sections, last = key.strip().split(".")
    place: Any = values
    try:
        for section in sections:
            place = place[_index(section)] if isinstance(place, list) else place.setdefault(section, {})
        place[_index(last) if isinstance(place, list) else last] = value
    except (ValueError, IndexError, TypeError, AttributeError):
        raise InputError(f"--set {change}: there is no such place in the recipe") from None


def _index(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def _first_problem(wrong: ValidationError, values: dict[str, Any], kind: type[AnyRecipe]) -> str:
    # Of a value that may be of several types, the deepest problem is that of the type which was meant.
    problem = max(wrong.errors(), key=lambda one: len(one["loc"]))
    place = _place(problem, values)
    key = ".".join(place)
    if problem["type"] == "extra_forbidden":
        known = _known_keys(kind, place[:-1])
        near = difflib.get_close_matches(place[-1], known, 1)
        return f"unknown key {key}" + (f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}")
    if problem["type"] == "missing":
        return f"the key {key} is missing; give it, as the recipes in train/ do"
    return f"{key} = {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def _place(problem: Any, values: dict[str, Any]) -> list[str]:
    """Keys that lead to a problem: pydantic's place without the names of a union's members, which are no keys."""
    place: list[str] = []
    here: Any = values
    for number, part in enumerate(problem["loc"]):
        missing = problem["type"] == "missing" and number == len(problem["loc"]) - 1
        is_key = part in here if isinstance(here, dict) else isinstance(here, list) and isinstance(part, int)
        if missing or is_key:
            place.append(str(part))
            here = None if missing else here[part]
    return place


def _known_keys(kind: type[AnyRecipe], place: list[str]) -> list[str]:
    """Keys of the section that some keys lead to; a number leads into a list of sections."""
    section: Any = kind
    for key in place:
        if not key.isdecimal():
            wanted = section.model_fields[key].annotation
            section = next(iter(typing.get_args(wanted)), wanted)
    return list(section.model_fields)
