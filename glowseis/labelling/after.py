"""What to do with labels once all gathers of an order are judged: commands that can be typed as they are."""

import itertools
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from glowseis.labelling.session import Session
from glowseis.survey.gather import source_text
from glowseis.survey.wording import number_of

RECIPE = "train/finetune.toml"

COUNT = 100
"""Gathers to choose next."""


def commands_after(session: Session) -> list[dict[str, str]]:
    """Commands that train on a judge's labels, and that choose more gathers if some were not in the order.

    Names of what they write are free in the current folder.

    Args:
        session: The judge's session.

    Returns:
        For each command `what` it does, and the `command`.
    """
    survey, labels = source_text(session.survey.path), source_text(session.labels)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", session.survey.path.resolve().name).lstrip(".-") or "own"
    run = _free(name, lambda one: [Path("runs", one), Path("savedmodels", one)])
    words = ["train", RECIPE, "--survey", survey, "--labels", labels, "--set", f"name={run}"]
    found = [_told(f"Train a classifier on these labels (minutes); it becomes savedmodels/{run}", words)]
    recorded = int((session.survey.index["parents"] == "").sum())
    if left := recorded - session.progress()["of"]:
        order = f"{_free('next', lambda one: [Path(f'{one}.csv')])}.csv"
        words = ["next", survey, "--labels", labels, "--count", str(min(COUNT, left)), "--out", order]
        found.append(_told(f"Choose more of the {number_of(left, 'other gather')} to label", words))
        words = ["label", survey, "--judge", session.judge, "--labels", labels, "--order", order]
        found.append(_told("Label these, after you have stopped this command with Ctrl-C", words))
    return found


def _told(what: str, words: list[str]) -> dict[str, str]:
    return {"what": what, "command": shlex.join(["glowseis", *words])}


def _free(name: str, places: Callable[[str], list[Path]]) -> str:
    """A name at whose places there is nothing, perhaps with a number."""
    numbered = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
    return next(one for one in numbered if not any(place.exists() for place in places(one)))
