"""A run on disk: its record, its survey, its training, its SavedModel and its figures.

```
runs/NAME/
  run.json       recipe, survey and its checksum, versions, git commit
  checkpoints/   last state and best weights
  logs/          TensorBoard
  result.json    the figures, when it is done
```
"""

import contextlib
import fcntl
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
import tensorflow as tf

import glowseis
from glowseis.errors import InputError
from glowseis.export import ABOUT, export_flow, newest_version
from glowseis.fitting.loop import FlowFitting
from glowseis.fitting.rivals import lossless_bits, patch_gaussian_bits
from glowseis.fitting.selection import Selection, select
from glowseis.fitting.stopping import Stopping
from glowseis.models.glow import Glow
from glowseis.recipe import Recipe, SurveySection
from glowseis.survey.pipeline import images
from glowseis.survey.progress import progress
from glowseis.survey.records import Survey, open_survey, write_survey
from glowseis.survey.render import render_recording
from glowseis.survey.simulate import SIMULATOR_VERSION, Acquisition, simulate_recordings
from glowseis.survey.size import parse_size

RECORD, RESULT = "run.json", "result.json"


def train(
    recipe: Recipe, survey: Survey, folder: Path, savedmodels: Path, say: Callable[[str], None], started: float
) -> dict[str, Any]:
    """Train a recipe's flow on a survey, or go on where an earlier process stopped, and export it.

    Args:
        recipe: What to do.
        survey: The gathers.
        folder: The run's folder; made when missing.
        savedmodels: Where the SavedModel goes, as `NAME/VERSION` with the next free version.
        say: Called with lines for the user.
        started: When the command started, by `time.monotonic`.

    Returns:
        The figures, as they stand in `result.json`.

    Raises:
        InputError: The folder holds another run or something else, or the survey does not suit the recipe.
        StoppedError: A signal came; the state is saved.
        FittingError: The loss is not finite, or the flow no longer inverts.
    """
    selection = select(survey, recipe)
    check_size(recipe, survey.size, str(survey.path))
    with _claimed(folder, _record(recipe, survey), say) as identity, Stopping() as stopping:
        if (folder / RESULT).exists():
            say(f"{folder}: this run is done; its figures:")
            return _read_json(folder / RESULT)
        if tf.config.list_physical_devices("GPU"):
            # A GPU's fastest kernels add up in any order; a resumed run would end elsewhere.
            tf.config.experimental.enable_op_determinism()
        fitting = FlowFitting(recipe, survey, selection, folder, stopping)
        weights = sum(int(np.prod(weight.shape)) for weight in fitting.trainer.flow.trainable_weights)
        held_out = len(selection.held_out)
        say(
            f"flow of {weights:,} weights; {len(selection.training)} gathers to train on, "
            f"{len(selection.rare)} of them {recipe.data.label}; {held_out} held out; {fitting.steps} steps"
        )
        if fitting.restored:
            say(f"going on after step {fitting.checkpoints.step} of {fitting.steps}")
        flow = fitting.run()
        result = _figures(fitting, survey, selection)
        about = {
            **_record(recipe, survey),
            "run": identity,
            "label": recipe.data.label,
            "training_ids": _ids(survey, selection.training),
            "held_out_ids": _ids(survey, selection.held_out),
            "figures": result,
        }
        result["savedmodel"] = str(_export(flow, savedmodels / recipe.name, about))
        result["command_s"] = round(time.monotonic() - started, 1)
        if fitting.first_step_at is not None:
            result["first_step_s"] = round(fitting.first_step_at - started, 1)
        _write_json(folder / RESULT, result)
    return result


def _export(flow: Glow, folder: Path, about: dict[str, Any]) -> Path:
    """Write the SavedModel as the next version, unless this run did so before it was stopped."""
    newest = newest_version(folder)
    if newest and (newest / ABOUT).exists() and _read_json(newest / ABOUT).get("run") == about["run"]:
        return newest
    target = folder / str(int(newest.name) + 1 if newest else 1)
    export_flow(flow, target, about)
    return target


def own_survey(section: SurveySection, folder: Path) -> Survey:
    """The survey that a recipe makes for itself, made now unless it is there already.

    Args:
        section: The recipe's.
        folder: Where it lies or goes.

    Raises:
        InputError: The folder holds another survey or something else.
    """
    about = {"simulator": {"version": SIMULATOR_VERSION, **section.model_dump()}}
    if not folder.exists() or not any(folder.iterdir()):
        height, width = parse_size(section.size)
        fractions = (section.fractions[0], section.fractions[1], section.fractions[2])
        acquisition = Acquisition.of_size(height, width)
        workers = len(os.sched_getaffinity(0))
        made = simulate_recordings(section.count, section.seed, acquisition, fractions, workers)
        with contextlib.closing(made):
            gathers = (render_recording(one, height, width) for one in progress(made, section.count, "simulating"))
            write_survey(folder, gathers, (height, width), about)
    survey = open_survey(folder)
    if survey.manifest.about != about:
        raise InputError(f"{folder}: is not the survey that the recipe describes; give it as --survey, or remove it")
    return survey


