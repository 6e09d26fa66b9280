"""What a study is: settings read strictly from a TOML recipe, as those of `glowseis.recipe`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from eval.names import ARMS, check_arms
from glowseis.errors import InputError
from glowseis.recipe import (
    AnyRecipe,
    ClassifierSection,
    ClassifierTraining,
    FlowSection,
    Phase,
    Section,
    SurveySection,
    TrainingSection,
    read_toml,
)
from glowseis.survey.size import parse_size

FoldKind = Literal["grouped", "stratified"]


class FoldsSection(Section):
    """How gathers are shared out (the paper's section 5.3)."""

    count: Annotated[int, Field(ge=2, le=100)] = 10
    kinds: list[FoldKind] = Field(default=["grouped", "stratified"], min_length=1)
    """Kinds of folds, the headline first; `grouped` keeps a sail line together, `stratified` is the paper's."""
    validation: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    """Part of a fold's training gathers that judges weights, those of classifiers and of flows, and trains nothing."""


class ArmsSection(Section):
    """What is compared. All arms have the same folds, seeds and, unless `protocol` says so, optimiser steps."""

    names: list[str] = ["none", "oversampling", "pixel-mixing", "flow"]
    """Which ones; see `eval.names.ARMS`."""
    augmentations: PositiveInt = 600
    """Gathers of the rare class that an arm adds (section 5.4)."""
    temperature: PositiveFloat = 0.7
    """Standard deviation of the latents of prior samples."""
    path: Literal["spherical", "linear"] = "spherical"
    """Way between two parents' latents (`glowseis.synthesis.PATHS`)."""
    protocol: Literal["equal-steps", "equal-epochs"] = "equal-steps"
    """Whether all arms take as many steps, or as many passes over their gathers, as the paper's."""


class FlowStudy(Section):
    """The flows of a fold and how they are fitted."""

    model: FlowSection = FlowSection()
    augment: list[Literal["shift_time", "shift_trace", "polarity"]] = []
    """Random changes of every training gather of the flow, drawn anew in every epoch."""
    rare: list[Phase] = Field(min_length=1)
    """Phases of the flow that sees the rare class alone, the paper's; their labels are left to the survey."""
    all: list[Phase] = []
    """Phases of the flow that sees all classes first and the rare class after; only arms that use it need them."""
    training: TrainingSection = TrainingSection()


class StudyRecipe(AnyRecipe):
    """A whole study: `python -m eval.cv` and `python -m eval.curve`."""

    survey: SurveySection = SurveySection()
    independent: SurveySection | None = None
    """A second survey, of other lines, on which every fold's models are scored as well; weighted to `survey.fractions`.
    Left out with a survey of one's own."""
    labels: list[str] = ["good", "medium", "bad"]
    """Classes in order of severity, the mildest first."""
    rare: str = "bad"
    """The class to be learnt better."""
    folds: FoldsSection = FoldsSection()
    arms: ArmsSection = ArmsSection()
    classifier: ClassifierSection = ClassifierSection()
    training: ClassifierTraining = ClassifierTraining()
    flow: FlowStudy


def read_study(path: Path, changes: list[str] | None = None) -> StudyRecipe:
    """Read a study's recipe.

    Args:
        path: A TOML file.
        changes: Changes such as `folds.count=3`, the value written as in TOML.

    Raises:
        InputError: The file is missing or no TOML, a key is unknown, a value is of the wrong type or out of range, or
            settings contradict each other.
    """
    recipe = read_toml(path, changes, StudyRecipe)
    for section in (recipe.survey, recipe.independent):
        if section:
            try:
                parse_size(section.size)
            except InputError as wrong:
                raise InputError(f"{path}: {'survey' if section is recipe.survey else 'independent'}.{wrong}") from None
    if recipe.independent and recipe.independent.size != recipe.survey.size:
        raise InputError(f"{path}: independent.size is {recipe.independent.size}, survey.size {recipe.survey.size}")
    if recipe.independent and recipe.independent.seed == recipe.survey.seed:
        raise InputError(f"{path}: independent.seed is survey.seed; it would be the same gathers again, give another")
    if len(set(recipe.labels)) < max(len(recipe.labels), 2) or recipe.rare not in recipe.labels:
        raise InputError(f"{path}: labels are {recipe.labels}, rare {recipe.rare!r}; name two or more, the rare among them")
    check_arms(recipe.arms.names, f"{path}: arms.names")
    needing = [name for name in recipe.arms.names if ARMS[name].flow == "all"]
    if needing and not recipe.flow.all:
        raise InputError(f"{path}: the arm {needing[0]} needs phases flow.all; add them, or leave the arm out")
    return recipe
