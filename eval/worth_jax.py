"""The classifiers of `eval.worth` on a GPU with JAX, from a checkout alone: TensorFlow is not needed.

    KERAS_BACKEND=jax python -m eval.worth_jax train/worth.toml graded --setting weather1-rare20
    python -m eval.worth train/worth.toml --take graded

Surveys are simulated by processes while flows, of several surveys at the same time, and classifiers are fitted, many
steps in a call. The training gathers of every arm without a flow, the order of the batches and their augmentations are
those of `eval.worth`, bit for bit where the simulation is; first weights and roundings are others.
"""

import argparse
import dataclasses
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eval.on_jax.batches import Batches, batches_of
from eval.on_jax.graded import About, Graded, read_graded, write_graded
from eval.on_jax.stages import FLOWS, Stage, check_suits, needs_flows, stages_of
from eval.on_jax.surveys import BAD, Gathers, Place, Processes
from eval.study.recipe import StudyRecipe, read_replicates
from eval.study.replicates import TooFewError, digest_of
from glowseis.errors import InputError
from glowseis.run.record import commit
from glowseis.scoring import fraction_weights, scores
from glowseis.survey.gather import LABELS
from glowseis.survey.size import parse_size

if TYPE_CHECKING:
    from concurrent.futures import Future

    from eval.on_jax.arms import Replicate
    from eval.on_jax.flow import FittedFlow


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
        good, medium, bad = independent.fractions
        place = Place(independent.seed, independent.weather, (good, medium, bad), self._size)
        tested = self._processes.survey(place, independent.count)
        self._begin(stages[0])
        # Programs are compiled while surveys are simulated.
        with ThreadPoolExecutor(2) as threads:
            wanted = [self._classifiers, *([self._flows] if any(map(needs_flows, stages)) else [])]
            compiling = [threads.submit(one) for one in wanted]
            for one in compiling:
                one.result()
        self._test = tested()
        self.say(f"{len(self._test)} gathers of the independent survey")
        self._read(dict.fromkeys(setting.name for stage in stages for setting in stage.settings))
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
        weights, _ = self._trainer.fit(blank, valid, classes, batches, np.zeros(shape[0]), 0)
        self._trainer.grade(weights, blank[:400])
        self.say("classifier compiled")

    def _flows(self) -> None:
        from eval.on_jax.flow import FlowTrainer
        from eval.on_jax.material import Material

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
        """Gathers of a call of the classifier: a survey's, and those of an arm."""
        return self._recipe.survey.count + self._made

    def _place(self, weather: float, number: int) -> Place:
        replicates, (good, medium, bad) = self._recipe.study.replicates, self._recipe.survey.fractions
        assert replicates is not None
        return Place(replicates.first_seed + number, weather, (good, medium, bad), self._size)

    def _begin(self, stage: Stage) -> None:
        """Start to simulate a stage's surveys, unless that has begun."""
        bands = needs_flows(stage)
        for number in stage.numbers:
            key = (stage.weather, number)
            if key not in self._surveys:
                self._surveys[key] = self._processes.survey(self._place(*key), self._recipe.survey.count, bands)

    def _stage(self, stage: Stage, following: Stage | None) -> bool:
        from eval.on_jax.arms import Replicate

        found: dict[tuple[str, int], Replicate] = {}
        for number in stage.numbers:
            gathers, place = self._surveys[stage.weather, number](), self._place(stage.weather, number)
            for setting in stage.settings:
                try:
                    found[setting.name, number] = Replicate(self._recipe, setting, number, place, gathers)
                except TooFewError as wrong:
                    self.say(f"{setting.name} survey {number} is left out: {wrong}")
        self.say(f"surveys {', '.join(map(str, stage.numbers))} simulated")
        fits = [
            Fit(arm, replicate)
            for (name, number), replicate in found.items()
            for arm in stage.arms[name]
            if (number, arm) not in self._done(name)
        ]
        for one in fits:
            one.begin(self._processes, *self._steps)
        for setting, arm in itertools.product(stage.settings, FLOWS):
            if same := [one for one in fits if (one.replicate.setting, one.arm) == (setting, arm)]:
                self._fit_flows(same)
        if following:
            self._begin(following)
        for one in fits:
            if one.arm in FLOWS and one.made is None:
                continue
            if time.monotonic() - self._started > self._words.seconds:
                return False
            name, graded = one.replicate.setting.name, self._graded_by(one)
            self._graded.setdefault(name, []).append(graded)
            self.say(f"{name} {graded.number} {one.arm}: {told(graded, self._test.classes, self._recipe)}")
            self._write(name)
        return True

    def _done(self, setting: str) -> set[tuple[int, str]]:
        """Surveys and arms of a setting that are graded already."""
        return {(one.number, one.arm) for one in self._graded.get(setting, [])}

    @property
    def _steps(self) -> tuple[int, int]:
        training = self._recipe.study.training
        return training.epochs * training.steps_per_epoch, training.batch

    def _fit_flows(self, fits: "Sequence[Fit]") -> None:
        """Fit the flows of one arm in several surveys, and start to make their gathers."""
        began, arm, together = time.monotonic(), fits[0].arm, self._words.together
        # Programs are compiled for one number of flows.
        padded = [*fits, *fits[:1] * (together - len(fits))]
        phases = self._recipe.phases_of(FLOWS[arm])
        flows = self._flow.fit([one.replicate.material(arm) for one in padded], phases)[: len(fits)]
        seconds = (time.monotonic() - began) / len(fits)
        for one, flow in zip(fits, flows, strict=True):
            if not np.isfinite(flow.bits):
                self.say(f"{one.replicate.setting.name} {one.replicate.number}, {arm}: is left out: its flow diverged")
                continue
            one.flow, one.flow_seconds = flow, seconds
            one.made = one.replicate.start(arm, self._processes, (self._flow, flow))
        bits = ", ".join(f"{one.bits:.2f} (step {one.step} of {one.steps})" for one in flows)
        self.say(f"{fits[0].replicate.setting.name}, {arm}: bits {bits}")

    def _graded_by(self, fit: "Fit") -> Graded:
        """Fit and grade one arm of one survey."""
        assert fit.made is not None and fit.batches is not None
        study, gathers, training = self._recipe.study, fit.replicate.gathers, self._recipe.study.training
        count, (rows, wait) = len(gathers), fit.made
        images = np.full((self._places, *self._size), 128, np.uint8)
        valid = np.ones((self._places, 2), np.int32)
        classes = np.full(self._places, BAD, np.int32)
        images[:count], valid[:count], classes[:count] = gathers.images, gathers.valid, gathers.classes
        some = np.s_[count : count + len(rows)]
        images[some], valid[some] = wait(), gathers.valid[rows]
        epoch = np.arange(self._steps[0]) // training.steps_per_epoch
        rates, batches = training.learning_rate * training.decay_per_epoch**epoch, fit.batches.result()
        began = time.monotonic()
        weights, losses = self._trainer.fit(images, valid, classes, batches, rates, fit.replicate.seed)
        probabilities = self._trainer.grade(weights, self._test.images)
        seconds = {"flow": round(fit.flow_seconds, 2), "classifier": round(time.monotonic() - began, 2)}
        counts = np.bincount(gathers.classes[fit.replicate.training], minlength=len(LABELS)).tolist()
        flow = fit.flow
        return Graded(
            fit.arm,
            fit.replicate.number,
            fit.replicate.seed,
            checksum_of(gathers.images),
            dict(zip(LABELS, counts, strict=True)),
            study.augmentations,
            losses.reshape(training.epochs, -1).mean(axis=1).tolist(),
            seconds,
            {"bits": flow.bits, "step": flow.step, "steps": flow.steps} if flow else {},
            probabilities,
        )

    def _write(self, setting: str) -> None:
        write_graded(self._words.out / f"{setting}.npz", self._about(setting), self._graded[setting])

    def _about(self, setting: str) -> About:
        return About(
            digest_of(self._recipe),
            setting,
            self._words.commit or commit() or "",
            self._words.machine,
            self._test.classes.tolist(),
            checksum_of(self._test.images),
        )

    def _read(self, settings: Iterable[str]) -> None:
        """Read what an earlier run has finished."""
        for setting in settings:
            path = self._words.out / f"{setting}.npz"
            if path.exists():
                about, graded = read_graded(path)
                if about != dataclasses.replace(self._about(setting), commit=about.commit, machine=about.machine):
                    raise InputError(f"{path}: is of another study or independent survey; give another folder")
                self._graded[setting] = graded


