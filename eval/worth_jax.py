"""The classifiers of `eval.worth` on a GPU with JAX, from a checkout alone: TensorFlow is not needed.

    KERAS_BACKEND=jax python -m eval.worth_jax train/worth.toml graded --setting weather1-rare20
    python -m eval.worth train/worth.toml --take graded

Surveys are simulated again by processes, flows of several surveys and classifiers of several arms are fitted at the
same time, many steps in a call. The training gathers of every arm without a flow, the order of the batches and their
augmentations are those of `eval.worth`, bit for bit where the simulation is; first weights and roundings are others.
"""

import argparse
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.on_jax.batches import Batches, batches_of
from eval.on_jax.graded import About, Graded, write_graded
from eval.on_jax.surveys import BAD, Gathers, Place, Processes
from eval.study.recipe import SettingSection, StudyRecipe, read_replicates
from eval.study.replicates import digest_of
from glowseis.errors import InputError
from glowseis.run.record import commit
from glowseis.survey.gather import LABELS
from glowseis.survey.size import parse_size

FLOWS = {"flow": "rare", "noise-flow": "noise"}
"""Arms that need a flow, and which."""


@dataclass(frozen=True)
class Stage:
    """What is worked on together: some surveys of one weather, in settings that differ in their rare gathers alone.

    Attributes:
        weather: Their weather.
        settings: The settings.
        arms: Arms of each setting.
        numbers: Numbers of the surveys.
    """

    weather: float
    settings: list[SettingSection]
    arms: dict[str, list[str]]
    numbers: list[int]


def stages_of(recipe: StudyRecipe, chosen: Sequence[str], numbers: Sequence[int], together: int) -> list[Stage]:
    """The stages of some settings and surveys, in the order of the recipe; points of the curve share their stages."""
    replicates = recipe.study.replicates
    assert replicates is not None
    main = [one.name for one in replicates.settings]
    groups = [[one] for one in replicates.settings if one.name in chosen]
    points = [one for name, one in replicates.every_setting.items() if name in chosen and name not in main]
    found = []
    for settings in [*groups, *([points] if points else [])]:
        arms = {one.name: replicates.surveys_of(one.name, recipe.study.arms) for one in settings}
        most = max(count for wanted in arms.values() for count in wanted.values())
        some = [number for number in numbers if number < most]
        for start in range(0, len(some), together):
            part = some[start : start + together]
            found.append(
                Stage(settings[0].weather, list(settings), {name: list(wanted) for name, wanted in arms.items()}, part)
            )
    return found


