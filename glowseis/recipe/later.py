"""Settings that were added when runs were kept already, and what tells one run from another all the same."""

from collections.abc import Mapping
from typing import Any

LATER: dict[str, Any] = {
    "training.reversible": "auto",
    "training.conditioners": "float32",
    "training.at_once": 0,
    "survey.acquisitions": 0,
    "survey.first_acquisition": 1,
    "survey.weather": 0.0,
}
"""Settings that came when runs were kept already, which do not name them, and the default each came with.

A setting that is added to a recipe goes in here, unless what was kept before is no longer to count. Its value here
stays, even if the default changes.
"""

LATER_OF_CLASSIFIERS: dict[str, Any] = {"data.augment": [], "data.window": "", "classifier.companded": False}
"""The same for recipes of classifiers alone: flows had `data.augment` from the start."""


def told(settings: Any, later: Mapping[str, Any] | None = None) -> Any:
    """The settings that tell one run from another: all but later ones that still have their first default.

    Args:
        settings: A recipe as a dictionary, such as `model_dump` or `run.json` gives it; anything else is given back.
        later: Later settings of sections that the caller adds to a recipe, as in `LATER`.
    """
    is_classifiers = isinstance(settings, dict) and "classifier" in settings
    every = {**LATER, **(LATER_OF_CLASSIFIERS if is_classifiers else {}), **(later or {})}
    for key, default in every.items():
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
