"""What to label next in a survey: a classifier's view of it, the labels that there are, and choices with reasons."""

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from glowseis.choosing.fractions import Fractions, estimate, random_order, random_sample
from glowseis.choosing.head import fit_head, standardised, unseen_probabilities
from glowseis.choosing.mixture import JUDGED, REASONS, Choice, Known, choose, is_second_look
from glowseis.choosing.suspects import suspected
from glowseis.delivery.grades import PROBABILITY
from glowseis.errors import InputError
from glowseis.export.classifier import SavedClassifier, load_classifier
from glowseis.export.known import known_gathers
from glowseis.judging.prior import reweighted
from glowseis.run.grading import bringing_for
from glowseis.run.looks import Looks, kept_looks
from glowseis.survey.cells import safe_cell
from glowseis.survey.gather import Gather
from glowseis.survey.labels.adding import MAJORITY, moment
from glowseis.survey.labels.overlay import SILENT, Overlay
from glowseis.survey.progress import progress
from glowseis.survey.store.survey import Survey
from glowseis.survey.wording import number_of

PRIOR_COUNT = 0.5
"""Added to the count of each class where the random sample gives class fractions to expect (Jeffreys)."""


@dataclass(frozen=True)
class Labelled:
    """The labels of a survey's gathers; all arrays are in its order.

    Attributes:
        labels: Each gather's label, empty for none, `[gather]`.
        judged: Whether anybody said something of it, bool `[gather]`.
        looks: How often it was judged, int64 `[gather]`.
        times: When it was last judged, in seconds since 1970; minus infinity if never or unknown, float64 `[gather]`.
        classes: Labels that may be given, the mildest first.
        disputed: Rows of gathers on which judges disagree, none of whom has judged them twice, those without a label
            first, int64 `[disputed gather]`.
    """

    labels: np.ndarray
    judged: np.ndarray
    looks: np.ndarray
    times: np.ndarray
    classes: tuple[str, ...]
    disputed: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class Next:
    """Gathers to label next.

    Attributes:
        choices: The gathers and why, in the order in which to label them.
        probabilities: Probabilities of the model's classes, `[gather, class]`, in the survey's order.
        times: When each gather was last judged, as `Labelled.times`.
        fractions: Class fractions of the survey, from those choices that were random.
        suspects: How many labels may be wrong, of gathers that were judged only once.
        remarks: What could not be done, in words.
    """

    choices: tuple[Choice, ...]
    probabilities: np.ndarray
    times: np.ndarray
    fractions: Fractions
    suspects: int
    remarks: tuple[str, ...]

    def table(self, survey: Survey, labels: Sequence[str]) -> pd.DataFrame:
        """The choices as a table, which becomes a file of labels once its column `label` is filled in.

        Args:
            survey: The survey.
            labels: The model's classes.
        """
        rows = [choice.row for choice in self.choices]
        index = survey.index.iloc[rows]
        columns = {
            "gather_id": index["gather_id"].map(safe_cell).to_numpy(),
            "line": index["sail_line"].to_numpy(),
            "shot": index["shot"].to_numpy(),
            "cable": index["cable"].to_numpy(),
            "label": "",
            "reason": [choice.reason for choice in self.choices],
            JUDGED: [moment(time_s) for time_s in self.times[rows]],
        }
        found = self.probabilities[rows]
        shown = {f"{PROBABILITY}{label}": found[:, number] for number, label in enumerate(labels)}
        return pd.DataFrame(columns | shown)

    def lines(self) -> list[str]:
        """What was chosen and found, in words."""
        counts = {reason: sum(one.reason == reason for one in self.choices) for reason in REASONS}
        each = [f"  {count} {reason}: {REASONS[reason]}" for reason, count in counts.items() if count]
        return [
            *self.remarks,
            *self.fractions.lines(),
            f"{number_of(len(self.choices), 'gather')} to label next:",
            *each,
        ]


