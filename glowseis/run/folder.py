"""A run's folder: its record, what tells it from another run, and who may write there."""

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import platform
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import glowseis
from glowseis.errors import InputError
from glowseis.export.folders import ABOUT, newest_version
from glowseis.recipe import AnyRecipe, told
from glowseis.survey.store.survey import Survey

RECORD, RESULT = "run.json", "result.json"

FOLDS = "folds_checksum"
"""Where a record names the file of folds that the run depends on."""

ROWS = "rows_checksum"
"""Where a record tells which gathers train and which judge, when whoever began the run chose them."""

BATCH = "batch"
"""Where a record tells how many gathers a step takes, when devices made them more than the recipe says."""

MEND = "give another --out or --set name=NAME, or remove it"
"""What to do about a folder that holds something else."""


def record_of(
    recipe: AnyRecipe,
    survey: Survey,
    folds_checksum: str | None = None,
    rows_checksum: str | None = None,
    batch: int | None = None,
) -> dict[str, Any]:
    """What tells a run from another.

    Args:
        recipe: What to do.
        survey: The gathers.
        folds_checksum: That of the folds which say what is trained on, if any.
        rows_checksum: That of the gathers which train and judge, if whoever began the run chose them.
        batch: Gathers of a step, if not the recipe's.
    """
    packages = ("tensorflow", "keras", "numpy")
    return {
        "recipe": recipe.model_dump(),
        "survey": str(survey.path),
        "survey_checksum": survey.checksum,
        **({FOLDS: folds_checksum} if folds_checksum else {}),
        **({ROWS: rows_checksum} if rows_checksum else {}),
        **({BATCH: batch} if batch else {}),
        "versions": {
            "glowseis": glowseis.__version__,
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in packages},
        },
        "commit": commit(),
    }


