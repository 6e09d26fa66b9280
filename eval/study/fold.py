"""One fold of a study: its training, validation and test gathers, and what is trained, all through the guard."""

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

import glowseis
from eval.study.guard import Guard
from eval.study.material import Arm, Material, TrainingSet
from eval.study.names import Flow
from eval.study.preparation import Study, fold_seed
from glowseis.errors import InputError
from glowseis.export.flow import SavedFlow, load_flow
from glowseis.export.folders import savedmodel_sha256
from glowseis.files import read_record
from glowseis.fitting.classifier.fitting import ClassifierFitting, Fitted, Watcher, make_classifier
from glowseis.fitting.state import State
from glowseis.recipe import ClassifierData, Recipe
from glowseis.run.flow import train_flow
from glowseis.run.record import RECORD
from glowseis.run.result import RESULT
from glowseis.survey.amplitudes.bands import CORNER_HZ
from glowseis.survey.batches.labelled import LabelledGathers, from_survey, steps_per_pass, tuples
from glowseis.survey.gather import Gather
from glowseis.survey.splits.parts import ids_of
from glowseis.survey.store.scanning import verify
from glowseis.survey.store.survey import Survey, open_survey, write_survey
from glowseis.synthesis import Pair
from glowseis.transplant import bands_gather, low_band_gather

CONDITION = 8
"""Features of the higher frequencies that the flow `transplant` sees at each level."""

BANDS: dict[str, tuple[str, Callable[[Gather], Gather], int]] = {
    "noise": ("low_band", low_band_gather, 1),
    "transplant": ("bands", bands_gather, 2),
}
"""What flows of bands see of a gather: the name of it, what makes it, and how many images of a gather's size it is."""


