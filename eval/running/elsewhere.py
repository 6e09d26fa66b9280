"""The trials of a study of pictures, one arm after another; finished ones are kept."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eval.pictures.arms import Children, batches, children
from eval.pictures.fits import ClassifierFits, FittedFlow, FlowFits
from eval.pictures.sets import Pictures, PictureSet
from eval.pictures.trials import Trial, trials
from eval.results.elsewhere import COLUMNS, write_outcomes
from eval.study.names import PRIMARY
from glowseis.scoring import fraction_weights, scores


class PictureRunner:
    """Runs trials.

    Args:
        pictures: The pictures.
        chosen: What is fixed for them.
        seed: Seed of the divisions and all random numbers.
        fixed: What all rows have in common (`eval.results.elsewhere.FIXED`), with commit and machine.
    """

    def __init__(self, pictures: Pictures, chosen: PictureSet, seed: int, fixed: dict[str, Any]):
        self._pictures, self._chosen, self._fixed = pictures, chosen, fixed
        self._trials = list(trials(pictures, chosen, seed))
        self._flow: FlowFits | None = None

    def run(
        self, out: Path, finished: pd.DataFrame, arms: Sequence[str], first: int, say: Callable[[str], None]
    ) -> pd.DataFrame:
        """Run what is not finished.

        Args:
            out: The CSV file that keeps outcomes.
            finished: What it holds.
            arms: Names of the arms.
            first: Number of trials; all if there are fewer.
            say: Prints a line.

        Returns:
            All outcomes.

        Raises:
            FittingError: A flow or a classifier cannot be fitted.
        """
        classifier = ClassifierFits(len(self._pictures.labels), self._chosen)
        done = set(zip(finished["rare"], finished["fold"], finished["arm"], strict=True))
        for trial in self._trials[:first]:
            label = self._pictures.labels[trial.rare]
            for arm in arms:
                if (label, trial.fold, arm) in done:
                    continue
                row = self._row(classifier, trial, arm)
                finished = pd.DataFrame([*finished.to_dict("records"), row], columns=COLUMNS)
                write_outcomes(out, finished)
                say(
                    f"{label}, part {trial.fold}, {arm}: F1 {100 * row['f1_rare']:.1f}, "
                    f"PR-AUC {100 * row['average_precision_rare']:.1f}, {row['seconds']:.0f} s"
                )
        return finished

    def made(self, arms: Sequence[str]) -> dict[str, Children]:
        """What the arms make in the first trial, by arm; those that make nothing are left out."""
        found = {arm: self._children(self._trials[0], arm)[0] for arm in arms}
        return {arm: one for arm, one in found.items() if one}

    def _children(self, trial: Trial, arm: str) -> tuple[Children | None, FittedFlow | None]:
        pictures, fitted, between = self._pictures, None, None
        if arm == PRIMARY:
            self._flow = self._flow or FlowFits(pictures.size, self._chosen)
            between = self._flow.between
            rare = trial.training[pictures.classes[trial.training] == trial.rare]
            fitted = self._flow.fit(pictures.images[rare], pictures.images[trial.judges], trial.seed)
        return children(arm, pictures, self._chosen, trial, between), fitted

    def _row(self, classifier: ClassifierFits, trial: Trial, arm: str) -> dict[str, Any]:
        """Fit and score one arm."""
        pictures, began = self._pictures, time.monotonic()
        added, flow = self._children(trial, arm)
        count = len(added.images) if added else 0
        images = np.concatenate([pictures.images, added.images]) if added else pictures.images
        classes = np.append(pictures.classes, np.full(count, trial.rare)).astype(np.int32)
        rows = batches(arm, pictures.classes, trial, len(pictures.images), count, self._chosen.steps)
        found = classifier.probabilities(images, classes, rows, trial.seed, pictures.images[trial.test])
        truth, trained = pictures.classes[trial.test], pictures.classes[[*trial.training, *trial.judges]]
        weights = fraction_weights(truth, np.bincount(trained, minlength=len(pictures.labels)).tolist())
        scored = scores(truth, found.argmax(axis=1), pictures.labels, probabilities=found, weights=weights)
        return {
            **self._fixed,
            "rare": pictures.labels[trial.rare],
            "fold": trial.fold,
            "arm": arm,
            "training": len(trial.training),
            "rare_training": int((pictures.classes[trial.training] == trial.rare).sum()),
            "made": count,
            "tested": len(truth),
            "f1_rare": float(scored.f1[trial.rare]),
            "average_precision_rare": float(scored.average_precision[trial.rare]),
            "f1_others": float(np.delete(scored.f1, trial.rare).mean()),
            "flow_bits": flow.bits if flow else np.nan,
            "flow_step": flow.step if flow else np.nan,
            "seconds": time.monotonic() - began,
        }