def lines(result: dict[str, Any], label: str) -> list[str]:
    """A run's figures for the terminal."""
    shown = []
    if "held_out_bits" in result:
        patches, rare_patches = (
            "     -" if result[name] is None else f"{result[name]:6.3f}"
            for name in ("patch_gaussian_bits", "rare_patch_gaussian_bits")
        )
        shown = [
            f"bits a grey value of the {result['held_out']} held-out {label} gathers:",
            f"  flow                    {result['held_out_bits']:6.3f}   (weights of step {result['step']})",
            f"  Gaussian, 8x8 patches   {patches}   (fitted to all training gathers)",
            f"                          {rare_patches}   (fitted to the {label} ones alone)",
            f"  PNG, lossless           {result['png_bits']:6.3f}",
            f"  WebP, lossless          {result['webp_bits']:6.3f}",
        ]
    return [
        *shown,
        f"round-trip error {result['round_trip_error']:.2g} of full scale",
        f"{result['command_s']:g} s from the command's start"
        + (f", the first step after {result['first_step_s']:g} s" if "first_step_s" in result else ""),
        f"SavedModel: {result['savedmodel']}",
    ]


def _figures(fitting: FlowFitting, survey: Survey, selection: Selection) -> dict[str, Any]:
    """Measure the kept weights, and the rivals on the same gathers."""
    best = fitting.recipe.training.keep == "best"
    result: dict[str, Any] = {
        "step": fitting.checkpoints.best_step if best else fitting.steps,
        "steps": fitting.steps,
        "round_trip_error": fitting.round_trip_error(),
    }
    if not len(selection.held_out):
        return result
    held_out = images(survey, selection.held_out)
    return {
        **result,
        "held_out": len(held_out),
        "held_out_bits": fitting.held_out_bits(),
        "patch_gaussian_bits": patch_gaussian_bits(_each(survey, selection.training), held_out),
        "rare_patch_gaussian_bits": patch_gaussian_bits(_each(survey, selection.rare), held_out),
        "png_bits": lossless_bits(held_out, "PNG"),
        "webp_bits": lossless_bits(held_out, "WEBP"),
    }


def _each(survey: Survey, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Grey levels of one gather after another, uint8 `[time, trace]`."""
    return (survey.read(int(row)).image for row in rows)


def _ids(survey: Survey, rows: Any) -> list[str]:
    return [str(name) for name in survey.index["gather_id"].to_numpy()[rows]]


def check_size(recipe: Recipe, size: tuple[int, int], where: str) -> None:
    """Make sure that the recipe's flow can halve gathers of a size as often as it has levels.

    Args:
        recipe: The recipe.
        size: Height in samples and width in traces.
        where: What has this size, for the error.

    Raises:
        InputError: It cannot.
    """
    height, width = size
    unit = 2**recipe.flow.levels
    if height % unit or width % unit:
        padded = f"{-(-height // unit) * unit}x{-(-width // unit) * unit}"
        raise InputError(
            f"{where}: gathers of {height}x{width} cannot be halved {recipe.flow.levels} times; make the survey with "
            f"a size of {padded}, or lower flow.levels"
        )


def _record(recipe: Recipe, survey: Survey) -> dict[str, Any]:
    """What tells a run from another."""
    packages = ("tensorflow", "keras", "numpy")
    return {
        "recipe": recipe.model_dump(),
        "survey": str(survey.path),
        "survey_checksum": survey.checksum,
        "versions": {
            "glowseis": glowseis.__version__,
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in packages},
        },
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The checkout's commit, with `-dirty` when it was changed; None outside a checkout."""
    try:
        asked = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        here = Path(__file__).parent
        return subprocess.run(asked, cwd=here, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


@contextlib.contextmanager
def _claimed(folder: Path, record: dict[str, Any], say: Callable[[str], None]) -> Iterator[str]:
    """Make the run's folder, or make sure that it holds this very run; keep other processes out. Gives its identity."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{folder}: another process is training there; wait for it or give another --out"
            ) from None
        path = folder / RECORD
        # What a killed writer of the record leaves is no run yet.
        if all(entry == _unfinished(path) for entry in folder.iterdir()):
            _write_json(path, {"run": uuid.uuid4().hex, **record})
        yield _check_same(folder, record, say)
    finally:
        os.close(lock)


def _check_same(folder: Path, record: dict[str, Any], say: Callable[[str], None]) -> str:
    """Make sure that a folder holds this very run; give its identity."""
    try:
        there = json.loads((folder / RECORD).read_text())
        changed = _difference(there["recipe"], json.loads(json.dumps(record["recipe"])))
        other_data = there["survey_checksum"] != record["survey_checksum"]
        identity, versions = str(there["run"]), there["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{folder}: holds something else than a run; give another --out") from None
    if changed:
        raise InputError(f"{folder}: holds a run of another recipe ({changed}); give another --out or remove it")
    if other_data:
        raise InputError(f"{folder}: holds a run on another survey, {there['survey']}; give another --out or remove it")
    upgraded = _difference(versions, record["versions"])
    if upgraded:
        say(f"{folder}: begun with other versions ({upgraded}); it may not end as it would have with those")
    return identity


def _difference(old: Any, new: Any, place: str = "") -> str | None:
    """The first setting in which two recipes differ, in words."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        changes = (_difference(old[key], new[key], f"{place}.{key}".lstrip(".")) for key in old)
        return next((change for change in changes if change), None)
    return None if old == new else f"{place or 'settings'} was {old!r}, now {new!r}"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _unfinished(path).write_text(json.dumps(content, indent=2) + "\n")
    os.replace(_unfinished(path), path)


def _unfinished(path: Path) -> Path:
    return path.with_suffix(".writing")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        raise InputError(f"{path}: cannot be read; remove it, and the same command makes it again") from None
