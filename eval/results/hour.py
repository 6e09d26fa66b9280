"""Figures and tests of the benchmark of the hour, from its outcomes: what labels are worth, and how many are saved."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from eval.budget.outcome import Point, point_path, read_point
from eval.budget.recipe import READY, HourRecipe
from eval.results.exchange import BEYOND, DRAWS, WITHIN, needed
from eval.results.statistics import LEVEL, Interval, PairedTest, holm, paired_test
from glowseis.errors import InputError

FIGURES = {"f1": "F1", "average_precision": "PR-AUC", "precision": "precision", "recall": "recall"}
"""Figures of an outcome that are reported, and what they are called."""

SCRATCH = "scratch"
"""The arm that is trained from scratch, on random labels."""

HALF = 0.5
"""Share of the random labels that chosen ones may need at most, by the figure to reach."""


@dataclass(frozen=True)
class Saved:
    """How many chosen labels do what so many random ones do.

    Attributes:
        random: The number of random labels.
        f1: The mean F1 that they give, in per cent.
        chosen: The number of chosen labels with the same mean F1, with an interval over targets; `WITHIN` or `BEYOND`
            outside what was measured.
        targets: Number of targets.
        measured: The smallest and the largest number of chosen labels that was measured.
    """

    random: int
    f1: float
    chosen: Interval
    targets: int
    measured: tuple[int, int]

    def number(self, value: float) -> str:
        """A number of labels in words."""
        if np.isnan(value):
            return "unknown"
        if value == WITHIN:
            return f"at most {self.measured[0]}"
        return f"more than {self.measured[1]}" if value == BEYOND else f"{value:.0f}"

    @property
    def reached(self) -> bool:
        """Whether the interval lies within half of the random labels."""
        return not np.isnan(self.chosen.high) and self.chosen.high <= HALF * self.random * (1 + 1e-9)


@dataclass(frozen=True)
class Hour:
    """The outcomes of the benchmark.

    Attributes:
        recipe: Its recipe.
        points: Those that did not fail, by arm, number of labels and target.
        failed: The others.
    """

    recipe: HourRecipe
    points: dict[str, dict[int, dict[int, Point]]]
    failed: list[Point] = field(default_factory=list)

    @property
    def rare(self) -> str:
        """Name of the rare class."""
        return self.recipe.labels[self.recipe.rare]

    def title(self, arm: str) -> str:
        """An arm's name for people."""
        return "ready model alone" if arm == READY else self.recipe.arm(arm).title

    @property
    def arms(self) -> list[str]:
        """Names of the arms with outcomes, in the recipe's order."""
        return [name for name in (READY, *(one.name for one in self.recipe.arms)) if self.points.get(name)]

    @property
    def left(self) -> int:
        """How many points of the recipe are not finished."""
        return sum(target not in self.points.get(arm, {}).get(n, {}) for target, arm, n in self.recipe.points)

    def values(self, arm: str, bought: int, figure: str = "f1") -> dict[int, float]:
        """A figure of the rare class in per cent by target; the ready model's does not depend on the labels."""
        found = self.points.get(arm, {}).get(0 if arm == READY else bought, {})
        return {target: 100 * getattr(one, figure)[self.recipe.rare] for target, one in sorted(found.items())}

    def contrast(self, first: str, second: str, bought: int, figure: str = "f1") -> PairedTest:
        """The paired t-test of two arms over the targets that both finished, first minus second, in points."""
        one, other = (self.values(arm, bought, figure) for arm in (first, second))
        return paired_test([one[target] - other[target] for target in sorted(one.keys() & other.keys())])

    @property
    def primary(self) -> PairedTest:
        """The contrast that was fixed beforehand."""
        first, rival = self.recipe.primary
        return self.contrast(first, rival, self.recipe.budget)

    def contrasts(self) -> pd.DataFrame:
        """The first primary arm against each other one, and each arm against the ready model, at every budget.

        p by Holm corrects within a budget, over all rows but the primary contrast.
        """
        first, rival = self.recipe.primary
        rows = []
        for bought in sorted({n for arm in self.recipe.arms for n in arm.budgets}):
            there = [arm for arm in self.arms if arm == READY or bought in self.points[arm]]
            pairs = [(first, arm) for arm in there if arm != first] if first in there else []
            pairs += [(arm, READY) for arm in there if arm not in (READY, first)] if READY in there else []
            pairs += [(rival, arm) for arm in there if arm == SCRATCH] if rival in there else []
            tests = {pair: self.contrast(*pair, bought) for pair in pairs}
            family = [pair for pair in pairs if pair != (first, rival) or bought != self.recipe.budget]
            corrected = dict(zip(family, holm([tests[pair].p for pair in family]), strict=True))
            for (one, other), test in tests.items():
                about = {"difference": test.difference, "low": test.low, "high": test.high, "p": test.p}
                row = {"labels": bought, "first": one, "second": other, **about, "targets": test.folds}
                rows.append({**row, "holm": corrected.get((one, other), np.nan)})
        return pd.DataFrame(rows)

    def saved(self, seed: int = 0) -> Saved | None:
        """How many chosen labels do as well as the primary budget of random ones; None if too little is finished.

        The curve of chosen labels is interpolated over the logarithm of their number, from the ready model (as one
        label) on; its first crossing counts. The interval draws targets anew, with replacement.
        """
        first, rival = self.recipe.primary
        counts = [n for n in self.recipe.arm(first).budgets if self.values(first, n)]
        curves = [self.values(READY, 0), *(self.values(first, n) for n in counts)]
        goal = self.values(rival, self.recipe.budget)
        targets = sorted(set(goal).intersection(*curves))
        if len(targets) < 2 or not counts:
            return None
        curve = np.array([[one[target] for one in curves] for target in targets])
        aim, places = np.array([goal[target] for target in targets]), [1, *counts]
        drawn = np.random.default_rng(seed).integers(0, len(targets), (DRAWS, len(targets)))
        every = [needed(places, curve[one].mean(axis=0), float(aim[one].mean())) for one in drawn]
        parts = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
        low, high = (float(one) for one in np.quantile(every, parts, method="inverted_cdf"))
        value = needed(places, curve.mean(axis=0), float(aim.mean()))
        interval = Interval(value, low, high)
        return Saved(self.recipe.budget, float(aim.mean()), interval, len(targets), (0, counts[-1]))

    def against_scratch(self) -> dict[int, PairedTest]:
        """Fine-tuning on random labels against training from scratch on the same, by their number."""
        rival, scratch = self.recipe.primary[1], self.points.get(SCRATCH, {})
        tests = {bought: self.contrast(rival, SCRATCH, bought) for bought in sorted(scratch)}
        return {bought: test for bought, test in tests.items() if test.folds > 1}

    def table(self) -> pd.DataFrame:
        """Every arm at every number of labels: mean over targets of each figure of the rare class, with intervals."""
        rows = []
        for arm in self.arms:
            for bought, found in sorted(self.points[arm].items()):
                row: dict[str, object] = {"arm": arm, "labels": bought, "targets": len(found)}
                for figure in FIGURES:
                    mean = paired_test(list(self.values(arm, bought, figure).values()))
                    row |= {figure: mean.difference, f"{figure}_low": mean.low, f"{figure}_high": mean.high}
                given = [one.labelled.get(self.rare, 0) for one in found.values()]
                row |= {"rare_labels": float(np.mean(given))}
                row |= {"seconds": float(np.mean([sum(one.seconds.values()) for one in found.values()]))}
                rows.append(row)
        return pd.DataFrame(rows)

    def each(self) -> pd.DataFrame:
        """Every outcome, a row each."""
        rows = []
        for arm in self.arms:
            for bought, found in sorted(self.points[arm].items()):
                for target, one in sorted(found.items()):
                    figures = {figure: self.values(arm, bought, figure)[target] for figure in FIGURES}
                    row = {"target": target, "acquisition": one.acquisition, "arm": arm, "labels": bought, **figures}
                    about = {"rare_labels": one.labelled.get(self.rare, 0), "seconds": sum(one.seconds.values())}
                    rows.append({**row, **about, "commit": one.commit, "machine": one.machine})
        return pd.DataFrame(rows)


