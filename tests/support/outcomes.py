"""Outcomes of a study that was never run: seeded predictions, some arms better at the rare class than others."""

import hashlib
import zlib

import numpy as np

from eval.results.statistics import calibration_error, precision_at_recalls
from eval.study.names import ARMS
from eval.study.outcome import Independent, Outcome, write_outcome
from glowseis.scoring import fraction_weights, scores

LABELS = ["good", "medium", "bad"]
COUNTS = (60, 30, 12)
"""Gathers of each class in the survey."""
INDEPENDENT_COUNTS = (120, 90, 90)
FRACTIONS = [66.7, 31.5, 1.8]


def make_outcomes(folder, arms, kinds=("grouped", "stratified"), folds=3, independent=True, seed=0, **changes) -> str:
    """Write an outcome for each kind, fold and arm; returns the study's digest."""
    for kind in kinds:
        for fold in range(folds):
            for arm in arms:
                write_outcome(folder, make_outcome(kind, fold, arm, folds, independent, seed, **changes))
    return changes.get("study", digest_of(seed))


def make_outcome(kind, fold, arm, folds=3, independent=True, seed=0, **changes) -> Outcome:
    """One outcome; `changes` are other values of its fields."""
    truth = np.repeat(np.arange(3), COUNTS)
    # Every class is spread over the folds; kinds differ in who is tested with whom.
    order = np.concatenate(
        [np.random.default_rng([seed, len(kind), one]).permutation(n) for one, n in enumerate(COUNTS)]
    )
    tested = np.flatnonzero(order % folds == fold)
    random = np.random.default_rng([seed, zlib.crc32(f"{kind} {fold} {arm}".encode())])
    trained = np.bincount(np.delete(truth, tested), minlength=3)
    values = dict(
        study=digest_of(seed),
        kind=kind,
        fold=fold,
        folds=folds,
        arm=arm,
        labels=LABELS,
        rare=LABELS[-1],
        training=dict(zip(LABELS, trained.tolist(), strict=True)),
        synthetic=0 if arm in ("none", "class-weights") else 600,
        steps=400,
        kept_step=300 + 10 * fold,
        ids=[f"gather-{number:03d}" for number in tested],
        classes=truth[tested].tolist(),
        probabilities=_probabilities(truth[tested], arm, random).tolist(),
        independent=_independent(arm, random) if independent else None,
        epochs=[
            {
                "step": 100.0 * epoch,
                "loss": 1 / epoch,
                "validation_loss": 0.2 + 1 / epoch,
                "validation_rare_f1": 0.1 * epoch,
            }
            for epoch in range(1, 5)
        ],
        seconds={"flow": 60.5 if ARMS[arm].flow else 0.0, "synthesis": 3.25, "classifier": 20.0 + fold},
        seed=7 + fold,
        commit="0123456789abcdef0123456789abcdef01234567",
        machine="2 cores, no GPU",
    )
    return Outcome(**{**values, **changes})


def digest_of(seed) -> str:
    return hashlib.sha256(f"study {seed}".encode()).hexdigest()


def _probabilities(truth, arm, random):
    """The later in the list of arms, the surer of rare gathers."""
    logits = random.normal(size=(len(truth), 3)) + 2.5 * np.eye(3)[truth]
    logits[truth == 2, 2] += 0.25 * list(ARMS).index(arm) - 1
    powers = np.exp(logits)
    return np.round(powers / powers.sum(axis=1, keepdims=True), 6)


def _independent(arm, random):
    truth = np.repeat(np.arange(3), INDEPENDENT_COUNTS)
    given, weights = _probabilities(truth, arm, random), fraction_weights(truth, FRACTIONS)
    scored = scores(truth, given.argmax(axis=1), LABELS, probabilities=given, weights=weights)
    return Independent(
        confusion=scored.confusion.tolist(),
        precision=scored.precision.tolist(),
        recall=scored.recall.tolist(),
        f1=scored.f1.tolist(),
        average_precision=scored.average_precision.tolist(),
        calibration_error=calibration_error(truth, given, weights),
        precision_at_recall=precision_at_recalls(truth == 2, given[:, 2], weights).tolist(),
    )
