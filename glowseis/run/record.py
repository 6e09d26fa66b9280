"""A run's record, `run.json`: what identifies the run, and how two records differ."""

import functools
import json
import platform
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pydantic

from glowseis.errors import InputError
from glowseis.files import is_writers, read_json
from glowseis.recipe import AnyRecipe, identifying
from glowseis.survey.store.survey import Survey
from glowseis.version import __version__

RECORD = "run.json"

MEND = "give another --out or --set name=NAME, or remove it"
"""What to do about a folder that holds something else."""


class _Recorded(pydantic.BaseModel, strict=True):
    """A record, as far as it is read back.

    Attributes:
        run: The run's identity.
        recipe: Its settings.
        survey: Path of its survey.
        survey_checksum: The survey's checksum.
        relabelling: Where labels came from that differ from the survey's records, as `Relabelling.record`.
        folds_checksum: Checksum of the file of folds that the run depends on.
        rows_checksum: Checksum of the gathers that train and judge, if the caller chose them.
        start: What it began with, by name and checksum: a saved model that it starts from, a survey to rehearse, a
            flow that makes gathers. Paths to these do not count.
        batch: Gathers per step, if the number of devices raised it above the recipe's.
        versions: Versions of Python and packages.
    """

    run: str
    recipe: dict[str, Any]
    survey: str | None = None
    survey_checksum: str
    relabelling: dict[str, Any] | None = None
    folds_checksum: str | None = None
    rows_checksum: str | None = None
    start: dict[str, Any] | None = None
    batch: int | None = None
    versions: dict[str, str]