class Run:
    """One run of the command.

    Args:
        recipe: The study's recipe.
        words: The command's words.
    """

    def __init__(self, recipe: StudyRecipe, words: argparse.Namespace):
        self._recipe, self._words, self._started = recipe, words, time.monotonic()
        self._processes = Processes(words.workers)
        self._size = parse_size(recipe.survey.size)
        self._surveys: dict[tuple[float, int], Callable[[], Gathers]] = {}
        self._graded: dict[str, list[Graded]] = {}

    def say(self, *told: object) -> None:
        """Print a line with the seconds since the start."""
        print(f"{time.monotonic() - self._started:6.1f} s", *told, flush=True)

    def run(self, stages: Sequence[Stage]) -> None:
        """Fit and grade, stage by stage, until the time is over."""
        from concurrent.futures import ThreadPoolExecutor

        independent = self._recipe.study.independent
        assert independent is not None
        place = Place(independent.seed, independent.weather, independent.fractions, self._size)
        tested = self._processes.survey(place, independent.count)
        self._begin(stages[0])
        # Programs are compiled while surveys are simulated.
        with ThreadPoolExecutor(2) as threads:
            compiling = [threads.submit(self._classifiers), threads.submit(self._flows)]
            for one in compiling:
                one.result()
        self._test = tested()
        self.say(f"{len(self._test)} gathers of the independent survey")
        for stage, following in zip(stages, [*stages[1:], None], strict=True):
            if not self._stage(stage, following):
                self.say("the time is over; run it again for the rest")
                break

    def end(self) -> None:
        """End all processes."""
        self._processes.end()

    def _classifiers(self) -> None:
        from eval.on_jax.classifier import Trainer

        section, training = self._recipe.study.classifier, self._recipe.study.training
        self._trainer = Trainer(self._size, section.alpha, section.companded, chunk=training.steps_per_epoch)
        blank = np.full((self._places, *self._size), 128, np.uint8)
        valid, classes = np.tile(self._size, (len(blank), 1)), np.zeros(len(blank), np.int32)
        shape = (training.steps_per_epoch, training.batch)
        batches = Batches(
            np.zeros(shape, np.int32),
            np.full(shape, 1 / training.batch, np.float32),
            np.full((*shape, 3), 0.5, np.float32),
        )
        weights, _ = self._trainer.fit(
            blank, valid, classes, [batches] * self._words.members, np.zeros(training.steps_per_epoch), 0
        )
        self._trainer.grade(weights, blank[:400])
        self.say("classifier compiled")

    def _flows(self) -> None:
        from eval.on_jax.flow import FlowTrainer, Material

        self._flow = FlowTrainer(self._size, self._recipe.flow, self._recipe.training)
        self.say("flow made")
        random = np.random.default_rng(1)
        images = random.integers(0, 256, (10, *self._size), np.uint8)
        valid = np.tile(self._size, (10, 1))
        blank = Material([images], [valid], images[:1], 1)
        phase = self._recipe.phases_of("rare")[0].model_copy(update={"epochs": 1, "warmup_steps": 0})
        fitted = self._flow.fit([blank] * self._words.together, [phase])
        self._flow.interpolated(fitted[0], images, images, np.full(10, 0.5, np.float32))
        self.say("flow compiled")

    @property
    def _made(self) -> int:
        """Most gathers that an arm makes."""
        study = self._recipe.study
        return study.augmentations - round(study.repeated * study.augmentations)

    @property
    def _places(self) -> int:
        """Gathers of a call of the classifiers: a survey's, and those of every arm."""
        return self._recipe.survey.count + self._words.members * self._made

    def _place(self, weather: float, number: int) -> Place:
        replicates, (good, medium, bad) = self._recipe.study.replicates, self._recipe.survey.fractions
        assert replicates is not None
        return Place(replicates.first_seed + number, weather, (good, medium, bad), self._size)

    def _begin(self, stage: Stage) -> None:
        """Start to simulate a stage's surveys, unless that has begun."""
        bands = any("noise-flow" in arms for arms in stage.arms.values())
        for number in stage.numbers:
            key = (stage.weather, number)
            if key not in self._surveys:
                self._surveys[key] = self._processes.survey(self._place(*key), self._recipe.survey.count, bands)

    def _stage(self, stage: Stage, following: Stage | None) -> bool:
        from eval.on_jax.arms import Replicate

        found = {}
        for number in stage.numbers:
            gathers = self._surveys[stage.weather, number]()
            self._surveys[stage.weather, number] = lambda gathers=gathers: gathers
            for setting in stage.settings:
                place = self._place(stage.weather, number)
                found[setting.name, number] = Replicate(self._recipe, setting, number, place, gathers)
        self.say(f"surveys {stage.numbers} simulated")
        members = [(setting.name, arm) for setting in stage.settings for arm in stage.arms[setting.name]]
        batches, made, flows = {}, {}, {}
        for place, (name, arm) in enumerate(members):
            first = self._recipe.survey.count + place % self._words.members * self._made
            for number in stage.numbers:
                one = found[name, number]
                batches[name, arm, number] = self._processes.start(
                    batches_for, one.ids(arm), one.rows(arm, first), one.seed, *self._steps
                )
                if arm not in FLOWS:
                    made[name, arm, number] = one.start(arm, self._processes)
        for name, arm in members:
            if arm in FLOWS:
                began = time.monotonic()
                settings = [found[name, number] for number in stage.numbers]
                # Programs are compiled for one number of flows.
                padded = [*settings, *settings[:1] * (self._words.together - len(settings))]
                fitted = self._flow.fit([one.material(arm) for one in padded], self._recipe.phases_of(FLOWS[arm]))[
                    : len(settings)
                ]
                seconds = (time.monotonic() - began) / len(settings)
                for one, flow in zip(settings, fitted, strict=True):
                    made[name, arm, one.number] = one.start(arm, self._processes, (self._flow, flow))
                    flows[name, arm, one.number] = (flow, seconds)
                self.say(
                    f"{name}, {arm}: bits {[round(one.bits, 2) for one in fitted]}, "
                    f"of steps {[one.step for one in fitted]} of {[one.steps for one in fitted]}"
                )
        if following:
            self._begin(following)
        for number in stage.numbers:
            for start in range(0, len(members), self._words.members):
                if time.monotonic() - self._started > self._words.seconds:
                    return False
                self._together(members[start : start + self._words.members], number, found, batches, made, flows)
            self._write(stage)
        return True

    @property
    def _steps(self) -> tuple[int, int]:
        training = self._recipe.study.training
        return training.epochs * training.steps_per_epoch, training.batch

    def _together(self, members: Any, number: int, found: Any, batches: Any, made: Any, flows: Any) -> None:
        """Fit and grade some arms of one survey."""
        began, study = time.monotonic(), self._recipe.study
        gathers = found[members[0][0], number].gathers
        images = np.full((self._places, *self._size), 128, np.uint8)
        valid = np.ones((self._places, 2), np.int32)
        classes = np.full(self._places, BAD, np.int32)
        count = len(gathers)
        images[:count], valid[:count], classes[:count] = gathers.images, gathers.valid, gathers.classes
        for place, (name, arm) in enumerate(members):
            rows, wait = made[name, arm, number]
            some = count + place * self._made + np.arange(len(rows))
            images[some], valid[some] = wait(), gathers.valid[rows]
        every = [batches[name, arm, number].result() for name, arm in members]
        waited = time.monotonic() - began
        training = study.training
        rates = training.learning_rate * training.decay_per_epoch ** (
            np.arange(self._steps[0]) // training.steps_per_epoch
        )
        padded = [*every, *every[:1] * (self._words.members - len(every))]
        weights, losses = self._trainer.fit(images, valid, classes, padded, rates, found[members[0][0], number].seed)
        probabilities = self._trainer.grade(weights, self._test.images)
        seconds = (time.monotonic() - began - waited) / len(members)
        checksum = hashlib.sha256(np.ascontiguousarray(gathers.images)).hexdigest()
        for place, (name, arm) in enumerate(members):
            one, (flow, flow_seconds) = found[name, number], flows.get((name, arm, number), (None, 0.0))
            counts = np.bincount(gathers.classes[one.training], minlength=len(LABELS)).tolist()
            graded = Graded(
                arm,
                number,
                one.seed,
                checksum,
                dict(zip(LABELS, counts, strict=True)),
                study.augmentations,
                losses[place].reshape(training.epochs, -1).mean(axis=1).tolist(),
                {"flow": round(flow_seconds, 2), "classifier": round(seconds, 2)},
                {"bits": flow.bits, "step": flow.step, "steps": flow.steps} if flow else {},
                probabilities[place],
            )
            self._graded.setdefault(name, []).append(graded)
            self.say(f"{name} {number} {arm}: {told(graded, self._test.classes, self._recipe)}, waited {waited:.1f} s")

    def _write(self, stage: Stage) -> None:
        test = self._test
        for setting in stage.settings:
            about = About(
                digest_of(self._recipe),
                setting.name,
                self._words.commit or commit() or "",
                self._words.machine,
                test.classes.tolist(),
                hashlib.sha256(np.ascontiguousarray(test.images)).hexdigest(),
            )
            write_graded(self._words.out / f"{setting.name}.npz", about, self._graded[setting.name])


