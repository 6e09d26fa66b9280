"""In what order the arms of a study of independent surveys are worked on, and which studies that suits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.on_jax.batches import CHANGES
from eval.study.names import ON_JAX, Flow
from eval.study.recipe import SettingSection, StudyRecipe
from glowseis.errors import InputError
from glowseis.survey.gather import LABELS

FLOWS: dict[str, Flow] = {"flow": "rare", "noise-flow": "noise"}
"""Arms that need a flow, and which."""


@dataclass(frozen=True)
class Stage:
    """What is worked on together: some surveys of one weather, in settings that differ in their rare gathers alone.

    Attributes:
        weather: Their weather.
        settings: The settings.
        arms: Arms of each setting.
        numbers: Numbers of the surveys.
    """

    weather: float
    settings: list[SettingSection]
    arms: dict[str, list[str]]
    numbers: list[int]


def needs_flows(stage: Stage) -> bool:
    """Whether one of its arms needs a flow."""
    return any(arm in FLOWS for arms in stage.arms.values() for arm in arms)


def check_suits(recipe: StudyRecipe, path: Path) -> None:
    """Make sure that a study is one that this command can run.

    Raises:
        InputError: It has other arms, or settings that only TensorFlow's trainers know.
    """
    study, training = recipe.study, recipe.study.training
    assert study.replicates is not None
    arms = [*study.arms, *(study.replicates.scarcity.arms if study.replicates.scarcity else [])]
    if other := [arm for arm in arms if arm not in ON_JAX]:
        raise InputError(f"{path}: the arm {other[0]} is not one of {', '.join(ON_JAX)}; use python -m eval.worth")
    for key, value, wanted in (
        ("survey.acquisitions", recipe.survey.acquisitions, 0),
        ("study.independent.acquisitions", study.independent.acquisitions if study.independent else 0, 0),
        ("data.label", recipe.data.label, "bad"),
        ("study.labels", list(study.labels), list(LABELS)),
        ("study.augment", sorted(study.augment), sorted(CHANGES)),
        ("study.classifier.head", study.classifier.head, "softmax"),
        ("study.training.class_weights", training.class_weights, "none"),
        ("study.training.keep", training.keep, "last"),
        ("study.training.patience", training.patience, 0),
        ("study.path", study.path, "spherical"),
        ("data.augment", sorted(recipe.data.augment), sorted(CHANGES)),
        ("training.keep", recipe.training.keep, "best"),
        ("training.weight_decay", recipe.training.weight_decay, 0.0),
        ("training.conditioners", recipe.training.conditioners, "float32"),
    ):
        if value != wanted:
            raise InputError(f"{path}: {key} is {value!r}, and here only {wanted!r} works; use python -m eval.worth")
    if not training.steps_per_epoch:
        raise InputError(f"{path}: study.training.steps_per_epoch is 0; give a number, or use python -m eval.worth")


def stages_of(recipe: StudyRecipe, chosen: Sequence[str], numbers: Sequence[int], together: int) -> list[Stage]:
    """The stages of some settings and surveys, in the order of the recipe; points of the curve share their stages."""
    replicates = recipe.study.replicates
    assert replicates is not None
    main = [one.name for one in replicates.settings]
    groups = [[one] for one in replicates.settings if one.name in chosen]
    points = [one for name, one in replicates.every_setting.items() if name in chosen and name not in main]
    found = []
    for settings in [*groups, *([points] if points else [])]:
        arms = {one.name: replicates.surveys_of(one.name, recipe.study.arms) for one in settings}
        most = max(count for wanted in arms.values() for count in wanted.values())
        some = [number for number in numbers if number < most]
        for start in range(0, len(some), together):
            part = some[start : start + together]
            found.append(
                Stage(settings[0].weather, list(settings), {name: list(wanted) for name, wanted in arms.items()}, part)
            )
    return found