@dataclass
class Fit:
    """One arm of one survey, while it is prepared.

    Attributes:
        arm: Its name.
        replicate: Its training gathers.
        batches: Its batches, once they are drawn.
        made: Rows of the gathers in whose places new ones are, and a function that waits for these.
        flow: Its flow; None without one.
        flow_seconds: Time that its flow took.
    """

    arm: str
    replicate: "Replicate"
    batches: "Future[Batches] | None" = None
    made: tuple[np.ndarray, Callable[[], np.ndarray]] | None = None
    flow: "FittedFlow | None" = None
    flow_seconds: float = 0.0

    def begin(self, processes: Processes, steps: int, batch: int) -> None:
        """Start to draw its batches and, if it needs no flow, to make its gathers."""
        one = self.replicate
        places = one.rows(self.arm, len(one.gathers))
        self.batches = processes.start(batches_of, one.ids(self.arm), places, one.seed, steps, batch)
        if self.arm not in FLOWS:
            self.made = one.start(self.arm, processes)


def checksum_of(images: np.ndarray) -> str:
    """SHA-256 of images."""
    return hashlib.sha256(np.ascontiguousarray(images).tobytes()).hexdigest()


def told(graded: Graded, truth: np.ndarray, recipe: StudyRecipe) -> str:
    """An arm's scores in words."""
    found = graded.probabilities
    weights = fraction_weights(truth, recipe.survey.fractions)
    one = scores(truth, found.argmax(axis=1), LABELS, probabilities=found, weights=weights)
    f1 = " / ".join(f"{100 * each:.1f}" for each in one.f1)
    return f"F1 {f1}, PR-AUC {100 * one.average_precision[BAD]:.1f}, loss {graded.losses[-1]:.3f}"