def verdict(hour: Hour) -> str:
    """The result in sentences, whatever it is: first which aim is not reached."""
    first, rival = (hour.title(one) for one in hour.recipe.primary)
    test, budget, count = hour.primary, hour.recipe.budget, hour.recipe.targets.count
    if test.folds < 2:
        return f"There is no verdict yet: {test.folds} targets have both {first} and {rival} at {budget} labels."
    early = f" so far ({test.folds} of {count} targets)" if test.folds < count else ""
    scratch = [one.budgets for one in hour.recipe.arms if one.name == SCRATCH]
    effect = f"changes F1 of {hour.rare} by {test.difference:+.1f} points, perhaps by chance,"
    if test.low > 0 or test.high < 0:
        effect = f"{'raises' if test.low > 0 else 'lowers'} F1 of {hour.rare} by {abs(test.difference):.1f} points"
    interval = f"95 % interval {test.low:+.1f} to {test.high:+.1f}, {test.folds} targets"
    sentences = [f"With {budget} labels, {first} {effect} against {rival}{early} ({interval})."]
    missed = []
    saved = hour.saved()
    if saved:
        low, value, high = (saved.number(getattr(saved.chosen, end)) for end in ("low", "value", "high"))
        reached = f"is reached with {value} chosen ones"
        if saved.chosen.value == BEYOND:
            reached = f"is not reached with up to {saved.measured[1]} chosen ones"
        sentences.append(
            f"What {saved.random} random labels give (F1 {saved.f1:.1f}) {reached} (95 % interval {low} to {high})."
        )
    if not (saved and saved.reached):
        missed.append(f"it is not shown that half as many chosen labels do what {budget} random ones do")
    if tests := hour.against_scratch():
        each = (f"{one.difference:+.1f} ({one.low:+.1f} to {one.high:+.1f}) at {n}" for n, one in tests.items())
        sentences.append(f"Fine-tuning instead of training from scratch, both on random labels: {', '.join(each)}.")
    if any(not (n in tests and tests[n].low > 0) for budgets in scratch for n in budgets):
        missed.append("fine-tuning is not shown to beat training from scratch at every number of labels")
    early = early or (" so far" if hour.left else "")
    return " ".join([*([f"Aims not reached{early}: {'; '.join(missed)}."] if missed else []), *sentences])


def collect(folder: Path, recipe: HourRecipe, shared: str, settings: dict[str, str]) -> Hour:
    """Read the outcomes.

    Args:
        folder: Their folder.
        recipe: The benchmark's recipe.
        shared: Digest of what all depend on.
        settings: Digest of each arm's settings.

    Raises:
        InputError: There is none, or one is damaged or was made with other settings.
    """
    points: dict[str, dict[int, dict[int, Point]]] = {}
    failed = []
    for target, arm, bought in recipe.points:
        path = point_path(folder, target, arm, bought)
        point = read_point(path)
        if point is None:
            continue
        if (point.shared, point.settings) != (shared, settings[arm]):
            raise InputError(f"{path}: was made with other settings; give another --out, or remove it")
        if point.error:
            failed.append(point)
        else:
            points.setdefault(arm, {}).setdefault(bought, {})[target] = point
    if not points:
        raise InputError(f"{folder}: nothing is finished; leave out --tables-only to run it")
    return Hour(recipe, points, failed)
