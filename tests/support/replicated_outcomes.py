"""Outcomes of a study of independent surveys that was never run."""

from eval.results.replicated import Replicated
from eval.study.outcome import RECALLS, Independent, Outcome

LABELS = ("good", "medium", "bad")


def outcome(
    arm: str, number: int, f1_bad: float, study: str = "", kind: str = "weather1-rare6", others=(90.0, 80.0)
) -> Outcome:
    """One outcome with these F1, in per cent."""
    each = [others[0] / 100, others[1] / 100, f1_bad / 100]
    judged = Independent(
        confusion=[[1.0] * 3] * 3,
        precision=each,
        recall=each,
        f1=each,
        average_precision=each,
        calibration_error=0.1,
        precision_at_recall=[0.5] * RECALLS,
    )
    about = {"study": study, "kind": kind, "fold": number, "folds": 3, "arm": arm, "rare": "bad"}
    return Outcome(**about, labels=list(LABELS), training={"bad": 5}, independent=judged)


def replicated(f1_bad, others=None) -> Replicated:
    """A study's results from F1 of bad of each survey, by setting and arm; `others` has those of good and medium."""
    return Replicated(
        LABELS,
        "bad",
        {
            kind: {
                arm: {
                    number: outcome(arm, number, f1, kind=kind, others=(others or {}).get((kind, arm), (90.0, 80.0)))
                    for number, f1 in enumerate(values)
                }
                for arm, values in arms.items()
            }
            for kind, arms in f1_bad.items()
        },
    )
