import numpy as np
import pytest

from tests.support.graded_survey import LABELS, graded_survey


@pytest.fixture(scope="session")
def graded(tmp_path_factory):
    """A classifier, its SavedModel and a survey that it was not trained on."""
    from glowseis.export.classifier import export_classifier
    from glowseis.fitting.classifier.trainer import make_classifier, predict
    from glowseis.testing import perturb

    folder = tmp_path_factory.mktemp("classify")
    model = make_classifier(3, 1, "softmax", 5)
    perturb(model, 0.15)
    labels = {"files": ["anna.csv", "ben.csv"], "judge": "ben", "checksum": "0123456789abcdef"}
    about = {"image_shape": [24, 16, 1], "survey_checksum": "another", "relabelling": labels, "training_ids": []}
    export_classifier(model, LABELS, folder / "grader" / "1", about)
    survey = graded_survey(folder / "survey", counts=(20, 10, 7))
    found = predict(model, survey.read_images(np.arange(37)))
    assert len(set(found.argmax(axis=1))) > 1
    return type("Graded", (), {"folder": folder, "model": model, "survey": survey, "found": found})


@pytest.fixture
def read_here(monkeypatch):
    """The files that were read without a part."""
    from glowseis.survey.ingestion import ingest

    read, files = ingest.read_source, []

    def watched(source, part, told):
        if part is None:
            files.append(source.path.name)
        return read(source, part, told)

    monkeypatch.setattr(ingest, "read_source", watched)
    return files
