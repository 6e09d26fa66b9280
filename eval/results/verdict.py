"""What a study of independent surveys found: what flows are worth and where, and whether the best arm does harm.

`docs/protocol.md` fixes the contrasts, the bounds and the words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eval.results.contrasts import IN_WORDS, SIGNIFICANT, p_text
from eval.results.replicated import Replicated
from eval.results.statistics import PairedTest, mean_of
from eval.study.names import ARMS, RIVAL
from eval.study.recipe import ReplicatesSection, SettingSection

CLAIMANT = "noise-flow"
"""The flow of which it is claimed, or not, that flows add something."""

RARE_BOUND, OTHERS_BOUND = 1.0, 0.5
"""Points of F1 that the best arm may lose against random oversampling: of the rare class in settings whose rare gathers
lie on all lines, and of each other class in any setting."""


@dataclass(frozen=True)
class Harm:
    """What the best arm loses or gains against random oversampling, beside what it may lose.

    Attributes:
        setting: Name of the setting.
        label: The class.
        test: The best arm's F1 minus that of random oversampling, in points.
        bound: Points that it may lose.
    """

    setting: str
    label: str
    test: PairedTest
    bound: float

    @property
    def verdict(self) -> str:
        """Whether it loses more than it may, in words; whether the interval lies within the bound is said too."""
        test = self.test
        if test.folds < 2:
            return "not known yet"
        if test.difference < -self.bound:
            return "harm" if test.high < -self.bound else "harm on average; it may be chance"
        return "no harm" if test.low >= -self.bound else "no harm on average; more is possible"


class Worth(NamedTuple):
    """A flow in a setting, against random oversampling and against the best arm without a flow, in points of F1."""

    setting: str
    arm: str
    rival: PairedTest
    best_other: str
    other: PairedTest


def setting_in_words(setting: SettingSection, rare: str) -> str:
    """How a setting's rare gathers lie, such as `20 bad gathers, on the few lines with bad weather`.

    Args:
        setting: The setting.
        rare: The rare class.
    """
    number = f"{setting.rare} {rare} gathers" if setting.rare else f"all {rare} gathers of a survey"
    if not setting.weather:
        return f"{number}, on all lines"
    where = "on the few lines with bad weather" if setting.weather == 1 else "mostly on lines with bad weather"
    return f"{number}, {where}"


def best_of(results: Replicated, setting: str, arms: Sequence[str] | None = None) -> str | None:
    """The arm with the highest mean F1 of the rare class; None if none has finished a survey.

    Args:
        results: The study's results.
        setting: Name of the setting.
        arms: Names of the arms to choose from; all if None.
    """
    means = {
        arm: mean_of(list(values.values())).mean
        for arm in ARMS
        if (arms is None or arm in arms) and (values := results.values(setting, arm))
    }
    return max(means, key=means.__getitem__) if means else None


def harms(results: Replicated, replicates: ReplicatesSection) -> list[Harm]:
    """Whether the best arm of the primary setting does harm in any; empty if that is random oversampling or none.

    Args:
        results: The study's results.
        replicates: The recipe's section.
    """
    best = best_of(results, replicates.settings[0].name)
    if best is None or best == RIVAL:
        return []
    made = []
    for setting in replicates.settings:
        for label in results.labels:
            if label != results.rare or not setting.weather:
                bound = RARE_BOUND if label == results.rare else OTHERS_BOUND
                test = results.contrast(setting.name, best, RIVAL, label=label)
                made.append(Harm(setting.name, label, test, bound))
    return made


def worth_of_flows(results: Replicated, replicates: ReplicatesSection) -> list[Worth]:
    """Each flow in each setting, against random oversampling and against the best arm without a flow.

    Args:
        results: The study's results.
        replicates: The recipe's section.
    """
    made = []
    for setting in (one.name for one in replicates.settings):
        there = [arm for arm in ARMS if results.values(setting, arm)]
        without = best_of(results, setting, [arm for arm in there if not ARMS[arm].flow])
        for arm in (arm for arm in there if ARMS[arm].flow):
            other = without or RIVAL
            tests = [results.contrast(setting, arm, one) for one in (RIVAL, other)]
            made.append(Worth(setting, arm, tests[0], other, tests[1]))
    return made


def flow_adds(results: Replicated, setting: str) -> tuple[bool, str, PairedTest] | None:
    """Whether `CLAIMANT` beats every other arm, each test at its own level (an intersection-union test).

    Args:
        results: The study's results.
        setting: Name of the setting.

    Returns:
        Whether it does, the arm that it beats least, or fails to beat, by mean, and that test; None if not tested yet.
    """
    others = [arm for arm in ARMS if arm != CLAIMANT and results.outcomes.get(setting, {}).get(arm)]
    tests = {arm: results.contrast(setting, CLAIMANT, arm) for arm in others}
    known = {arm: test for arm, test in tests.items() if test.folds > 1}
    if not known:
        return None
    unbeaten = [arm for arm, one in known.items() if not (is_sure(one) and one.difference > 0)]
    least = min(unbeaten or known, key=lambda arm: known[arm].difference)
    return not unbeaten and known.keys() == tests.keys(), least, known[least]


def verdict(results: Replicated, replicates: ReplicatesSection) -> str:
    """The study's result in one sentence.

    Args:
        results: The study's results.
        replicates: The recipe's section.
    """
    setting, primary, rare = replicates.settings[0], replicates.primary, results.rare
    where = setting_in_words(setting, rare)
    test = results.contrast(setting.name, primary, RIVAL)
    if test.folds < 2:
        return (
            f"There is no verdict yet: with {where}, {test.folds} of {replicates.count} surveys have been run with "
            f"both {IN_WORDS[primary]} and {IN_WORDS[RIVAL]}, and a test needs two."
        )
    early = f" so far ({test.folds} of {replicates.count} surveys)" if test.folds < replicates.count else ""
    parts = [f"With {where}, {IN_WORDS[primary]} {_effect(test, rare)} random oversampling{early} ({tested(test)})"]
    parts += [_flow_clause(results, setting), _nothing_clause(results, replicates)]
    return "; ".join(filter(None, parts)) + "."


def tested(test: PairedTest) -> str:
    """A test in words: interval, p, number of surveys."""
    return f"95 % interval {test.low:+.1f} to {test.high:+.1f}, {p_text(test.p)}, {test.folds} surveys"


def is_sure(test: PairedTest) -> bool:
    """Whether a difference is significant by itself."""
    return test.folds > 1 and test.p < SIGNIFICANT


def _effect(test: PairedTest, rare: str) -> str:
    if is_sure(test):
        change, where = ("raises", "over") if test.difference > 0 else ("lowers", "below")
        return f"{change} F1 of {rare} by {abs(test.difference):.1f} points {where}"
    return f"changes F1 of {rare} by {test.difference:+.1f} points, perhaps by chance, over"


def _flow_clause(results: Replicated, setting: SettingSection) -> str:
    """Whether a flow adds something where it was to add most."""
    found = flow_adds(results, setting.name)
    if found is None:
        return ""
    adds, least, test = found
    against = f"{test.difference:+.1f} points against {IN_WORDS[least]}, {tested(test)}"
    if adds:
        return f"{IN_WORDS[CLAIMANT]} beats every other way that was run, the next best included ({against})"
    return f"{IN_WORDS[CLAIMANT]} is not shown to add anything to that ({against})"


def _nothing_clause(results: Replicated, replicates: ReplicatesSection) -> str:
    """The settings in which no flow is surely better than the best arm without a flow."""
    found = worth_of_flows(results, replicates)
    nothing = []
    for setting in replicates.settings:
        own = [one.other for one in found if one.setting == setting.name and one.other.folds > 1]
        if own and not any(is_sure(test) and test.difference > 0 for test in own):
            nothing.append(setting_in_words(setting, results.rare))
    if not nothing:
        return ""
    no_more = "no flow is shown to be worth more than the best way without one"
    if len(nothing) == len(replicates.settings):
        return f"{no_more} in any setting"
    return f"with {' or with '.join(nothing)}, {no_more}"