class Fold:
    """One fold of a study; for the kinds `split` and `grouped-split`, the split into training, validation and test.

    Args:
        study: The study.
        kind: Kind of the folds, a key of `study.folds`.
        number: Number of the fold, from 0.
        say: Called with lines for the user.

    Attributes:
        study: As given.
        kind: As given.
        number: As given.
        training: Training rows of the study's survey, without validation, in its order, int64 `[gather]`.
        validation: Rows that weights are chosen by.
        test: Rows that are scored.
        rare: Training rows of the rare class.
        seed: Seed of pairs, weights and orders, the same for all arms; below 2^32.
        guard: Decides which gathers may train.
        work: Folder of the fold's flows and synthetic gathers.

    Raises:
        InputError: There is no such fold, it has too few rare gathers, or a record is damaged.
        LeakError: Two gathers of different parts have the same, or nearly the same, image.
    """

    def __init__(self, study: Study, kind: str, number: int, say: Callable[[str], None] = print):
        self.study, self.kind, self.number = study, kind, number
        self.training, self.validation, self.test = study.parts(kind, number)
        self.rare = self.training[self._labels(self.training) == study.rare]
        self.seed = fold_seed(study.recipe.seed, kind, number)
        self.guard = Guard(study.survey, self.training, self.validation, self.test, study.independent)
        for rows in (self.training, self.validation, self.test, self.rare):
            rows.setflags(write=False)
        self.work = study.work(kind, number)
        self._say = say
        self._flows: dict[str, SavedFlow] = {}
        self._made: dict[str, Survey] = {}

    def of_rows(self, rows: np.ndarray) -> LabelledGathers:
        """Rows of the study's survey with their classes, for validation or test."""
        return from_survey(self.study.survey, rows, self.study.labels)

    def training_set(self, arm: Arm, first: int | None = None) -> TrainingSet:
        """Let an arm make its training set from the fold's `material`, and nothing else.

        Args:
            arm: The arm.
            first: As for `Arm.training_set`.

        Raises:
            InputError, StoppedError, FittingError, LeakError: As `Arm.training_set`.
        """
        with self._telling_leaks():
            return arm.training_set(self.material(), first)

    def material(self) -> Material:
        """What an arm may use; each arm gets its own, so that it cannot change another's."""
        return Material(
            survey=self.study.survey.only(self.training),
            rare=np.flatnonzero(self._labels(self.training) == self.study.rare),
            seed=self.seed,
            recipe=self.study.recipe,
            flow=self.flow,
            noise=self.noise,
            synthetic=self.synthetic,
            fresh=self.fresh,
            let_through=self.guard.watched,
        )

    def flow(self, which: Flow) -> SavedFlow:
        """One of the fold's flows, trained unless it exists; a stopped training continues.

        Args:
            which: `rare` is trained on the rare class alone, `all` in the recipe's phases for all classes, `noise` on
                low frequencies, `transplant` on these given the higher ones.

        Raises:
            InputError: Its folder holds something else.
            StoppedError: A signal came; the state is saved.
            FittingError: The flow cannot be fitted.
            LeakError: It was trained on gathers other than the fold's training gathers.
        """
        if which not in self._flows:
            self._flows[which] = self._trained(which)
        return self._flows[which]

    def _trained(self, which: Flow) -> SavedFlow:
        study = self.study.recipe
        survey, training, judging = self._flows_gathers(which)
        data, flow_section = study.data, study.flow
        if which == "transplant":
            # Two images that lie one above the other cannot be shifted in time as one.
            together = [name for name in data.augment if name != "shift_time"]
            data = data.model_copy(update={"augment": together})
            flow_section = flow_section.model_copy(update={"condition": CONDITION})
        recipe = Recipe(
            name=which,
            seed=self.seed,
            survey=study.survey,
            data=data,
            flow=flow_section,
            phases=study.phases_of(which),
            training=study.training,
        )
        self.guard.check_ids(ids_of(survey, training), f"the training of flow {which}")
        self.guard.check_judges(ids_of(survey, judging))
        run, savedmodels = self.work / "flows" / which, self.work / "savedmodels"
        done = (run / RESULT).exists()
        result = train_flow(
            recipe,
            survey,
            run,
            savedmodels,
            (lambda line: None) if done else self._say,
            time.monotonic(),
            within=training,
            held_out=judging,
        )
        flow = load_flow(savedmodels / which)
        wanted = {"run": read_record(run / RECORD).get("run"), "survey_checksum": survey.checksum}
        same = savedmodel_sha256(savedmodels / flow.name) == result.get("savedmodel_sha256")
        if not same or any(flow.about.get(key) != value for key, value in wanted.items()):
            raise InputError(f"{savedmodels / which}: is not the flow of {run}; remove both to train it again")
        # The guard knows a flow by its name; another fold's flow was trained on other gathers.
        flow = replace(flow, name=f"{self.kind}-{self.number:02d}-{flow.name}")
        trained, held_out, earlier = (flow.about.get(f"{part}_ids", []) for part in ("training", "held_out", "earlier"))
        self.guard.admit_flow(flow.name, trained, held_out, earlier)
        return flow

    def _flows_gathers(self, which: Flow) -> tuple[Survey, np.ndarray, np.ndarray]:
        """A flow's survey, with the rows that train it and those that judge it."""
        judging = self.validation[self._labels(self.validation) == self.study.rare]
        if which not in BANDS:
            return self.study.survey, self.training, judging
        survey = self._bands(which)
        ids = survey.index["gather_id"].to_numpy()
        parts = (np.isin(ids, ids_of(self.study.survey, rows)) for rows in (self.training, judging))
        training, judges = (np.flatnonzero(one) for one in parts)
        return survey, training, judges

    def noise(self, which: Flow) -> Survey:
        """The bands of the training gathers that one of `BANDS`' flows sees, as a survey of their own.

        Args:
            which: `noise` or `transplant`.

        Raises:
            InputError: Its folder holds something else.
        """
        survey, training, _ = self._flows_gathers(which)
        return survey.only(training)

    def _bands(self, which: Flow) -> Survey:
        """The bands of training gathers and of those that judge a flow; made unless they exist."""
        survey, folder, (name, make, halves) = self.study.survey, self.work / which, BANDS[which]
        seen = {label for phase in self.study.recipe.phases_of(which) for label in phase.labels}
        rare = self._labels(self.validation) == self.study.rare
        rows = np.union1d(self.training[np.isin(self._labels(self.training), list(seen))], self.validation[rare])
        chosen = hashlib.sha256("\n".join(ids_of(survey, rows)).encode()).hexdigest()
        about = {name: {"survey_checksum": survey.checksum, "gathers": chosen, "corner_hz": CORNER_HZ}}
        if not folder.exists():
            made = (make(survey.read(int(row))) for row in rows)
            write_survey(folder, made, (halves * survey.size[0], survey.size[1]), about)
        found = open_survey(folder)
        if found.manifest.about != about:
            raise InputError(f"{folder}: holds the low frequencies of other gathers; remove it to make them")
        return found

    def synthetic(self, name: str, about: dict[str, Any], make: Callable[[], Iterator[Gather]]) -> Survey:
        """Synthetic gathers as an admitted survey on disk, made and checked unless the same survey exists.

        Args:
            name: Name of its folder in `work/synthetic`.
            about: Everything that they depend on besides the fold, such as count and flow; JSON.
            make: Makes them, one after another.

        Returns:
            The survey; it is written whole or not at all.

        Raises:
            InputError: One has a bad id or another size, another process is writing them, or the folder holds
                something else.
            LeakError: The guard does not admit one.
        """
        survey, folder = self.study.survey, self.work / "synthetic" / name
        of_fold = {"kind": self.kind, "fold": self.number, "seed": self.seed, "survey_checksum": survey.checksum}
        trained_on = hashlib.sha256("\n".join(ids_of(survey, self.training)).encode()).hexdigest()
        all_about = json.loads(
            json.dumps({**of_fold, "training": trained_on, "glowseis": glowseis.__version__, **about})
        )
        if name in self._made and self._made[name].manifest.about == {"synthetic": all_about}:
            return self._made[name]
        if folder.exists():
            with_same = None
            try:
                with_same = open_survey(folder)
                verify(with_same)
            except InputError as wrong:
                self._say(f"{wrong}; these gathers are made again")
            if with_same is None or with_same.manifest.about != {"synthetic": all_about}:
                if folder.is_symlink() or not folder.is_dir():
                    raise InputError(f"{folder}: is not a folder of synthetic gathers; remove it to make them")
                shutil.rmtree(folder)
        if not folder.exists():
            write_survey(folder, make(), (survey.size[0], survey.size[1]), {"synthetic": all_about})
        made = open_survey(folder)
        self.guard.admit(made)
        self._made[name] = made
        return made

    def fresh(self, name: str, maker: str, draw: Callable[[int], Sequence[Pair]]) -> LabelledGathers:
        """Synthetic gathers of the rare class that the guard makes while training reads them, others in every pass.

        Args:
            name: Begins their ids; no other arm's gathers have this name.
            maker: What makes each of its parents, a key of `eval.study.makers.MAKERS`.
            draw: Returns the parents and weights of a pass, in rows of the training gathers; equally many in each pass.

        Raises:
            LeakError: The guard refuses a parent.
        """
        survey = self.study.survey.only(self.training)
        known = survey.index["gather_id"].to_numpy()

        def in_pass(number: int) -> LabelledGathers:
            pairs = draw(number)
            hosts = from_survey(survey, np.array([pair.first for pair in pairs], np.int64), self.study.labels)
            ids = [f"{name}-seed{self.seed}-pass{number:03d}-{place:06d}" for place in range(len(pairs))]
            parents = [(known[pair.first], known[pair.second]) for pair in pairs]
            return replace(
                hosts,
                ids=np.array(ids, object),
                classes=np.full(len(pairs), self.study.labels.index(self.study.rare), np.int32),
                read=self.guard.making(maker, ids, parents, [pair.alpha for pair in pairs]),
                parents=tuples(parents),
                path=f"{name}, pass {number}",
            )

        return replace(in_pass(0), anew=in_pass)

    def fit(
        self,
        training_set: TrainingSet,
        *,
        seed: int | None = None,
        steps_per_epoch: int | None = None,
        state: State | None = None,
        watcher: Watcher | None = None,
    ) -> tuple[ClassifierFitting, Fitted]:
        """Train the study's classifier; a fold trains classifiers only here.

        Args:
            training_set: The training set that an arm made.
            seed: Seed of weights and order; the fold's if None.
            steps_per_epoch: Optimiser steps per epoch, 0 for one pass. If None, the study's protocol decides: the same
                number for all arms, one pass over the recorded gathers, or for each arm one pass over its own.
            state: See `ClassifierFitting.run`.
            watcher: See `ClassifierFitting.run`.

        Returns:
            The fitting, which computes `probabilities` of any labelled gathers, and its result.

        Raises:
            InputError: A record cannot be read, or the fold has too few gathers.
            LeakError: A gather in it may not train.
            FittingError: The loss or a weight is not finite.
        """
        for gathers in (training_set.gathers, training_set.last_quarter):
            if gathers is not None:
                self.guard.require(gathers)
        self.guard.check_judges(ids_of(self.study.survey, self.validation))
        study = self.study.recipe.study
        seed = self.seed if seed is None else seed
        if steps_per_epoch is None:
            steps_per_epoch = study.training.steps_per_epoch
            if study.protocol == "equal-steps" and not steps_per_epoch:
                steps_per_epoch = steps_per_pass(self.of_rows(self.training), study.training.batch)
        changed = {"class_weights": training_set.class_weights, "steps_per_epoch": steps_per_epoch}
        fitting = ClassifierFitting(
            make_classifier(
                len(self.study.labels),
                study.classifier.alpha,
                study.classifier.head,
                seed,
                study.classifier.companded,
            ),
            training_set.gathers,
            study.training.model_copy(update=changed),
            seed,
            logit_adjustment=training_set.logit_adjustment,
            last_quarter=training_set.last_quarter,
            data=ClassifierData(augment=study.augment),
            validation=self.of_rows(self.validation),
            labels=self.study.labels,
        )
        with self._telling_leaks():
            return fitting, fitting.run(state, watcher)

    @contextlib.contextmanager
    def _telling_leaks(self) -> Iterator[None]:
        """Raise a leak as `LeakError` if TensorFlow, which reads the gathers, raises an error of its own."""
        self.guard.leak = None
        try:
            yield
        except tf.errors.OpError:
            if self.guard.leak:
                raise self.guard.leak from None
            raise

    def _labels(self, rows: np.ndarray) -> np.ndarray:
        return self.study.survey.index["label"].to_numpy()[rows]
