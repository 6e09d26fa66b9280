"""A classifier that starts from a saved one: its weights, and gathers to rehearse."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np

from glowseis.errors import InputError
from glowseis.export.network import load_network
from glowseis.fitting.classifier.fitting import make_classifier
from glowseis.fitting.classifier.selection import renamed
from glowseis.models.miniception import Miniception
from glowseis.run.conclusions import Kept
from glowseis.run.matched import matched_survey
from glowseis.run.starting import Start, check_whole_images
from glowseis.survey.batches.labelled import LabelledGathers, from_survey
from glowseis.survey.splits.parts import ids_of, labelled_rows
from glowseis.survey.store.survey import Survey
from glowseis.survey.wording import number_of


def started_classifier(
    start: Start, labels: Sequence[str], seed: int, say: Callable[[str], None] = lambda line: None
) -> Miniception:
    """A saved classifier's network, to be trained on.

    >>> from glowseis.run.finetuning import started_classifier
    >>> from glowseis.run.starting import find_start
    >>> start = find_start("robust", "classifier")
    >>> started_classifier(start, start.labels, seed=1).classes
    3

    Args:
        start: The saved classifier (`glowseis.run.starting.find_start`).
        labels: The classes to tell apart, in order of severity. The last layer keeps what it knows of those that the
            saved one has; an ordinal one, whose thresholds depend on all classes, only if they are the same.
        seed: Seed of the weights of other classes.
        say: Called with a line if the classes differ.
    """
    saved = load_network(start.folder, "classifier")
    assert isinstance(saved, Miniception)
    if tuple(labels) == start.labels:
        return saved
    model = make_classifier(len(labels), saved.alpha, saved.head, seed, saved.companded)
    for mine, theirs in zip([*model.blocks, model.hidden], [*saved.blocks, saved.hidden], strict=True):
        mine.set_weights(theirs.get_weights())
    known = [label for label in labels if label in start.labels] if saved.head == "softmax" else []
    if known:
        here, there = ([every.index(label) for label in known] for every in (list(labels), list(start.labels)))
        weights = [one.copy() for one in model.output_head.get_weights()]
        for own, other in zip(weights, saved.output_head.get_weights(), strict=True):
            own[..., here] = other[..., there]
        model.output_head.set_weights(weights)
    fresh = [label for label in labels if label not in known]
    told = f"the last layer starts anew for {', '.join(fresh)}" if fresh else "the last layer keeps these"
    say(f"{start.name} has the classes {', '.join(start.labels)}, this classifier has {', '.join(labels)}: {told}")
    return model


def kept_of(start: Start, labels: Sequence[str]) -> Kept:
    """What is kept of a saved classifier where there are too few validation gathers."""
    return Kept(start.name, start.combination if tuple(labels) == start.labels else None, start.temperature)


def rehearsed(
    start: Start,
    survey: Survey,
    labels: Sequence[str],
    window: str,
    folder: Path,
    say: Callable[[str], None],
    judging: Collection[str] = (),
) -> LabelledGathers:
    """Gathers to rehearse: the labelled ones of a survey, as the saved classifier sees them; none that judge.

    Args:
        start: The saved classifier.
        survey: The survey that holds them, such as that which it was trained on.
        labels: The classes; gathers with other labels are left out.
        window: The recipe's window.
        folder: As for `matched_survey`.
        say: Called with lines that say which they are.
        judging: Ids of the gathers that judge this training; like those that judged the saved classifier, they are left
            out, in whichever survey they are.

    Raises:
        InputError: There are none, or they cannot be matched.
    """
    survey = renamed(survey, {}, labels)
    judges = {name for part in ("validation_ids", "test_ids") for name in start.about.get(part, ())}
    rows = np.intersect1d(np.flatnonzero(survey.index["label"].isin(list(labels)).to_numpy()), labelled_rows(survey))
    names = np.array(ids_of(survey, rows), object)
    rows = rows[~np.isin(names, [*judges, *judging])]
    if not len(rows):
        raise InputError(
            f"training.rehearsal_survey = {survey.path}: has no gather labelled {' or '.join(labels)}, apart "
            f"from validation and test gathers of this classifier and {start.name}; name the survey that {start.name} "
            "was trained on, or leave rehearsal out"
        )
    matched, places = matched_survey(survey, rows, start, folder, say)
    check_whole_images(start, matched, window)
    gathers = from_survey(matched, places[places >= 0], labels)
    if now := np.isin(names, list(set(judging) - judges)).sum():
        say(f"rehearsal leaves out {number_of(int(now), 'gather')} that judge this classifier")
    trained = int(np.isin(gathers.ids, start.about.get("training_ids", ())).sum())
    counts = np.bincount(gathers.classes, minlength=len(labels))
    of_each = ", ".join(f"{count} {label}" for count, label in zip(counts, labels, strict=True))
    same = "" if survey.checksum == start.about.get("survey_checksum") else ", by their ids; this is another survey"
    say(
        f"rehearsed: {number_of(len(gathers), 'gather')} of {survey.path} ({of_each}); {start.name} was trained on "
        f"{trained} of them{same if trained else ''}"
    )
    return gathers
