"""Labels bought on a target survey, some at a time, at random or as `glowseis next` chooses them."""

from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import NonNegativeInt, model_validator

from eval.budget.recipe import BuyingSection
from eval.budget.targets import Judge
from eval.study.kept import Kept, read_kept, write_kept
from glowseis.choosing.mixture import RANDOM
from glowseis.run.looks import Looks
from glowseis.run.next_gathers import Labelled, next_gathers
from glowseis.survey.store.survey import Survey


class Bought(Kept):
    """Labels in the order in which they were bought; a second look at a gather replaces its label.

    Attributes:
        shared: Digest of what they depend on (`eval.budget.recipe.HourRecipe.shared`).
        rows: Rows of the pool.
        labels: What the judge said.
        reasons: Why each gather was chosen.
    """

    shared: str
    rows: list[NonNegativeInt]
    labels: list[str]
    reasons: list[str]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not len(self.rows) == len(self.labels) == len(self.reasons):
            raise ValueError("its lists have different lengths")
        return self

    def first(self, count: int) -> "Bought":
        """The first so many."""
        cut = {name: getattr(self, name)[:count] for name in ("rows", "labels", "reasons")}
        return self.model_copy(update=cut)

    def of_each(self) -> dict[int, str]:
        """The last label of each gather, by row."""
        return dict(zip(self.rows, self.labels, strict=True))


def buy(
    strategy: str,
    section: BuyingSection,
    count: int,
    survey: Survey,
    looks: Looks,
    classifier: Any,
    judge: Judge,
    seed: int,
    path: Path,
    shared: str,
) -> Bought:
    """Buy labels, or go on where an earlier call stopped.

    Args:
        strategy: One of `eval.budget.recipe.STRATEGIES`.
        section: How they are bought.
        count: How many in all.
        survey: The pool.
        looks: The ready classifier's view of it.
        classifier: The ready classifier.
        judge: Who labels.
        seed: Seed of the random order.
        path: File of what was bought.
        shared: Digest of what it depends on.
    """
    bought = read_kept(path, Bought, "run the same command again")
    if bought is None or bought.shared != shared:
        bought = Bought(shared=shared, rows=[], labels=[], reasons=[])
    shares = {RANDOM: 1.0} if strategy == "random" else section.shares
    begun = len(bought.rows)
    while len(bought.rows) < count:
        found = next_gathers(
            survey, _labelled(survey, bought, classifier.labels), looks, classifier, section.at_once, _all(shares),
            section.apart, seed=seed,
        ).choices  # fmt: skip
        looked = np.bincount(bought.rows, minlength=len(survey)) if bought.rows else np.zeros(len(survey), np.int64)
        bought = Bought(
            shared=shared,
            rows=bought.rows + [one.row for one in found],
            labels=bought.labels + [judge.label(one.row, int(looked[one.row])) for one in found],
            reasons=bought.reasons + [one.reason for one in found],
        )
    if len(bought.rows) > begun:
        write_kept(path, bought)
    return bought.first(count)


def _labelled(survey: Survey, bought: Bought, classes: tuple[str, ...]) -> Labelled:
    labels, looks = np.full(len(survey), "", object), np.zeros(len(survey), np.int64)
    for row, label in zip(bought.rows, bought.labels, strict=True):
        labels[row], looks[row] = label, looks[row] + 1
    return Labelled(labels, looks > 0, looks, np.full(len(looks), -np.inf), classes)


def _all(shares: dict[str, float]) -> dict[str, float]:
    from glowseis.choosing.mixture import SHARES

    return dict.fromkeys(SHARES, 0.0) | shares
