"""Unlabelled gathers that stand in for a class of which few are labelled.

A classifier that starts from a saved one forgets a class of which it sees no gather. So gathers that the saved one
surely grades so take their place, unless they are unlike what it was trained on: self-training with confident labels
(Yarowsky 1995, https://aclanthology.org/P95-1026), for these classes alone.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from glowseis.export.classifier import load_classifier
from glowseis.fitting.classifier.selection import ClassifierSelection
from glowseis.run.looks import kept_looks
from glowseis.run.starting import Start
from glowseis.survey.splits.parts import labels_of, lines_of
from glowseis.survey.store.survey import Survey, open_survey
from glowseis.survey.wording import number_of

SURE = 0.95
"""Least probability, if all classes were equally common, that the saved classifier gives to the class."""


def with_stand_ins(
    survey: Survey, selection: ClassifierSelection, start: Start, least: int, say: Callable[[str], None]
) -> tuple[Survey, ClassifierSelection]:
    """Add gathers that nobody judged to the training gathers of each class that has few.

    If parts are whole sail lines, no stand-in is from a line that judges. The saved classifier's view of all gathers is
    kept in the survey's folder, as `glowseis next` keeps it.

    Args:
        survey: The survey, with the classes as labels.
        selection: Which of its gathers are in which part.
        start: The saved classifier.
        least: Training gathers of a class that need no more.
        say: Called with a line for each class.

    Returns:
        The survey in which they have that label, and the selection with them; both as they are if none is added.
    """
    given = labels_of(survey, selection.training)
    missing = {label: least - int((given == label).sum()) for label in selection.labels if label in start.labels}
    missing = {label: count for label, count in missing.items() if count > 0}
    # A gather that judges could not label is not a clear case of any class, however sure the classifier is.
    unsure = survey.index["gather_id"].isin(survey.unsure)
    free = ((survey.index["label"] == "") & (survey.index["parents"] == "") & ~unsure).to_numpy()
    if selection.grouped:
        free = free & ~_on_lines_that_judge(survey, selection)
    if not missing or not free.any():
        return survey, selection
    looks = kept_looks(load_classifier(start.folder), start.folder, open_survey(survey.path), say, unlike=True)
    # Of a gather that is unlike its training data the saved classifier knows nothing, however sure it is.
    far = looks.unlike > 1
    labels, rows = survey.index["label"].to_numpy(object).copy(), []
    for label, count in missing.items():
        probable = np.where(free & looks.graded, looks.probabilities[:, start.labels.index(label)], 0.0)
        sure = np.where(far, 0.0, probable)
        best = np.argsort(-sure, kind="stable")[:count]
        best = best[(sure[best] >= SURE) & ~far[best]]
        others = int((free & far & (probable >= SURE)).sum())
        told = f"; {others} more left out, unlike its training data (unlike > 1)" if others else ""
        labels[best] = label
        rows.append(best)
        if len(best):
            say(
                f"{number_of(len(best), 'unlabelled gather')} that {start.name} grades {label} with at least "
                f"{100 * SURE:g} % joined {number_of(least - count, 'labelled one')}{told} (training.stand_ins)"
            )
        else:
            had = number_of(least - count, "labelled training gather")
            say(
                f"{label}: {had}, and {start.name} grades no unlabelled one {label} with at least {100 * SURE:g} %"
                f"{told} (training.stand_ins)"
            )
    there, added = survey.relabelling, np.concatenate(rows)
    if not len(added):
        return survey, selection
    files = [*(there.files if there else ()), "training.stand_ins"]
    survey = survey.relabelled(labels, files, there.judge if there else "")
    return survey, replace(selection, training=np.union1d(selection.training, added))


def _on_lines_that_judge(survey: Survey, selection: ClassifierSelection) -> np.ndarray:
    """Which gathers are on sail lines that judge and do not train, bool `[gather]`."""
    judging = lines_of(survey, np.concatenate([selection.validation, selection.test]))
    # With folds that are not grouped, the test gathers' lines train as well.
    judging = np.setdiff1d(judging, lines_of(survey, selection.training))
    return np.isin(survey.index["sail_line"].to_numpy(), judging)
