"""Settings that were added after runs had been stored, and the settings that still identify such a run."""

from collections.abc import Mapping
from typing import Any

LATER: dict[str, Any] = {
    "data.window": "",
    "flow.condition": 0,
    "training.activations": "auto",
    "training.jit_compile": False,
    "training.conditioners": "float32",
    "training.at_once": 0,
    "training.start_from": "",
    "survey.acquisitions": 0,
    "survey.first_acquisition": 1,
    "survey.weather": 0.0,
}
"""Settings added after runs had been stored without them, and the default each had when it was added.

Add every new setting of a recipe here, unless runs stored before it should no longer count as the same. Its value here
never changes, even if the default does.
"""

LATER_OF_CLASSIFIERS: dict[str, Any] = {
    "data.augment": [],
    "data.rename": {},
    "training.head_epochs": 0,
    "training.head_learning_rate": 1e-3,
    "training.rehearsal": 0.0,
    "training.rehearsal_survey": "",
    "training.stand_ins": 0,
    "classifier.companded": False,
    "rare": {"add": "", "label": "bad", "count": 200, "flow": ""},
    "grading": {"fractions": "survey", "missed_cost": None, "unsure_below": 0.0},
}
"""The same, only for recipes of classifiers: flows had `data.augment` from the start."""


def identifying(settings: Any, later: Mapping[str, Any] | None = None) -> Any:
    """The settings that identify a run: all except later ones that still have their first default.

    Args:
        settings: A recipe as a dictionary, as `model_dump` or `run.json` gives it; anything else is returned as is.
        later: Later settings of sections that the caller adds to a recipe, as in `LATER`.
    """
    if isinstance(settings, dict) and isinstance(settings.get("training"), dict):
        settings = settings | {"training": renamed(settings["training"])}
    is_classifiers = isinstance(settings, dict) and "classifier" in settings
    every = {**LATER, **(LATER_OF_CLASSIFIERS if is_classifiers else {}), **(later or {})}
    for key, default in every.items():
        settings = _without(settings, key.split("."), default)
    return settings


def renamed(training: dict[str, Any]) -> dict[str, Any]:
    """Settings of a flow's training with `activations` in place of `reversible`, which was true, false or "auto".

    Args:
        training: The section as it was written or recorded. It is returned as is if `reversible` has another value, or
            if both are given.
    """
    before = training.get("reversible")
    if "activations" in training or not (isinstance(before, bool) or before == "auto"):
        return training
    activations = before if before == "auto" else "recomputed" if before else "stored"
    return {key: value for key, value in training.items() if key != "reversible"} | {"activations": activations}


def _without(settings: Any, keys: list[str], value: Any) -> Any:
    """A copy without the setting at a place, if it has that value; it may be missing."""
    first, *rest = keys
    if not isinstance(settings, dict) or first not in settings:
        return settings
    if rest:
        return settings | {first: _without(settings[first], rest, value)}
    return settings if settings[first] != value else {key: one for key, one in settings.items() if key != first}