def main() -> None:
    """Fit and grade the classifiers of a study of independent surveys on a GPU, for python -m eval.worth --take."""
    parser = argparse.ArgumentParser(prog="python -m eval.worth_jax", description=main.__doc__)
    parser.add_argument("recipe", type=Path, help="TOML file with [study.replicates]")
    parser.add_argument("out", type=Path, help="folder to write, one file per setting")
    parser.add_argument("--setting", action="append", help="name of a setting; repeatable; default: all")
    parser.add_argument(
        "--survey", type=int, action="append", help="number of a survey, from 0; repeatable; default: all"
    )
    parser.add_argument(
        "--set", action="append", dest="changes", metavar="KEY=VALUE", help="change a key of the recipe"
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start nothing new after this many seconds")
    parser.add_argument("--together", type=int, default=5, help="number of surveys whose flows are fitted together")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that simulate surveys")
    parser.add_argument("--commit", default="", help="commit of the code, where git is missing")
    parser.add_argument("--machine", default="", help="description of the machine, for the results")
    words = parser.parse_args()
    if os.environ.get("KERAS_BACKEND") != "jax":
        parser.error("it fits with JAX; set KERAS_BACKEND=jax")
    try:
        recipe, replicates = read_replicates(words.recipe, changes=words.changes)
        known = replicates.every_setting
        if unknown := [name for name in words.setting or [] if name not in known]:
            raise InputError(f"--setting {unknown[0]}: {words.recipe} has {', '.join(known)}; choose one of them")
        numbers = sorted(set(words.survey or range(replicates.count)))
        if wrong_numbers := [number for number in numbers if not 0 <= number < replicates.count]:
            raise InputError(f"--survey {wrong_numbers[0]}: {words.recipe} has surveys 0 to {replicates.count - 1}")
        check_suits(recipe, words.recipe)
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