def labelled(survey: Survey, overlay: Overlay | None, whom: str | None = None) -> Labelled:
    """The labels that there are, of all judges and of the records, or of one judge alone.

    Args:
        survey: The survey, with the labels of its records.
        overlay: What judges say of it; None if no files of labels were given.
        whom: The judge; what others and the records say then does not count. None for all.
    """
    records = survey.index["label"].to_numpy(object)
    unknown = np.full(len(survey), -np.inf)
    if overlay is None:
        if whom:
            none = np.zeros(len(survey), np.int64)
            return Labelled(np.full(len(survey), "", object), none > 0, none, unknown, survey.labels)
        return Labelled(records, records != "", (records != "").astype(np.int64), unknown, survey.labels)
    if whom:
        there = [number for number, judge in enumerate(overlay.judges) if judge.casefold() == whom.casefold()]
        votes, given = overlay.votes[:, there], overlay.given[:, there]
        own = votes.max(axis=1, initial=SILENT * 2)
        labels = np.array([*overlay.classes, ""], object)[np.where(own >= 0, own, -1)]
        times = overlay.times[:, there].max(axis=1, initial=-np.inf)
        return Labelled(labels, (votes != SILENT).any(axis=1), given.sum(axis=1), times, overlay.classes)
    looks = overlay.given.sum(axis=1) + (records != "")
    times = overlay.times.max(axis=1, initial=-np.inf)
    judged = overlay.judged | (records != "")
    return Labelled(overlay.labels, judged, looks, times, overlay.classes, _disputed(overlay))


def _disputed(overlay: Overlay) -> np.ndarray:
    """Rows of gathers that judges are to look at again; if one of them decides, those that he or she does not."""
    open_yet = overlay.disputed if overlay.judge in ("", MAJORITY) else overlay.undecided
    rows = np.flatnonzero(open_yet & (overlay.given.max(axis=1, initial=0) < 2))
    return rows[np.argsort(~overlay.undecided[rows], kind="stable")]


def next_gathers(
    survey: Survey,
    given: Labelled,
    looks: Looks,
    classifier: SavedClassifier,
    count: int,
    shares: Mapping[str, float],
    apart: int,
    rare: str | None = None,
    seed: int = 1,
) -> Next:
    """Choose gathers to label next; the same arguments give the same choices.

    Probabilities are those of the classifier with a last layer fitted to the labels (`glowseis.choosing.head`), for the
    class fractions that random choices have shown so far. Labels are suspected by probabilities of such layers that
    were fitted to labels of other sail lines, and only labels of gathers on which the classifier was not trained.

    Args:
        survey: The survey.
        given: The labels that there are.
        looks: The classifier's view of it.
        classifier: The classifier.
        count: How many to choose.
        shares: Share of each reason, as `glowseis.choosing.mixture.parse_shares` gives them.
        apart: Fewest shots between two choices on a line and cable.
        rare: Name of the rare class; the classifier's severest when None.
        seed: Seed of the random order, which must stay the same for the estimate of class fractions to hold.

    Raises:
        InputError: The classifier does not know the rare class, or no gather is left to label.
    """
    numbers = {label.casefold(): number for number, label in enumerate(classifier.labels)}
    if rare is not None and rare.casefold() not in numbers:
        raise InputError(f"--rare {rare}: {classifier.name} knows {', '.join(classifier.labels)}; choose one of them")
    recorded = (survey.index["parents"] == "").to_numpy()
    candidates = recorded & looks.graded
    index = survey.index
    lines, shots, cables = (index[name].to_numpy() for name in ("sail_line", "shot", "cable"))
    order = random_order(index["gather_id"].to_numpy(), seed)
    order = order[candidates[order]]
    fractions = estimate(
        given.labels, given.classes or classifier.labels, random_sample(order, given.judged), len(order)
    )
    is_open = candidates & ~given.judged
    features = np.zeros(looks.features.shape)
    features[looks.graded] = standardised(looks.features[looks.graded])
    classes = np.array([numbers.get(str(label).casefold(), -1) for label in given.labels], np.int64)
    taught = np.flatnonzero((classes >= 0) & candidates)
    even = np.where(looks.graded[:, np.newaxis], looks.probabilities, 1.0)
    if head := fit_head(looks.log_probabilities[taught], features[taught], classes[taught]):
        even = head.probabilities(np.nan_to_num(looks.log_probabilities), features)
    probabilities = reweighted(even, np.ones(len(numbers)), _expected(fractions, numbers))
    remarks = []
    if foreign := sorted({str(label) for label in given.labels[candidates & (classes < 0)]} - {""}):
        remarks.append(
            f"labels {', '.join(foreign)} teach nothing: {classifier.name} knows {', '.join(classifier.labels)}; give "
            "--model one with the survey's classes"
        )
    known, bringing = known_gathers(classifier.about), bringing_for(classifier)
    ids = index["gather_id"].to_numpy(object)

    def brought(row: int) -> Gather:
        return bringing.gather(survey.read(row))

    looked_for = progress(taught.tolist(), len(taught), "looking for training gathers")
    seen = np.array([known.has(ids[row], functools.partial(brought, row)) for row in looked_for], bool)
    if seen.any():
        remarks.append(
            f"{number_of(int(seen.sum()), 'label')} not checked: {classifier.name} was trained on these "
            "gathers; name a model that was not, such as savedmodels/robust, to have them checked"
        )
    suspects = _suspects(looks, features, classes, taught[~seen], lines, seed)
    suspects = suspects[given.looks[suspects] < 2]
    disputed = given.disputed[candidates[given.disputed]]
    if not is_open.any() and not len(suspects) and not len(disputed):
        raise InputError(
            f"{survey.path}: all its gathers are labelled, and no label is suspect; there is nothing to label"
        )
    everything = Known(
        probabilities,
        features,
        order,
        given.judged,
        is_open,
        lines,
        shots,
        cables,
        suspects,
        numbers[rare.casefold()] if rare else len(numbers) - 1,
        disputed,
    )
    choices = choose(everything, count, shares, apart, seed)
    if not any(is_second_look(one.reason) for one in choices) and (len(suspects) or len(disputed)):
        doubts = [f"{number_of(len(suspects), 'label')} may be wrong"] if len(suspects) else []
        doubts += [f"judges disagree on {number_of(len(disputed), 'gather')}"] if len(disputed) else []
        remarks.append(f"{' and '.join(doubts)}, but none of them is chosen: see --share")
    if len(choices) < count:
        remarks.append(
            f"--count {count}: {number_of(len(choices), 'gather')} chosen; no more are left for these shares"
        )
    return Next(tuple(choices), probabilities, given.times, fractions, len(suspects), tuple(remarks))


