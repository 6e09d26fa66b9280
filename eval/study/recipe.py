"""A study's recipe: a flow's recipe with a section `[study]`, read as strictly as the rest (`glowseis.recipe`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from eval.study.names import ARMS, RIVAL, Flow, check_arms
from glowseis.errors import InputError
from glowseis.recipe import (
    ClassifierSection,
    ClassifierTraining,
    GradedAugmentation,
    Phase,
    Recipe,
    Section,
    SurveySection,
    read_toml,
    refusing,
)

FoldKind = Literal["grouped", "stratified"]

LATER: dict[str, Any] = {
    "study.training.at_once": 0,
    "study.farthest": 1.0,
    "study.augment": [],
    "study.repeated": 0.0,
    "study.flow_noise": [],
    "study.replicates": None,
    "study.classifier.companded": False,
    "study.independent.acquisitions": 0,
    "study.independent.first_acquisition": 1,
    "study.independent.weather": 0.0,
}
"""Settings that were added when there were already outcomes, as in `glowseis.recipe.LATER`."""


class CurveSection(Section):
    """The curve of F1 against the number of augmentations, by `python -m eval.curve` (section 5.3)."""

    counts: list[Annotated[int, Field(ge=0)]] = Field(default=list(range(0, 1001, 100)), min_length=1)
    """Numbers of added gathers."""
    runs: Annotated[int, Field(ge=1, le=100)] = 10
    """Classifiers trained at each count."""
    epochs: PositiveInt = 100
    """Maximum number of epochs; `study.training.epochs` is that of the tables."""
    patience: PositiveInt = 5
    """Training of a classifier stops after this many epochs without a lower validation loss."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not any(self.counts):
            raise ValueError(f"counts = {self.counts}; name a number above 0 among them")
        return self


class SettingSection(Section):
    """How the rare gathers of a replicate's survey lie, and how many there are."""

    weather: Annotated[float, Field(ge=0, le=1)] = 1.0
    """`survey.weather` of its surveys: 0 spreads rare gathers over all lines, 1 clusters them on a few."""
    rare: Annotated[int, Field(ge=0)] = 0
    """Only so many rare gathers are kept, those of the lines with most of them first; 0 keeps all."""

    @property
    def name(self) -> str:
        """Its name in files, such as `weather1-rare20`."""
        return f"weather{self.weather:g}-{f'rare{self.rare}' if self.rare else 'all'}"


class ScarcitySection(Section):
    """The curve of F1 over numbers of rare gathers, from which follows how many of them an arm's gathers are worth."""

    weather: Annotated[float, Field(ge=0, le=1)] = 1.0
    """As for `SettingSection`."""
    rare: list[Annotated[int, Field(ge=3)]] = Field(min_length=2)
    """Numbers of rare gathers; a point of the curve each."""
    arms: list[str]
    """The arms, random oversampling among them."""
    surveys: PositiveInt
    """Only so many surveys, the first ones."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.rare != sorted(set(self.rare)):
            raise ValueError(f"rare = {self.rare}; give rising numbers, each once")
        if RIVAL not in self.arms or len(self.arms) < 2:
            raise ValueError(f"arms = {self.arms}; name {RIVAL}, with which the others are compared, and another")
        return self

    @property
    def settings(self) -> list[SettingSection]:
        """Its points, a setting each."""
        return [SettingSection(weather=self.weather, rare=number) for number in self.rare]


class ReplicatesSection(Section):
    """Independent surveys instead of folds, by `python -m eval.worth`."""

    count: Annotated[int, Field(ge=2, le=1000)]
    """Number of surveys in each setting."""
    first_seed: Annotated[int, Field(ge=0)]
    """Seed of the first survey; the next have the following numbers, in all settings."""
    primary: str
    """The arm that all others are compared with."""
    settings: list[SettingSection] = Field(min_length=1)
    """The settings, the primary one first."""
    scarcity: ScarcitySection | None = None
    """The curve over numbers of rare gathers; none if None."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [one.name for one in self.settings]
        if len(set(names)) < len(names):
            raise ValueError(f"settings are {', '.join(names)}; give each only once")
        if self.scarcity and self.scarcity.surveys > self.count:
            raise ValueError(f"scarcity.surveys = {self.scarcity.surveys}, but count = {self.count}; give at most that")
        return self

    @property
    def every_setting(self) -> dict[str, SettingSection]:
        """The settings by name, then those of the curve that are not among them."""
        return {one.name: one for one in (*self.settings, *(self.scarcity.settings if self.scarcity else ()))}

    def surveys_of(self, setting: str, arms: Sequence[str]) -> dict[str, int]:
        """How many surveys each arm is run on in a setting, the first ones.

        Args:
            setting: Name of the setting.
            arms: Names of the arms of `settings`; the curve has arms of its own.
        """
        whole = dict.fromkeys(arms, self.count) if setting in (one.name for one in self.settings) else {}
        if self.scarcity and setting in (one.name for one in self.scarcity.settings):
            return dict.fromkeys(self.scarcity.arms, self.scarcity.surveys) | whole
        return whole