def record_of(
    recipe: AnyRecipe,
    survey: Survey,
    folds_checksum: str | None = None,
    rows_checksum: str | None = None,
    batch: int | None = None,
    start: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What identifies a run.

    Args:
        recipe: What to train, and how.
        survey: The gathers.
        folds_checksum: Checksum of the folds that say what is trained on, if any.
        rows_checksum: Checksum of the gathers that train and judge, if the caller chose them.
        batch: Gathers per step, if not the recipe's.
        start: What it began with, such as the saved model that it starts from (`glowseis.run.starting.began_with`).
    """
    packages = ("tensorflow", "keras", "numpy")
    relabelling = survey.relabelling.record() if survey.relabelling else None
    optional = {
        "relabelling": relabelling,
        "folds_checksum": folds_checksum,
        "rows_checksum": rows_checksum,
        "batch": batch,
        "start": start,
    }
    return {
        "recipe": recipe.model_dump(),
        "survey": str(survey.path),
        "survey_checksum": survey.checksum,
        **{name: value for name, value in optional.items() if value},
        "versions": {
            "glowseis": __version__,
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in packages},
        },
        "commit": commit(),
    }


@functools.cache
def commit() -> str | None:
    """The checkout's commit, with `-dirty` if it was changed; None outside a checkout.

    It is taken when the process first asks, because the checkout may change while the loaded code runs.
    """
    try:
        asked = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        here = Path(__file__).parent
        return subprocess.run(asked, cwd=here, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def is_free(folder: Path) -> bool:
    """Whether no run was begun in a folder; files that a killed writer of the record left do not count."""
    return all(is_writers(entry) for entry in folder.iterdir())


def check_folder(folder: Path, recipe: AnyRecipe, survey: Survey | None = None) -> None:
    """Make sure that a folder is free, or holds a run of this recipe and survey; `check_same` checks the rest.

    Args:
        folder: The run's folder.
        recipe: What to train, and how.
        survey: The gathers; not compared when None.

    Raises:
        InputError: It holds another run or something else.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder; give another --out")
    if not is_free(folder):
        relabelling = survey.relabelling.record() if survey and survey.relabelling else None
        _check_settings(folder, recipe.model_dump(), survey.checksum if survey else None, relabelling)


def check_same(folder: Path, record: dict[str, Any], say: Callable[[str], None]) -> str:
    """Make sure that a folder holds this same run.

    Args:
        folder: The run's folder.
        record: What identifies the run (`record_of`).
        say: Called with a line if the run was begun with other versions.

    Returns:
        The run's identity.

    Raises:
        InputError: It holds another run or something else.
    """
    there = _check_settings(folder, record["recipe"], record["survey_checksum"], record.get("relabelling"))
    if there.folds_checksum != record.get("folds_checksum"):
        raise InputError(f"{folder}: holds a run with other folds; {MEND}")
    if there.rows_checksum != record.get("rows_checksum"):
        raise InputError(f"{folder}: holds a run on other gathers of that survey; {MEND}")
    if other := difference(there.start or {}, record.get("start") or {}):
        raise InputError(
            f"{folder}: holds a run that began with another saved model or survey, or with other unsure gathers "
            f"({other}); {MEND}"
        )
    of_recipe = record["recipe"]["training"]["batch"]
    batch, other_batch = record.get("batch") or of_recipe, there.batch or of_recipe
    if batch != other_batch:
        raise InputError(
            f"{folder}: holds a run with {other_batch} gathers per step, which would be {batch} on this many devices; "
            f"use a number of devices that divides {other_batch}, or give another --out"
        )
    upgraded = difference(there.versions, record["versions"])
    if upgraded:
        say(f"{folder}: begun with other versions ({upgraded}); its results may differ from a run with those")
    return there.run


def difference(old: Any, new: Any, place: str = "") -> str | None:
    """The first setting in which two recipes differ, in words."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        changes = (difference(old[key], new[key], f"{place}.{key}".lstrip(".")) for key in old)
        return next((change for change in changes if change), None)
    if isinstance(old, dict) and isinstance(new, dict):
        key = sorted(old.keys() ^ new.keys())[0]
        return f"{place}.{key}".lstrip(".") + (" was set" if key in old else " was not there")
    tables = isinstance(old, list) and isinstance(new, list) and len(old) == len(new)
    if tables and all(isinstance(one, dict) for one in [*old, *new]):
        return difference(dict(enumerate(old)), dict(enumerate(new)), place)
    return None if old == new else f"{place or 'settings'} was {old!r}, now {new!r}"


def other_labels(there: dict[str, Any] | None, now: dict[str, Any] | None) -> str:
    """Where the labels of a record came from, if now they are others; empty if they are the same.

    Args:
        there: The record's `relabelling`.
        now: The same of the survey as it is used now.
    """
    if (there or {}).get("checksum") == (now or {}).get("checksum"):
        return ""
    return f"labels of {', '.join(there['files'])}" if there else "the labels of the survey's own records"


def _check_settings(
    folder: Path, recipe: dict[str, Any], survey_checksum: str | None, relabelling: dict[str, Any] | None
) -> _Recorded:
    """Make sure that a folder holds a run of a recipe and a survey with its labels; return its record."""
    try:
        there = _Recorded.model_validate(read_json(folder / RECORD))
    except (OSError, ValueError):
        raise InputError(f"{folder}: not the folder of a run; give another --out") from None
    before, now = there.recipe, json.loads(json.dumps(recipe))
    if there.start:
        before, now = _without_paths(before), _without_paths(now)
    changed = difference(identifying(before), identifying(now))
    if changed:
        raise InputError(f"{folder}: holds a run of another recipe ({changed}); {MEND}")
    if survey_checksum not in (None, there.survey_checksum):
        if labels := other_labels(there.relabelling, relabelling):
            raise InputError(f"{folder}: holds a run on {there.survey} with {labels}; {MEND}")
        raise InputError(f"{folder}: holds a run on another survey, {there.survey}; {MEND}")
    return there


def _without_paths(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe without the paths of what a run began with, of which it records checksums."""
    training = recipe["training"] | {"start_from": ""}
    if "rehearsal_survey" in training:
        training["rehearsal_survey"] = ""
    rare = {"rare": recipe["rare"] | {"flow": ""}} if "rare" in recipe else {}
    return recipe | {"training": training} | rare
