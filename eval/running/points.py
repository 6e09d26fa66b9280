"""The points of the benchmark run one after another; what is finished is kept, and a stopped run goes on."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from eval.budget.arms import head_scores, ready_scores, settings_digest, trained_scores
from eval.budget.buying import Bought, buy
from eval.budget.outcome import Point, point_path, read_point, write_point
from eval.budget.recipe import READY, HourRecipe
from eval.budget.targets import Judge, Target, acquisition_numbers, make_target
from eval.running.crossval import machine
from eval.running.process import logged
from glowseis.errors import FittingError, InputError
from glowseis.export.classifier import SavedClassifier, load_classifier
from glowseis.export.folders import savedmodel_sha256, version_folder
from glowseis.run.looks import Looks, look_at_survey
from glowseis.run.record import commit
from glowseis.shipped import found

PREPARATION = "preparation"
"""What simulating and looking at a target take, and buying labels, among a point's seconds."""

BATCH = 64
"""Windows looked at together."""


def model_digest(recipe: HourRecipe) -> str:
    """SHA-256 of what all outcomes of the recipe depend on."""
    return recipe.shared(savedmodel_sha256(version_folder(found(Path(recipe.model)))))


class Runner:
    """Runs points.

    Args:
        recipe: The benchmark's recipe.
        folder: Folder of surveys and work.
        outcomes: Folder of the outcomes.
        say: Called with lines for the user.

    Raises:
        InputError: The model has other classes.
    """

    def __init__(self, recipe: HourRecipe, folder: Path, outcomes: Path, say: Callable[[str], None]):
        self._recipe, self._folder, self._outcomes, self._say = recipe, folder, outcomes, say
        self._classifier: SavedClassifier = load_classifier(found(Path(recipe.model)))
        if list(self._classifier.labels) != recipe.labels:
            raise InputError(f"labels = {recipe.labels}, but {recipe.model} grades {list(self._classifier.labels)}")
        self._shared = model_digest(recipe)
        self._acquisitions = acquisition_numbers(recipe.targets, self._classifier.size)
        self._target: Target | None = None
        self._looks: tuple[Looks, Looks] | None = None
        self._taken: dict[str, list[float]] = {}

    def run(self, targets: Sequence[int], arms: Sequence[str]) -> None:
        """Run all points of these targets and arms that are not finished.

        Args:
            targets: Numbers of the targets.
            arms: Names of the arms.

        Raises:
            StoppedError: It was interrupted; what is finished is kept.
        """
        wanted = [one for one in self._recipe.points if one[0] in targets and one[1] in arms]
        todo = [one for one in wanted if not self._done(*one)]
        for number, (target, arm, bought) in enumerate(todo):
            point = self._point(target, arm, bought)
            write_point(self._outcomes, point)
            self._note(point)
            rare = self._recipe.labels[self._recipe.rare]
            told = point.error or f"F1 of {rare} {100 * point.f1[self._recipe.rare]:.1f}"
            self._say(f"target {target}, {arm}, {bought} labels: {told}; {self._left(todo[number + 1 :])}")
            keras.backend.clear_session()

    def _done(self, target: int, arm: str, bought: int) -> bool:
        point = read_point(point_path(self._outcomes, target, arm, bought))
        if point is None or point.error:
            return False
        if (point.shared, point.settings) != (self._shared, settings_digest(self._recipe, arm)):
            path = point_path(self._outcomes, target, arm, bought)
            raise InputError(f"{path}: was made with other settings; give another --out, or remove it")
        self._note(point)
        return True

    def _note(self, point: Point) -> None:
        """Note how long a point took; the ready model's is the first of a target, which it prepares."""
        seconds = dict(point.seconds)
        preparation = seconds.pop(PREPARATION, 0.0)
        self._taken.setdefault(point.arm, []).append(preparation if point.arm == READY else sum(seconds.values()))

    def _left(self, todo: Sequence[tuple[int, str, int]]) -> str:
        """What is left, and about how long that takes by what was finished."""
        if not todo:
            return "nothing is left"
        trained = {one.name for one in self._recipe.arms if one.recipe}
        known = [seconds for arm, taken in self._taken.items() if arm in trained for seconds in taken]
        if not known and any(arm in trained for _, arm, _ in todo):
            return f"{len(todo)} points left"
        expected = {arm: float(np.mean(self._taken.get(arm, known if arm in trained else [0.0]))) for _, arm, _ in todo}
        return f"{len(todo)} points left, about {sum(expected[arm] for _, arm, _ in todo) / 3600:.1f} h"

    def _point(self, target: int, arm: str, bought: int) -> Point:
        started = time.monotonic()
        made, looks = self._prepared(target)
        shared: dict[str, Any] = {
            "shared": self._shared,
            "settings": settings_digest(self._recipe, arm),
            "target": target,
        }
        shared |= {"acquisition": made.acquisition, "arm": arm, "bought": bought}
        about: dict[str, Any] = {"commit": commit() or "", "machine": machine()}
        if arm == READY:
            ready: dict[str, Any] = {**ready_scores(self._recipe, made, looks[1], self._classifier)}
            return Point(**shared, **ready, **about, seconds={PREPARATION: time.monotonic() - started})
        section = self._recipe.arm(arm)
        labels = self._bought(made, section.labels, looks[0]).first(bought)
        given = list(labels.of_each().values())
        about["labelled"] = {label: given.count(label) for label in self._recipe.labels}
        seconds = {PREPARATION: time.monotonic() - started}
        if not section.recipe:
            headed: dict[str, Any] = {**head_scores(self._recipe, made, looks, self._classifier, labels)}
            return Point(**shared, **headed, **about, seconds=seconds)
        work = self._folder / "work" / f"{target:02d}-{arm}-{bought:04d}"
        work.parent.mkdir(parents=True, exist_ok=True)
        try:
            with logged(work):
                scored, taken = trained_scores(self._recipe, section, made, labels, work, print)
        except (InputError, FittingError) as wrong:
            return Point(**shared, **about, error=str(wrong), seconds=seconds)
        trained: dict[str, Any] = {**scored}
        return Point(**shared, **trained, **about, seconds=seconds | taken)

    def _prepared(self, number: int) -> tuple[Target, tuple[Looks, Looks]]:
        """A target, and the ready model's view of its pool and its test survey; the last one is kept in memory."""
        if self._target is None or self._target.number != number or self._looks is None:
            folder = self._folder / "surveys"
            self._target = make_target(self._recipe.targets, number, self._acquisitions[number], folder)
            seen = []
            for part, survey in (("pool", self._target.pool), ("test", self._target.test)):
                kept = self._folder / "looks" / f"{number:02d}-{part}-{self._shared[:12]}.npz"
                seen.append(look_at_survey(self._classifier, survey, kept, BATCH, self._say))
            self._looks = (seen[0], seen[1])
        return self._target, self._looks

    def _bought(self, target: Target, strategy: str, looks: Looks) -> Bought:
        recipe, seed = self._recipe, self._recipe.seed
        judge = Judge(recipe.targets, target.number, target.acquisition, seed)
        path = self._folder / "bought" / f"{target.number:02d}-{strategy}.json"
        most = recipe.buying.most
        return buy(strategy, recipe.buying, most, target.pool, looks, self._classifier, judge, seed, path, self._shared)
