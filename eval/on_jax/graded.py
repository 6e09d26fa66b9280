"""What classifiers that were fitted elsewhere gave the independent survey's gathers: a file per setting."""

import json
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glowseis.errors import InputError
from glowseis.files import whole_file

DAMAGED = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged .npz file may raise."""


@dataclass(frozen=True)
class Graded:
    """One arm of one survey.

    Attributes:
        arm: Its name.
        number: Number of the survey.
        seed: Seed of the arm's training.
        survey: SHA-256 of the survey's images.
        training: Recorded training gathers by label.
        synthetic: Gathers that the arm added.
        losses: Mean loss of each epoch.
        seconds: Time taken, by part.
        flow: Bits and step of the flow's kept weights; empty without a flow.
        probabilities: Of the independent survey's gathers, float32 `[gather, class]`.
    """

    arm: str
    number: int
    seed: int
    survey: str
    training: dict[str, int]
    synthetic: int
    losses: list[float]
    seconds: dict[str, float]
    flow: dict[str, float]
    probabilities: np.ndarray


@dataclass(frozen=True)
class About:
    """What all arms of a file share.

    Attributes:
        study: Digest of the study (`eval.study.replicates.digest_of`).
        setting: Name of the setting.
        commit: Commit of the code.
        machine: The machine in words.
        truth: Classes of the independent survey's gathers.
        checksum: SHA-256 of its images.
    """

    study: str
    setting: str
    commit: str
    machine: str
    truth: list[int]
    checksum: str


def write_graded(path: Path, about: About, arms: list[Graded]) -> None:
    """Write a setting's arms, whole or not at all, in place of an older file."""
    rows = [{name: value for name, value in vars(one).items() if name != "probabilities"} for one in arms]
    with whole_file(path, replace=True) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            about=json.dumps({**asdict(about), "arms": rows}),
            probabilities=np.stack([one.probabilities for one in arms]).astype(np.float32),
        )


def read_graded(path: Path) -> tuple[About, list[Graded]]:
    """Read a setting's arms.

    Raises:
        InputError: The file is missing, damaged, or something else.
    """
    try:
        with np.load(path) as found:
            content: dict[str, Any] = json.loads(str(found["about"]))
            every = np.asarray(found["probabilities"], np.float32)
        rows = content.pop("arms")
        about = About(**content)
        if every.shape[:2] != (len(rows), len(about.truth)) or not np.isfinite(every).all():
            raise ValueError("its probabilities are not those of its arms and gathers")
        return about, [Graded(**row, probabilities=one) for row, one in zip(rows, every, strict=True)]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; python -m eval.worth_jax makes it") from None
    except (*DAMAGED, ValueError, TypeError, KeyError) as wrong:
        raise InputError(
            f"{path}: is damaged, or no file of python -m eval.worth_jax ({wrong}); make it again"
        ) from None