def choose_next(
    survey: Survey,
    given: Labelled,
    savedmodel: Path,
    count: int,
    shares: Mapping[str, float],
    apart: int,
    rare: str | None = None,
    seed: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[Next, pd.DataFrame]:
    """As `next_gathers`, by a SavedModel, whose view of the survey is kept in the survey's folder.

    Args:
        survey: The survey, with the labels of its records.
        given: The labels that there are.
        savedmodel: Folder of the classifier's SavedModel, with its version.
        count: As for `next_gathers`.
        shares: Likewise.
        apart: Likewise.
        rare: Likewise.
        seed: Likewise.
        say: Called with lines for the user.

    Returns:
        The choices, and as a table.
    """
    classifier = load_classifier(savedmodel)
    looks = kept_looks(classifier, savedmodel, survey, say)
    chosen = next_gathers(survey, given, looks, classifier, count, shares, apart, rare, seed)
    return chosen, chosen.table(survey, classifier.labels)


def _expected(fractions: Fractions, numbers: Mapping[str, int]) -> np.ndarray:
    """Class fractions to expect, `[class]`; even before anything is known of them."""
    counts = np.zeros(len(numbers))
    for one in fractions.classes:
        if one.label.casefold() in numbers:
            counts[numbers[one.label.casefold()]] += one.found
    return counts + PRIOR_COUNT


def _suspects(
    looks: Looks, features: np.ndarray, classes: np.ndarray, rows: np.ndarray, lines: np.ndarray, seed: int
) -> np.ndarray:
    if not len(rows):
        return rows
    with warnings.catch_warnings():
        # Of classes with fewer gathers than folds.
        warnings.simplefilter("ignore", UserWarning)
        unseen = unseen_probabilities(looks.log_probabilities[rows], features[rows], classes[rows], lines[rows], seed)
    return rows[suspected(classes[rows], unseen)]
