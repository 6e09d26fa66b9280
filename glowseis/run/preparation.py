"""The gathers of a classifier's training: labels renamed to classes, gathers added, matched to a saved classifier."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.fitting.classifier.selection import ClassifierSelection, renamed
from glowseis.recipe import ClassifierRecipe
from glowseis.run.finetuning import rehearsed
from glowseis.run.matched import MATCHED, matched_survey
from glowseis.run.rare import ADDED, added_gathers, check_no_padding
from glowseis.run.record import RECORD
from glowseis.run.stand_ins import with_stand_ins
from glowseis.run.starting import Start, check_whole_images
from glowseis.survey.batches.labelled import LabelledGathers, from_survey
from glowseis.survey.matching.profile import image_intervals_s, image_spacings_m
from glowseis.survey.matching.sameness import check_trained_on
from glowseis.survey.store.survey import Survey

REHEARSED = "rehearsed"
"""The folder of a run that holds the gathers that it rehearses, if they had to be changed."""


@dataclass(frozen=True)
class Prepared:
    """The gathers of a training.

    Attributes:
        survey: The survey that holds the chosen ones, with the classes as labels.
        selection: Which of them are in which part.
        training: Recorded gathers to train on.
        validation: Gathers that judge the weights.
        test: Gathers that are scored at the end.
        added: Gathers added to the rare class; None if there are none.
        rehearsal: Gathers to rehearse; None if there are none.
    """

    survey: Survey
    selection: ClassifierSelection
    training: LabelledGathers
    validation: LabelledGathers
    test: LabelledGathers
    added: LabelledGathers | None
    rehearsal: LabelledGathers | None


def prepare(
    recipe: ClassifierRecipe,
    survey: Survey,
    selection: ClassifierSelection,
    start: Start | None,
    rehearsal: Survey | None,
    flow: Start | None,
    folder: Path,
    say: Callable[[str], None],
) -> Prepared:
    """Get the gathers of a training ready.

    Args:
        recipe: What to train, and how, with what it takes from `start` (`glowseis.run.starting.with_start`).
        survey: The survey, with labels of its own.
        selection: Which of its gathers are in which part.
        start: The saved classifier that the training starts from, if it does.
        rehearsal: The survey that it rehearses, if it does.
        flow: The saved flow that makes gathers of the rare class, if one does.
        folder: The run's folder, which keeps gathers that had to be made or changed.
        say: Called with lines for the user.

    Raises:
        InputError: Gathers cannot be matched to the saved classifier, or none can be added or rehearsed.
    """
    for label in sorted(recipe.data.rename.keys() - set(survey.labels)):
        say(f"data.rename: no gather is labelled {label!r}")
    labels, window = selection.labels, recipe.data.window
    survey = renamed(survey, recipe.data.rename, labels)
    if start and recipe.training.stand_ins:
        survey, selection = with_stand_ins(survey, selection, start, recipe.training.stand_ins, say)
    added, rare = None, recipe.rare
    if flow:
        if not start:
            # Without a saved classifier nothing is resampled, and its gathers must be like the others.
            index = survey.index.iloc[selection.training]
            check_trained_on(flow.name, flow.profile, image_intervals_s(index), image_spacings_m(index), survey.path)
        check_no_padding(flow, window, survey.size, starts=start is not None)
    # Noise moves only between gathers of one sample interval, which matched ones have.
    after = start is not None and rare.add == "moved-noise"
    if rare.add and not after:
        added = added_gathers(rare, survey, selection.training, labels, recipe.seed, flow, folder / ADDED, say)
    if start:
        survey, selection, added = _matched(survey, selection, added, start, window, folder, say)
    if after:
        added = added_gathers(rare, survey, selection.training, labels, recipe.seed, flow, folder / ADDED, say)
    training, validation, test = (
        from_survey(survey, rows, labels) for rows in (selection.training, selection.validation, selection.test)
    )
    others = None
    if start and rehearsal:
        judging = [*validation.ids, *test.ids]
        others = rehearsed(start, rehearsal, labels, window, folder / REHEARSED, say, judging)
    extra = from_survey(*added, labels) if added else None
    return Prepared(survey, selection, training, validation, test, extra, others)


@contextlib.contextmanager
def forgotten_if_refused(folder: Path) -> Iterator[None]:
    """Within it, bad input leaves the folder of a run that has not begun to train as free as it was.

    Args:
        folder: The run's folder, claimed.
    """
    try:
        yield
    except InputError:
        if not (folder / "checkpoints").exists():
            for made in (MATCHED, ADDED, f"{ADDED}-{MATCHED}", REHEARSED):
                shutil.rmtree(folder / made, ignore_errors=True)
            (folder / RECORD).unlink(missing_ok=True)
        raise


def _matched(
    survey: Survey,
    selection: ClassifierSelection,
    added: tuple[Survey, np.ndarray] | None,
    start: Start,
    window: str,
    folder: Path,
    say: Callable[[str], None],
) -> tuple[Survey, ClassifierSelection, tuple[Survey, np.ndarray] | None]:
    """Chosen and added gathers as the saved classifier sees them, and which of them is in which part."""
    parts = {part: getattr(selection, part) for part in ("training", "validation", "test")}
    rows = np.sort(np.concatenate(list(parts.values())))
    matched, places = matched_survey(survey, rows, start, folder / MATCHED, say)
    check_whole_images(start, matched, window)
    chosen = {part: places[np.searchsorted(rows, own)] for part, own in parts.items()}
    if added and added[0] is survey:
        repeated = places[np.searchsorted(rows, added[1])]
        added = matched, repeated[repeated >= 0]
    elif added:
        made, there = matched_survey(*added, start, folder / f"{ADDED}-{MATCHED}", say, matched.size)
        added = made, there[there >= 0]
    return matched, replace(selection, **{part: own[own >= 0] for part, own in chosen.items()}), added
