"""What arms add to a fold, and where it lies on disk."""

from eval.study.arms import ARM_CLASSES
from glowseis.survey.store.survey import open_survey
from tests.support.small_study import LABELS

COUNT = 9

BAD = LABELS.index("bad")


def training_set(fold, arm, first=None):
    return fold.training_set(ARM_CLASSES[arm](), first)


def survey_of(fold, arm):
    return open_survey(fold.work / "synthetic" / arm)


def survey_ids(fold):
    return fold.study.survey.index["gather_id"].to_numpy()[fold.training]
