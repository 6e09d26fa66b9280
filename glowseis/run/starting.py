"""The saved model that a training starts from: found and checked, and what the recipe takes from it."""

import functools
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pydantic

from glowseis.errors import InputError, first_wrong
from glowseis.export.about import profile_in
from glowseis.export.folders import (
    check_fits,
    damaged,
    model_name,
    read_about,
    savedmodel_folder,
    savedmodel_sha256,
)
from glowseis.export.known import KnownGathers, known_gathers
from glowseis.judging.combination import Combination, combination_from
from glowseis.recipe import (
    ClassifierRecipe,
    ClassifierSection,
    FlowSection,
    Recipe,
    Section,
    Windowed,
)
from glowseis.run.record import RECORD
from glowseis.run.result import RESULT
from glowseis.shipped import READY
from glowseis.survey.matching.profile import Profile, image_intervals_s, image_spacings_m
from glowseis.survey.matching.sameness import check_trained_on
from glowseis.survey.store.survey import Survey

KEY = "training.start_from"

AnySection = TypeVar("AnySection", bound=Section)


@dataclass(frozen=True)
class Start:
    """A saved model, as far as it is known without TensorFlow.

    Attributes:
        folder: Its version's folder.
        about: What it records of itself.
    """

    folder: Path
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name and version, such as `robust/3`."""
        return model_name(self.folder)

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 of its files."""
        return savedmodel_sha256(self.folder)

    @functools.cached_property
    def known(self) -> KnownGathers:
        """Gathers that trained it or chose its weights, or did so for the model that it started from."""
        return known_gathers(self.about)

    @functools.cached_property
    def profile(self) -> Profile | None:
        """What it was trained on; None if an older glowseis wrote it."""
        return profile_in(dict(self.about))

    @property
    def labels(self) -> tuple[str, ...]:
        """A classifier's classes, in order of severity."""
        return tuple(map(str, self.about["labels"]))

    @property
    def size(self) -> tuple[int, int]:
        """Samples and traces of the images, or windows of them, that it was trained on."""
        height, width, _ = self.about["image_shape"]
        return int(height), int(width)

    @property
    def combination(self) -> Combination | None:
        """A classifier's rule for windows; None if an older glowseis wrote it."""
        rule = self.about.get("combination")
        return combination_from(rule, len(self.labels)) if rule else None

    @property
    def temperature(self) -> float | None:
        """The temperature of a classifier's calibration; None if it has none."""
        calibration = self.about.get("calibration")
        return float(calibration["temperature"]) if calibration else None


def began_with(
    start: Start | None,
    rehearsal: Survey | None = None,
    flow: Start | None = None,
    unsure: Collection[str] = (),
) -> dict[str, Any]:
    """What a run began with, as JSON; it tells the run from others.

    Args:
        start: The saved model that it starts from.
        rehearsal: The survey that it rehearses.
        flow: The flow that makes gathers for it.
        unsure: Ids of gathers that cannot be stand-ins, because judges gave them no label.
    """
    return {
        **({"name": start.name, "sha256": start.sha256} if start else {}),
        **({"rehearsal_checksum": rehearsal.checksum} if rehearsal else {}),
        **({"flow": flow.name, "flow_sha256": flow.sha256} if flow else {}),
        **({"unsure": hashlib.sha256("\n".join(sorted(unsure)).encode()).hexdigest()} if unsure else {}),
    }


def earlier_ids(*beginnings: Start | None, rehearsed: Iterable[str] = ()) -> list[str]:
    """Ids of gathers that trained a model, or chose its weights, before its own training or beside it.

    Args:
        beginnings: The saved models that it starts from, or that made gathers for it.
        rehearsed: Gathers that it rehearses.
    """
    return sorted({*rehearsed, *(name for one in beginnings if one for name in one.known.ids)})


def known_before(survey: Survey, rows: np.ndarray, *beginnings: Start | None) -> dict[str, int]:
    """How many gathers trained saved models, or chose their weights, by the models' names; none is left out.

    Args:
        survey: The survey, as the models see it.
        rows: Rows of the gathers, such as those to be tested on.
        beginnings: The saved models.
    """
    ids = survey.index["gather_id"].to_numpy(object)
    found = {
        one.name: sum(one.known.has(ids[row], functools.partial(survey.read, int(row))) for row in rows)
        for one in beginnings
        if one
    }
    return {name: count for name, count in found.items() if count}