@functools.cache
def commit() -> str | None:
    """The checkout's commit, with `-dirty` when it was changed; None outside a checkout.

    It is that of when the process first asked: the checkout may move on while the code that it read works.
    """
    try:
        asked = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        here = Path(__file__).parent
        return subprocess.run(asked, cwd=here, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


@contextlib.contextmanager
def claimed(folder: Path, record: dict[str, Any], say: Callable[[str], None]) -> Iterator[str]:
    """Make the run's folder, or make sure that it holds this very run; keep other processes out.

    Args:
        folder: The run's; made when missing.
        record: What tells the run from another (`record_of`).
        say: Called with a line when the run was begun with other versions.

    Yields:
        The run's identity.

    Raises:
        InputError: The folder holds another run or something else, or another process trains there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # A run that is done is read alone, by as many as like.
            if not (folder / RESULT).exists():
                raise InputError(
                    f"{folder}: another process is training there; wait for it or give another --out"
                ) from None
        path = folder / RECORD
        # What a killed writer of the record leaves is no run yet.
        if all(entry == _unfinished(path) for entry in folder.iterdir()):
            write_json(path, {"run": uuid.uuid4().hex, **record})
        yield _check_same(folder, record, say)
    finally:
        os.close(lock)


def check_folder(folder: Path, recipe: AnyRecipe, survey: Survey | None = None) -> None:
    """Make sure that a folder is free, or holds a run of this recipe and survey; `claimed` looks at all the rest.

    Args:
        folder: The run's.
        recipe: What to do.
        survey: The gathers; not compared when None.

    Raises:
        InputError: It holds another run or something else.
    """
    path = folder / RECORD
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder; give another --out")
    if any(entry != _unfinished(path) for entry in folder.iterdir()):
        _check_settings(folder, recipe.model_dump(), survey.checksum if survey else None)


def _check_settings(folder: Path, recipe: dict[str, Any], survey_checksum: str | None) -> None:
    """Make sure that a folder holds a run of a recipe and a survey."""
    try:
        there = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        changed = difference(told(there["recipe"]), told(json.loads(json.dumps(recipe))))
        survey, checksum = there.get("survey"), there["survey_checksum"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder}: is not the folder of a run; give another --out") from None
    if changed:
        raise InputError(f"{folder}: holds a run of another recipe ({changed}); {MEND}")
    if survey_checksum not in (None, checksum):
        raise InputError(f"{folder}: holds a run on another survey, {survey}; {MEND}")


def _check_same(folder: Path, record: dict[str, Any], say: Callable[[str], None]) -> str:
    """Make sure that a folder holds this very run; give its identity."""
    _check_settings(folder, record["recipe"], record["survey_checksum"])
    try:
        there = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        other_folds = there.get(FOLDS) != record.get(FOLDS)
        other_rows = there.get(ROWS) != record.get(ROWS)
        batch, other_batch = (
            one.get(BATCH) or one["recipe"]["training"]["batch"]
            for one in (record, {**there, "recipe": record["recipe"]})
        )
        identity, versions = str(there["run"]), there["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder}: is not the folder of a run; give another --out") from None
    if other_folds:
        raise InputError(f"{folder}: holds a run on other folds; {MEND}")
    if other_rows:
        raise InputError(f"{folder}: holds a run on other gathers of that survey; {MEND}")
    if batch != other_batch:
        raise InputError(
            f"{folder}: holds a run of {other_batch} gathers a step, which would be {batch} on as many devices; "
            f"use a number of devices that divides {other_batch}, or give another --out"
        )
    upgraded = difference(versions, record["versions"])
    if upgraded:
        say(f"{folder}: begun with other versions ({upgraded}); it may not end as it would have with those")
    return identity


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


def export_once(identity: str, folder: Path, export: Callable[[Path], None]) -> Path:
    """Write a run's SavedModel as the next version, unless this run did so before it was stopped.

    Args:
        identity: The run's.
        folder: `savedmodels/NAME`.
        export: Writes it to the version's folder.

    Returns:
        The version's folder.
    """
    newest = newest_version(folder)
    if newest and (newest / ABOUT).exists() and read_json(newest / ABOUT).get("run") == identity:
        return newest
    target = folder / str(int(newest.name) + 1 if newest else 1)
    export(target)
    return target


def finish(folder: Path, result: dict[str, Any], savedmodel: Path, started: float, first_step_at: float | None) -> None:
    """Add to a run's figures where its SavedModel is, its checksum and what it took, and write them to `result.json`.

    Args:
        folder: The run's.
        result: The figures; changed.
        savedmodel: The SavedModel's folder.
        started: When the command started, by `time.monotonic`.
        first_step_at: When its first step was done, likewise; None when it had none to do.
    """
    result["savedmodel"] = str(savedmodel)
    result["savedmodel_sha256"] = folder_checksum(savedmodel)
    result["command_s"] = round(time.monotonic() - started, 1)
    if first_step_at is not None:
        result["first_step_s"] = round(first_step_at - started, 1)
    write_json(folder / RESULT, result)


def folder_checksum(folder: Path) -> str:
    """SHA-256 of all files of a folder, such as a SavedModel's, and of their names."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    each = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return hashlib.sha256(json.dumps(each, sort_keys=True).encode()).hexdigest()


def last_lines(result: dict[str, Any]) -> list[str]:
    """What `finish` added, for the terminal."""
    first_step = f", the first step after {result['first_step_s']:g} s" if "first_step_s" in result else ""
    return [
        f"{result['command_s']:g} s from the command's start{first_step}",
        f"SavedModel: {result['savedmodel']}",
    ]


def deterministic() -> None:
    """Ask for kernels that repeat: a GPU's fastest ones add up in any order; a resumed run would end elsewhere."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


def ids(survey: Survey, rows: np.ndarray) -> list[str]:
    """Gather ids of rows."""
    return [str(name) for name in survey.index["gather_id"].to_numpy()[rows]]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file of JSON, whole or not at all."""
    _unfinished(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(_unfinished(path), path)


def _unfinished(path: Path) -> Path:
    return path.with_suffix(".writing")


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of JSON.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise InputError(f"{path}: cannot be read; remove it, and the same command makes it again") from None
