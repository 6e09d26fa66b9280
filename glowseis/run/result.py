"""The results of a run: its SavedModel, exported once, and its figures in `result.json`."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic

from glowseis.errors import InputError, first_wrong
from glowseis.export.folders import read_about, savedmodel_sha256, versions
from glowseis.files import read_record, write_json
from glowseis.locks import locked

RESULT = "result.json"


class Result(pydantic.BaseModel, strict=True):
    """The figures of any run, as far as they are read back; each kind of run has more.

    Attributes:
        savedmodel: Folder of its SavedModel.
        command_s: Seconds from the command's start to its end.
        first_step_s: Seconds to its first step; missing if it had none to do.
    """

    savedmodel: str
    command_s: float
    first_step_s: float = 0.0


def read_result(folder: Path, kind: type[Result]) -> dict[str, Any]:
    """Read the figures of a finished run.

    Args:
        folder: The run's folder.
        kind: The figures that must be present.

    Returns:
        The figures, as they stand in `result.json`.

    Raises:
        InputError: They cannot be read, or one is missing or of another type.
    """
    path = folder / RESULT
    content = read_record(path)
    try:
        kind.model_validate(content)
    except pydantic.ValidationError as wrong:
        raise InputError(f"{path}: {first_wrong(wrong)}; remove it and run the same command again") from None
    return content


def finish(folder: Path, result: dict[str, Any], savedmodel: Path, started: float, first_step_at: float | None) -> None:
    """Add the SavedModel's folder and checksum and the time taken to a run's figures; write them to `result.json`.

    Args:
        folder: The run's folder.
        result: The figures; changed.
        savedmodel: The SavedModel's folder.
        started: When the command started, by `time.monotonic`.
        first_step_at: When its first step was done, likewise; None if it had none to do.
    """
    result["savedmodel"] = str(savedmodel)
    result["savedmodel_sha256"] = savedmodel_sha256(savedmodel)
    result["command_s"] = round(time.monotonic() - started, 1)
    if first_step_at is not None:
        result["first_step_s"] = round(first_step_at - started, 1)
    write_json(folder / RESULT, result)


def last_lines(result: dict[str, Any]) -> list[str]:
    """What `finish` added, for the terminal."""
    first_step = f", the first step after {result['first_step_s']:g} s" if "first_step_s" in result else ""
    return [
        f"{result['command_s']:g} s from the command's start{first_step}",
        f"SavedModel: {result['savedmodel']}",
    ]


def export_once(identity: str, folder: Path, export: Callable[[Path], None]) -> Path:
    """Write a run's SavedModel as the next version, unless this run did so before it was stopped.

    Args:
        identity: The run's identity.
        folder: `savedmodels/NAME`.
        export: Writes the SavedModel to the version's folder.

    Returns:
        The version's folder.
    """
    # Runs of one name may end together.
    with locked(folder.parent / f".{folder.name}.lock", f"{folder}: another run is writing there", wait=True):
        there = versions(folder)
        for version in there:
            # A damaged one of another run does not matter here.
            with contextlib.suppress(InputError):
                if read_about(version).get("run") == identity:
                    return version
        target = folder / str(int(there[-1].name) + 1 if there else 1)
        export(target)
        return target