def find_start(text: str | Path, kind: str, key: str = KEY) -> Start:
    """Find a saved model to start from.

    Args:
        text: The name of a ready model or of one in `savedmodels/`, such as `robust` or `robust/3`, or a folder.
        kind: `flow` or `classifier`.
        key: The setting that names it, for errors.

    Raises:
        InputError: There is none, it is of another kind, or cannot be read; or it names a run that is not finished.
    """
    given = Path(text)
    for path in (given, "savedmodels" / given):
        if folder := savedmodel_folder(path):
            start = Start(folder, read_about(folder, kind))
            try:
                _ = start.size, start.profile, kind == "flow" or (start.labels, start.combination, start.temperature)
            except (KeyError, TypeError, ValueError, AttributeError) as wrong:
                raise damaged(folder, kind, wrong) from None
            return start
    for run in (given, "runs" / given):
        if (run / RECORD).is_file():
            how = (
                "name the SavedModel that it wrote"
                if (run / RESULT).is_file()
                else "it is not finished; finish it first"
            )
            raise InputError(f'{key} = "{text}": {run} is a run, not a SavedModel; {how}')
    ready = f'"{READY[kind].parent.name}", ' if kind in READY else ""
    raise InputError(
        f'{key} = "{text}": no SavedModel there or in savedmodels/; give {ready}savedmodels/NAME or a version of it'
    )


def classifier_start(recipe: ClassifierRecipe) -> Start | None:
    """The saved classifier that a recipe's training starts from; None if it starts anew.

    Raises:
        InputError: As `find_start`.
    """
    return find_start(recipe.training.start_from, "classifier") if recipe.training.start_from else None


def with_start(recipe: ClassifierRecipe) -> ClassifierRecipe:
    """A recipe with what it takes from the saved classifier that it starts from: network, window, augmentations.

    Args:
        recipe: The recipe; returned as it is if it starts anew.

    Raises:
        InputError: As `find_start`; or the recipe says something else of network or window.
    """
    start = classifier_start(recipe)
    if start is None:
        return recipe
    saved = start.about.get("recipe", {})
    network = _agreed(start, "classifier", recipe.classifier, saved, ClassifierSection)
    data = recipe.data
    taken = {"window": _agreed_window(start, data)}
    if "augment" not in data.model_fields_set:
        taken["augment"] = saved.get("data", {}).get("augment", [])
    return recipe.model_copy(update={"classifier": network, "data": data.model_copy(update=taken)})


def flow_start(recipe: Recipe, survey: Survey) -> Start | None:
    """The saved flow that a recipe's fitting starts from; None if it starts anew.

    Raises:
        InputError: As `find_start`; or it is for gathers of another size or trace spacing, or for whole gathers of
            another sample interval.
    """
    if not recipe.training.start_from:
        return None
    start, index = find_start(recipe.training.start_from, "flow"), survey.index
    check_fits(dict(start.about), start.name, survey)
    # Gathers of which windows are cut are resampled first.
    intervals_s = np.zeros(0) if start.about.get("window") else image_intervals_s(index)
    check_trained_on(start.name, start.profile, intervals_s, image_spacings_m(index), survey.path)
    return start


def with_flow_start(recipe: Recipe) -> Recipe:
    """A recipe with the size and the window of the saved flow that it starts from.

    Args:
        recipe: The recipe; returned as it is if it starts anew.

    Raises:
        InputError: As `find_start`; or the recipe says another size.
    """
    if not recipe.training.start_from:
        return recipe
    start = find_start(recipe.training.start_from, "flow")
    network = _agreed(start, "flow", recipe.flow, start.about.get("recipe", {}), FlowSection)
    data = recipe.data.model_copy(update={"window": _agreed_window(start, recipe.data)})
    return recipe.model_copy(update={"flow": network, "data": data})


def _agreed_window(start: Start, data: Windowed) -> str:
    """The window of a saved model, which the recipe must not contradict; it may name the size of whole images."""
    window = "x".join(map(str, start.about.get("window") or ()))
    if "window" not in data.model_fields_set:
        return window
    of_images = "x".join(map(str, start.size))
    if data.window != window and (window or data.window != of_images):
        raise InputError(
            f'data.window = "{data.window}" contradicts {start.name}, which was trained on '
            f"{f'windows of {window}' if window else f'whole images of {of_images}'}; leave it out"
        )
    return data.window


def _agreed(
    start: Start, name: str, section: AnySection, saved: Mapping[str, Any], kind: type[AnySection]
) -> AnySection:
    """The saved model's section, which the recipe's must not contradict."""
    try:
        network = kind.model_validate(saved[name])
    except pydantic.ValidationError as wrong:
        raise damaged(start.folder, start.about["kind"], ValueError(first_wrong(wrong))) from None
    except KeyError as wrong:
        raise damaged(start.folder, start.about["kind"], wrong) from None
    for key in sorted(section.model_fields_set):
        if getattr(section, key) != getattr(network, key):
            raise InputError(
                f"{name}.{key} = {getattr(section, key)!r} contradicts {start.name}, which has "
                f"{getattr(network, key)!r}; leave it out"
            )
    return network


def check_whole_images(start: Start, survey: Survey, window: str) -> None:
    """Make sure that a survey's gathers have the size of a model's images, unless it sees windows of them.

    Args:
        start: The saved model.
        survey: The gathers, matched to it.
        window: The recipe's window.

    Raises:
        InputError: They have another size.
    """
    if not window and tuple(survey.size) != start.size:
        size, own = ("x".join(map(str, each)) for each in (start.size, survey.size))
        raise InputError(
            f"{survey.path}: its gathers are {own}, but {start.name} sees images of {size}; pass --set "
            f"data.window={size}, to use windows of them"
        )