class StudySection(Section):
    """How classifiers are compared, by `python -m eval.cv` and `python -m eval.curve`.

    All arms have the same folds, seeds and, unless `protocol` says otherwise, number of optimiser steps.
    """

    labels: list[str] = Field(default=["good", "medium", "bad"])
    """Classes in order of severity, the mildest first; the recipe's `data.label` is the rare one among them."""
    folds: Annotated[int, Field(ge=2, le=100)] = 10
    """Number of folds (section 5.3)."""
    kinds: list[FoldKind] = Field(default=["grouped", "stratified"], min_length=1)
    """Kinds of folds, the headline first; `grouped` keeps a sail line together, `stratified` is the paper's."""
    validation: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    """Part of a fold's training gathers that trains nothing; classifiers' and flows' weights are chosen by it."""
    arms: list[str] = Field(default=["none", "oversampling", "pixel-mixing", "flow"])
    """The arms to compare; see `eval.study.names.ARMS`."""
    augmentations: PositiveInt = 600
    """Gathers of the rare class that an arm adds (section 5.4)."""
    repeated: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of them that are repeats of recorded ones in arms that make gathers, so that not all of the rare class is
    synthetic; the paper's is 0."""
    temperature: PositiveFloat = 0.7
    """Standard deviation of the latents of prior samples."""
    path: Literal["spherical", "linear"] = "spherical"
    """Path between two parents' latents (`glowseis.synthesis.PATHS`)."""
    farthest: Annotated[float, Field(gt=0, le=1)] = 1.0
    """How far a child may lie from its first parent towards the other (`glowseis.synthesis.draw_pairs`)."""
    protocol: Literal["equal-steps", "equal-epochs"] = "equal-steps"
    """Whether all arms take the same number of steps, or of passes over their own gathers, as in the paper."""
    augment: list[GradedAugmentation] = Field(default=[])
    """Random changes of every training gather of a classifier, drawn again in every epoch, in all arms."""
    replicates: ReplicatesSection | None = None
    """Independent surveys instead of folds; read by `python -m eval.worth` alone."""
    independent: SurveySection | None = None
    """A second survey, of other lines, on which every fold's models are also scored, weighted to
    `survey.fractions`. It is not used if a survey is given on the command line."""
    classifier: ClassifierSection = ClassifierSection()
    training: ClassifierTraining = ClassifierTraining()
    """How classifiers are trained; the recipe's own `[training]` is the flow's."""
    curve: CurveSection = CurveSection()
    flow_rare: list[Phase] = Field(default=[])
    """Phases of the flow of the rare class alone, the paper's; the recipe's own phases if empty."""
    flow_all: list[Phase] = Field(default=[])
    """Phases of the flow trained on all classes first; the recipe's own phases if empty."""
    flow_noise: list[Phase] = Field(default=[])
    """Phases of the flows of low frequencies, alone or given the higher ones; the recipe's own phases if empty. Gathers
    of other labels than theirs have no part in them."""


