"""Folders of SavedModels, checked without TensorFlow so that errors appear at once."""

from pathlib import Path
from typing import Any

from glowseis.errors import InputError
from glowseis.files import read_json
from glowseis.survey.store.survey import Survey

ABOUT = Path("assets.extra") / "glowseis.json"
"""Where a SavedModel records what it was made from; TensorFlow does not read files in this folder."""


def versions(path: Path) -> list[Path]:
    """The version folders in `savedmodels/NAME`, by number, the newest last; empty if there are none."""
    entries = path.iterdir() if path.is_dir() else ()
    return sorted(
        (entry for entry in entries if entry.name.isdecimal() and entry.is_dir()), key=lambda entry: int(entry.name)
    )


def version_folder(path: Path) -> Path:
    """The folder that holds a SavedModel.

    Args:
        path: `savedmodels/NAME/VERSION`, or `savedmodels/NAME` for the newest version.

    Returns:
        The version's folder.

    Raises:
        InputError: There is no SavedModel.
    """
    folder = (versions(path) or [path])[-1]
    if not (folder / "saved_model.pb").is_file():
        raise InputError(
            f"{path}: no SavedModel there; check its name; python -m glowseis.train makes savedmodels/NAME/VERSION"
        )
    return folder


def model_name(folder: Path) -> str:
    """Name and version of a SavedModel, such as `demo/1`."""
    return "/".join(folder.resolve().parts[-2:])


def read_about(path: Path, kind: str) -> dict[str, Any]:
    """Read what a SavedModel was made from, and make sure that it is of the right kind.

    Args:
        path: As for `version_folder`.
        kind: `flow` or `classifier`.

    Returns:
        Its record; empty if it cannot be read, which loading it will report in more detail.

    Raises:
        InputError: There is no SavedModel, or it is one of another kind.
    """
    folder = version_folder(path)
    try:
        about = dict(read_json(folder / ABOUT))
    except (OSError, ValueError, TypeError):
        return {}
    if about.get("kind", kind) != kind:
        raise InputError(f"{folder}: a {about['kind']}, but this needs a {kind}; name the SavedModel of a {kind}")
    return about


def check_flow(path: Path, survey: Survey, label: str | None = None) -> None:
    """Make sure, without loading it, that a flow can make gathers of a survey.

    Args:
        path: As for `version_folder`.
        survey: The survey.
        label: Label of the wanted gathers; the label that the flow was trained for when None.

    Raises:
        InputError: There is no such flow, it is for another size, or the survey has no such gathers.
    """
    about = read_about(path, "flow")
    check_fits(about, model_name(version_folder(path)), survey)
    if label := label or about.get("label"):
        survey.select(labels=[label])


def check_fits(about: dict[str, Any], name: object, survey: Survey) -> None:
    """Make sure that a flow is for gathers of a survey's size.

    Args:
        about: The record of its SavedModel; if it has no size, nothing is checked.
        name: Its name in the error.
        survey: The survey.

    Raises:
        InputError: It is for another size.
    """
    try:
        height, width = map(int, about["image_shape"][:2])
    except (KeyError, TypeError, ValueError):
        return
    if (height, width) != tuple(survey.size):
        raise InputError(
            f"{name}: this SavedModel is for gathers of {height}x{width}, but those of {survey.path} are "
            f"{survey.size[0]}x{survey.size[1]}; train one on this survey"
        )
