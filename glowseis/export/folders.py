"""Folders of SavedModels and their records, read without TensorFlow so that errors appear at once."""

import hashlib
import json
from pathlib import Path
from typing import Any

from glowseis.errors import InputError, reason_of
from glowseis.files import read_json
from glowseis.shipped import found
from glowseis.survey.store.survey import Survey

ABOUT = Path("assets.extra") / "glowseis.json"
"""Where a SavedModel records what it was made from; TensorFlow does not read files in this folder."""

KINDS = ("flow", "classifier")
"""What a SavedModel may hold."""


def versions(path: Path) -> list[Path]:
    """The version folders in `savedmodels/NAME`, by number, the newest last; empty if there are none."""
    entries = path.iterdir() if path.is_dir() else ()
    return sorted(
        (entry for entry in entries if entry.name.isdecimal() and entry.is_dir()), key=lambda entry: int(entry.name)
    )


def savedmodel_folder(path: Path) -> Path | None:
    """The folder of a SavedModel's version.

    Args:
        path: `savedmodels/NAME/VERSION`, or `savedmodels/NAME` for the newest version; a model that comes with
            glowseis is found from any folder.

    Returns:
        The version's folder; None if there is no SavedModel.
    """
    path = found(path)
    folder = (versions(path) or [path])[-1]
    return folder if (folder / "saved_model.pb").is_file() else None


def version_folder(path: Path) -> Path:
    """The folder of a SavedModel's version, as `savedmodel_folder`.

    Raises:
        InputError: There is no SavedModel.
    """
    folder = savedmodel_folder(path)
    if folder is None:
        raise InputError(
            f"{path}: no SavedModel there; check its name; python -m glowseis.train makes savedmodels/NAME/VERSION"
        )
    return folder


def model_name(folder: Path) -> str:
    """Name and version of a SavedModel, such as `demo/1`."""
    return "/".join(folder.resolve().parts[-2:])


def savedmodel_sha256(folder: Path) -> str:
    """SHA-256 of a SavedModel's files, with their names, as hexadecimal digits.

    Args:
        folder: The version's folder.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    each = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return hashlib.sha256(json.dumps(each, sort_keys=True).encode()).hexdigest()


def read_about(folder: Path, kind: str | None = None) -> dict[str, Any]:
    """Read what a SavedModel records about itself, and make sure that it is of the right kind.

    Args:
        folder: The version's folder.
        kind: The kind that is needed, one of `KINDS`; either when None.

    Raises:
        InputError: The record is missing or cannot be read, or the SavedModel is of another kind.
    """
    try:
        # Before there were classifiers, flows did not record their kind.
        about: dict[str, Any] = {"kind": "flow"} | read_json(folder / ABOUT)
        if about["kind"] not in KINDS:
            raise ValueError(f"its kind is {about['kind']!r}")
    except (OSError, ValueError, TypeError, InputError) as wrong:
        raise damaged(folder, kind, wrong) from None
    if kind not in (None, about["kind"]):
        raise InputError(f"{folder}: a {about['kind']}, but this needs a {kind}; name the SavedModel of a {kind}")
    return about


def damaged(folder: Path, kind: str | None, wrong: Exception) -> InputError:
    """The error for a folder that holds no usable model.

    Args:
        folder: The folder.
        kind: The kind of model that was expected, if one was.
        wrong: What went wrong.
    """
    return InputError(
        f"{folder}: not a SavedModel of a glowseis {kind or 'model'}, or damaged ({reason_of(wrong)}); train it again"
    )


def check_window(size: tuple[int, int], survey: Survey, name: object) -> None:
    """Make sure that a survey has gathers that a window fits into.

    Args:
        size: Samples and traces of the window.
        survey: The survey.
        name: What has this window, for the error.

    Raises:
        InputError: All of them have fewer samples, or fewer traces.
    """
    samples, traces = (int(survey.index[key].max()) for key in ("valid_samples", "valid_traces"))
    if samples < size[0] or traces < size[1]:
        raise InputError(
            f"{survey.path}: its gathers have at most {samples} samples and {traces} traces, too few for the windows "
            f"of {size[0]}x{size[1]} of {name}; choose a smaller data.window, or train on whole gathers"
        )


def check_flow(path: Path, survey: Survey, label: str | None = None) -> None:
    """Make sure, without loading it, that a flow can make gathers of a survey.

    Args:
        path: As for `version_folder`.
        survey: The survey.
        label: Label of the wanted gathers; the label that the flow was trained for when None.

    Raises:
        InputError: There is no such flow, it is for another size, or the survey has no such gathers.
    """
    folder = version_folder(path)
    about = read_about(folder, "flow")
    check_fits(about, model_name(folder), survey)
    if label := label or about.get("label"):
        survey.select(labels=[label])


def check_fits(about: dict[str, Any], name: object, survey: Survey) -> None:
    """Make sure that a flow is for gathers of a survey's size, or for windows that these are large enough for.

    Args:
        about: The record of its SavedModel; if it has no size, nothing is checked.
        name: Its name in the error.
        survey: The survey.

    Raises:
        InputError: It is not.
    """
    try:
        height, width = map(int, about["image_shape"][:2])
    except (KeyError, TypeError, ValueError):
        return
    if about.get("window"):
        check_window((height, width), survey, name)
        return
    if (height, width) != tuple(survey.size):
        raise InputError(
            f"{name}: this SavedModel is for gathers of {height}x{width}, but those of {survey.path} are "
            f"{survey.size[0]}x{survey.size[1]}; train one on this survey"
        )