def batches_for(ids: Sequence[str], rows: np.ndarray, seed: int, steps: int, batch: int) -> Batches:
    """`batches_of`, as a process runs it."""
    return batches_of(ids, rows, seed, steps, batch)


def told(graded: Graded, truth: np.ndarray, recipe: StudyRecipe) -> str:
    """An arm's scores in words."""
    from sklearn.metrics import average_precision_score, f1_score

    wanted = np.array(recipe.survey.fractions)
    weights = (wanted / wanted.sum() / np.bincount(truth, minlength=len(wanted)) * len(truth))[truth]
    found = graded.probabilities
    f1 = f1_score(truth, found.argmax(axis=1), labels=[0, 1, 2], average=None, sample_weight=weights, zero_division=0)
    area = average_precision_score(truth == BAD, found[:, BAD], sample_weight=weights)
    return f"F1 {' / '.join(f'{100 * one:.1f}' for one in f1)}, PR-AUC {100 * area:.1f}, loss {graded.losses[-1]:.3f}"


def main() -> None:
    """Fit and grade the classifiers of a study of independent surveys on a GPU, for python -m eval.worth --take."""
    parser = argparse.ArgumentParser(prog="python -m eval.worth_jax", description=main.__doc__)
    parser.add_argument("recipe", type=Path, help="TOML file with [study.replicates]")
    parser.add_argument("out", type=Path, help="folder to write, a file a setting")
    parser.add_argument("--setting", action="append", help="name of a setting; repeatable; default: all")
    parser.add_argument(
        "--survey", type=int, action="append", help="number of a survey, from 0; repeatable; default: all"
    )
    parser.add_argument(
        "--set", action="append", dest="changes", metavar="KEY=VALUE", help="change a key of the recipe"
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin nothing more after this time")
    parser.add_argument("--together", type=int, default=5, help="surveys whose flows are fitted at the same time")
    parser.add_argument("--members", type=int, default=6, help="classifiers that are fitted at the same time")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that simulate surveys")
    parser.add_argument("--commit", default="", help="commit of the code, where git is missing")
    parser.add_argument("--machine", default="", help="the machine in words, for the results")
    words = parser.parse_args()
    if os.environ.get("KERAS_BACKEND") != "jax":
        parser.error("it fits with JAX; set KERAS_BACKEND=jax")
    try:
        recipe, replicates = read_replicates(words.recipe, changes=words.changes)
        known = replicates.every_setting
        if unknown := [name for name in words.setting or [] if name not in known]:
            raise InputError(f"--setting {unknown[0]}: {words.recipe} has {', '.join(known)}; choose one of them")
        numbers = words.survey or list(range(replicates.count))
        stages = stages_of(recipe, words.setting or list(known), numbers, words.together)
        words.out.mkdir(parents=True, exist_ok=True)
        run = Run(recipe, words)
        try:
            run.run(stages)
        finally:
            run.end()
    except InputError as wrong:
        parser.error(str(wrong))


if __name__ == "__main__":
    main()