class StudyRecipe(Recipe):
    """A flow's recipe with a study."""

    study: StudySection

    @model_validator(mode="after")
    def _check_study(self) -> Self:
        study, independent, rare = self.study, self.study.independent, self.data.label
        if independent and independent.size != self.survey.size:
            raise ValueError(
                f"study.independent.size is {independent.size}, survey.size {self.survey.size}; give both the same"
            )
        if independent and independent.seed == self.survey.seed:
            raise ValueError("study.independent.seed equals survey.seed, which makes the same gathers; give another")
        if len(set(study.labels)) < max(len(study.labels), 2) or rare not in study.labels:
            raise ValueError(
                f"study.labels = {study.labels}; name two or more, each once, including data.label = {rare!r}"
            )
        if study.replicates and not independent:
            raise ValueError("study.replicates needs [study.independent], on which the classifiers are scored")
        if study.replicates and independent:
            last = study.replicates.first_seed + study.replicates.count - 1
            if study.replicates.first_seed <= independent.seed <= last:
                raise ValueError(
                    f"study.independent.seed = {independent.seed} is one of the replicates' seeds, "
                    f"{study.replicates.first_seed} to {last}; give another"
                )
        if self.training.start_from:
            raise ValueError(
                "training.start_from: a study's flows start anew, because a saved one may have seen test gathers; "
                "leave it out"
            )
        study.training.check_labels(study.labels, "study.training")
        with refusing():
            check_arms(study.arms, "study.arms")
            if study.replicates:
                check_arms([study.replicates.primary], "study.replicates.primary")
                if scarcity := study.replicates.scarcity:
                    check_arms(scarcity.arms, "study.replicates.scarcity.arms")
                    check_flows(self, scarcity.arms, "study.replicates.scarcity.arms")
            check_flows(self, study.arms, "study.arms")
        return self

    def phases_of(self, flow: Flow) -> list[Phase]:
        """Phases of one of a fold's flows."""
        study = self.study
        own = {"rare": study.flow_rare, "all": study.flow_all, "noise": study.flow_noise}
        return own["noise" if flow == "transplant" else flow] or self.phases


def read_study(path: Path, changes: list[str] | None = None, *, surveys: bool = False) -> StudyRecipe:
    """Read a study's recipe.

    Args:
        path: A TOML file.
        changes: Changes such as `study.folds=3`, the value written as in TOML.
        surveys: Whether it is to be a study of independent surveys, and not of folds.

    Raises:
        InputError: The file is missing or not TOML, it has no section `[study]`, a key is unknown, a value is of the
            wrong type or out of range, settings contradict each other, or it is the other kind of study.
    """
    recipe = read_toml(path, changes, StudyRecipe)
    if surveys and not recipe.study.replicates:
        raise InputError(f"{path}: has no [study.replicates]; python -m eval.cv runs studies with folds")
    if recipe.study.replicates and not surveys:
        raise InputError(f"{path}: a study of independent surveys, not of folds; run it with python -m eval.worth")
    return recipe


def read_replicates(
    path: Path, arms: str = "", changes: list[str] | None = None
) -> tuple[StudyRecipe, ReplicatesSection]:
    """Read the recipe of a study of independent surveys, as commands take it.

    Args:
        path: A TOML file.
        arms: Names of the arms instead of the recipe's, separated by commas; the recipe's if empty.
        changes: As for `read_study`.

    Returns:
        The recipe, and its section `[study.replicates]`.

    Raises:
        InputError: As `read_study`; or an arm is unknown.
    """
    names = [name.strip() for name in arms.split(",") if name.strip()]
    if names:
        check_arms(names, "--arms")
    recipe = read_study(path, [*(changes or []), *([f"study.arms={names}"] if names else [])], surveys=True)
    assert recipe.study.replicates is not None
    return recipe, recipe.study.replicates


def check_flows(recipe: StudyRecipe, arms: list[str], where: str) -> None:
    """Make sure that the recipe has phases for the flows that arms need.

    Args:
        recipe: The recipe.
        arms: Names of the arms.
        where: Where they are named, for the error.

    Raises:
        InputError: The phases of a flow include a class that they must not, or lack one that they must have.
    """
    rare = recipe.data.label
    for arm in arms:
        flow = ARMS[arm].flow
        if flow is None:
            continue
        seen = {label for phase in recipe.phases_of(flow) for label in phase.labels}
        if flow == "rare" and seen != {rare}:
            raise InputError(
                f"{where}: the arm {arm} needs a flow of {rare!r} gathers alone; give its phases as "
                "[[study.flow_rare]], or leave out the arm"
            )
        if flow in ("noise", "transplant") and not seen >= {rare}:
            raise InputError(
                f"{where}: the arm {arm} needs a flow that has seen {rare!r} gathers; give its phases as "
                "[[study.flow_noise]], or leave out the arm"
            )
        if flow == "all" and not seen > {rare}:
            raise InputError(
                f"{where}: the arm {arm} needs a flow trained on other classes first; give its phases as "
                "[[study.flow_all]], or leave out the arm"
            )
