"""The ready classifier's opinion, from a process of its own."""

import multiprocessing
import time

import pytest

from glowseis.command import import_tensorflow
from glowseis.errors import InputError
from glowseis.export.classifier import load_classifier
from glowseis.labelling.opinions import Opinions
from glowseis.run.grading import grade_recordings
from glowseis.shipped import ready_model
from tests.support.random_gathers import random_survey


def told(opinions, gather_id):
    end = time.monotonic() + 300
    while (found := opinions.of(gather_id)) is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


@pytest.mark.slow
def test_gathers_are_graded_when_asked_for_and_errors_are_lines(tmp_path):
    survey = random_survey(tmp_path / "survey", 2, labels=("",))
    others = set(multiprocessing.active_children())
    opinions = Opinions(survey.path, ready_model("classifier"), ("good", "medium", "bad"), import_tensorflow)
    assert set(multiprocessing.active_children()) == others
    assert opinions.of("line3-shot1") is None
    assert opinions.loading
    classifier = load_classifier(ready_model("classifier"))
    for gather_id in ("line3-shot1", "line3-shot0"):
        found, (grade,) = told(opinions, gather_id), grade_recordings(classifier, [survey.read(gather_id)])
        assert not opinions.loading and found["model"] == opinions.name
        wanted = "unsure" if grade.unsure else classifier.labels[grade.number]
        assert (found["grade"], list(found["probabilities"])) == (wanted, ["good", "medium", "bad"])
        assert list(found["probabilities"].values()) == pytest.approx(grade.probabilities, abs=1e-3)
    with pytest.raises(InputError, match="no gather 'nobody'"):
        told(opinions, "nobody")
    assert told(opinions, "line3-shot0")["unlike"] > 1
    (process,) = set(multiprocessing.active_children()) - others
    process.kill()
    process.join()
    opinions.of("line3-shot0")
    with pytest.raises(InputError, match="its process has ended; start glowseis label again"):
        told(opinions, "another")
