"""The differences between arms that are tested, and the results.

One contrast is primary and was fixed in advance: the flow against random oversampling, F1 of the rare class. All
others, every arm against random oversampling and against no augmentation, form one family for each kind of folds and
each test set, corrected by Holm's method.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from eval.results.collection import Results, held_out_ratio
from eval.results.statistics import Interval, PairedTest, bootstrap_difference, corrected_resampled_test, holm, mean_of
from eval.study.names import ARMS, BASELINE, PRIMARY, RIVAL
from eval.study.outcome import Outcome

TestSet = Literal["folds", "independent"]

SIGNIFICANT = 0.05

LEAST_P = 0.001
"""A smaller p is printed as smaller than this."""

IN_WORDS = {PRIMARY: "the flow", BASELINE: "no augmentation"} | {
    name: arm.title for name, arm in ARMS.items() if name not in (PRIMARY, BASELINE)
}
"""Names of arms within a sentence."""

KINDS_IN_WORDS = {"grouped": "folds grouped by sail line", "stratified": "stratified folds"}


@dataclass(frozen=True)
class Contrast:
    """A difference between two arms' F1 of the rare class; fractions.

    Attributes:
        kind: Kind of the folds.
        on: What the models were scored on: their `folds`' test gathers, or the `independent` survey.
        first: Name of an arm.
        second: Name of the arm that is subtracted.
        first_mean: Mean F1 of the first over the folds that both finished.
        second_mean: The same for the second.
        test: The corrected resampled t-test.
        holm: Its p, corrected within the family; NaN for the primary contrast, which is in none.
        pooled: Difference in F1 on the pooled test gathers with its bootstrap interval; None on the independent survey.
    """

    kind: str
    on: TestSet
    first: str
    second: str
    first_mean: float
    second_mean: float
    test: PairedTest
    holm: float = np.nan
    pooled: Interval | None = None

    @property
    def primary(self) -> bool:
        """Whether it is the flow against random oversampling."""
        return (self.first, self.second) == (PRIMARY, RIVAL)


def contrasts(results: Results, kind: str, on: TestSet) -> list[Contrast]:
    """All contrasts of a kind of folds on a test set, the primary one first.

    Args:
        results: The study's results.
        kind: Kind of the folds.
        on: What the models were scored on.

    Returns:
        The contrasts of arms that did not fail and share a finished fold.
    """
    made = [_contrast(results, kind, on, *pair) for pair in pairs_of(results.arms) if results.paired(kind, *pair)]
    family = [one for one in made if not one.primary]
    corrected = holm([one.test.p for one in family])
    return [one for one in made if one.primary] + [
        replace(one, holm=p) for one, p in zip(family, corrected, strict=True)
    ]


def pairs_of(arms: tuple[str, ...]) -> list[tuple[str, str]]:
    """Pairs of arms that are compared: each once, first minus second.

    Args:
        arms: Names of the study's arms.
    """
    rivals = [(arm, RIVAL) for arm in arms if arm not in (BASELINE, RIVAL)]
    baseline = [(arm, BASELINE) for arm in arms if arm != BASELINE]
    return [(first, second) for first, second in rivals + baseline if second in arms]


def rare_f1(results: Results, outcome: Outcome, on: TestSet) -> float:
    """F1 of the rare class.

    Args:
        results: The study's results.
        outcome: One of its outcomes; it did not fail.
        on: What the model was scored on.
    """
    if on == "folds":
        return float(results.scores_of(outcome).f1[results.rare_number])
    if outcome.independent is None:
        raise ValueError(f"{outcome.kind} fold {outcome.fold} {outcome.arm} has no independent scores")
    return outcome.independent.f1[results.rare_number]


def learnt_nothing(results: Results, kind: str, arm: str, on: TestSet) -> bool:
    """Whether no model of an arm finds any rare gather.

    Args:
        results: The study's results.
        kind: Kind of the folds.
        arm: Name of the arm.
        on: What its models were scored on.

    Returns:
        Whether there are finished folds and F1 of the rare class is 0 in all of them.
    """
    found = results.of(kind, arm)
    return bool(found) and not any(rare_f1(results, one, on) for one in found)


def deciding(results: Results) -> tuple[str, TestSet]:
    """Kind of folds and test set of the primary contrast: the headline's, on the independent survey if there is one.

    Args:
        results: The study's results.
    """
    return results.kinds[0], "independent" if results.independent else "folds"


def summary(results: Results) -> str:
    """The study's result in words: whether the flow beats random oversampling, then what else matters.

    Args:
        results: The study's results.

    Returns:
        Sentences, in one line.
    """
    kind, on = deciding(results)
    made = {(one.first, one.second): one for one in contrasts(results, kind, on)}
    primary, baseline = made.get((PRIMARY, RIVAL)), made.get((PRIMARY, BASELINE))
    lost = [arm for arm in results.arms if learnt_nothing(results, kind, arm, on)]
    sentences = [_primary_sentence(results, primary)]
    if lost:
        named = ", ".join(IN_WORDS[arm] for arm in lost)
        sentences.append(f"Learnt nothing, and found no {results.rare} gather in any fold: {named}.")
    if baseline and not np.isnan(baseline.holm) and not {PRIMARY, BASELINE} <= set(lost):
        verb = "gains" if baseline.test.difference >= 0 else "loses"
        sentences.append(
            f"Compared with no augmentation it {verb} {100 * abs(baseline.test.difference):.1f} points "
            f"({p_text(baseline.holm)} by Holm's correction)."
        )
    means = {
        arm: mean_of([rare_f1(results, one, on) for one in found]).mean
        for arm in results.arms
        if (found := results.of(kind, arm))
    }
    higher = sorted((arm for arm in means if PRIMARY in means and means[arm] > means[PRIMARY]), key=means.__getitem__)
    if higher:
        named = ", ".join(f"{IN_WORDS[arm]} {100 * means[arm]:.1f}" for arm in reversed(higher))
        sentences.append(f"Higher means than the flow's {100 * means[PRIMARY]:.1f}: {named}.")
    return " ".join(sentences)


def p_text(p: float) -> str:
    """A probability in words, such as `p = 0.04` or `p < 0.001`.

    Args:
        p: The probability.
    """
    return f"p = {p:.2g}" if p >= LEAST_P else f"p < {LEAST_P}"


def _contrast(results: Results, kind: str, on: TestSet, first: str, second: str) -> Contrast:
    pairs = results.paired(kind, first, second)
    values = np.array([[rare_f1(results, one, on) for one in pair] for pair in pairs])
    test = corrected_resampled_test(values[:, 0] - values[:, 1], held_out_ratio(one for one, _ in pairs))
    pooled = None
    if on == "folds":
        truth = np.concatenate([one.truth for one, _ in pairs])
        graded = [np.concatenate([pair[place].predicted for pair in pairs]) for place in (0, 1)]
        pooled = bootstrap_difference(truth, graded[0], graded[1], results.rare_number)
    means = [mean_of(column).mean for column in values.T]
    return Contrast(kind, on, first, second, means[0], means[1], test, pooled=pooled)


def _primary_sentence(results: Results, primary: Contrast | None) -> str:
    kind, on = deciding(results)
    for arm in (PRIMARY, RIVAL):
        if arm not in results.arms:
            return f"Whether the flow beats random oversampling was not tested: the arm {arm} was left out."
        if results.failure(kind, arm):
            return (
                f"Whether the flow beats random oversampling is not known: the arm {arm} {results.failure(kind, arm)}."
            )
    if primary is None or np.isnan(primary.test.p):
        return (
            f"Whether the flow beats random oversampling is not known yet: {results.progress(kind)} are finished, "
            "and two are needed."
        )
    if all(learnt_nothing(results, kind, arm, on) for arm in (PRIMARY, RIVAL)):
        return "Whether the flow beats random oversampling is not known: neither learnt anything."
    test = primary.test
    verdict = "does not beat"
    if test.p < SIGNIFICANT:
        verdict = "beats" if test.difference > 0 else "is worse than"
    part = test.folds < results.folds
    words = KINDS_IN_WORDS.get(kind, kind)
    where = f"models of {words}, tested on the independent survey" if on == "independent" else words
    return (
        f"{f'After {test.folds} of {results.folds} folds the' if part else 'The'} flow {verdict} random oversampling: "
        f"F1 of {results.rare} {100 * primary.first_mean:.1f} against {100 * primary.second_mean:.1f}, "
        f"{p_text(test.p)} ({where})."
    )
