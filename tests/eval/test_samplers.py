"""Samplers compared in a pipeline: what each is given, how it is scored, and the command as a whole."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from eval.pictures import samplers
from eval.pictures.sets import SETS, Pictures
from eval.pictures.trials import trials


@pytest.fixture
def pictures():
    """120 pictures of three classes, a tenth of them of the rare class 1, told by their level."""
    classes = np.resize([0, 0, 2, 0, 2, 0, 0, 1, 0, 2], 120).astype(np.int32)
    images = np.random.default_rng(1).integers(0, 90, (120, 8, 8)) + 60 * classes[:, None, None]
    return Pictures(images.astype(np.uint8), classes, ("a", "b", "c"), np.zeros(120, int))


def test_all_arms_train_and_test_on_the_same_pictures(pictures, monkeypatch):
    pytest.importorskip("imblearn")
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.pipeline import Pipeline

    chosen = replace(SETS["cells"], folds=3)
    seen, fit = [], Pipeline.fit
    monkeypatch.setattr(Pipeline, "fit", lambda self, X, y: seen.append((X, y)) or fit(self, X, y))
    monkeypatch.setattr(samplers, "ARMS", ("none", "oversampling", "smote"))
    found = pd.DataFrame(samplers.compared(pictures, chosen, 1, 2))
    assert found["arm"].tolist() == [*samplers.ARMS] * 2 and found["fold"].tolist() == [0] * 3 + [1] * 3
    assert found["f1_rare"].between(0.9, 1).all() and found["average_precision_rare"].between(0.9, 1).all()
    for number, trial in enumerate(list(trials(pictures, chosen, 1))[:2]):
        rows = np.concatenate([trial.training, trial.judges])
        for given, classes in seen[3 * number : 3 * number + 3]:
            np.testing.assert_array_equal(given * 256, pictures.images[rows].reshape(len(rows), -1))
            np.testing.assert_array_equal(classes, pictures.classes[rows])
    assert isinstance(samplers._sampler("oversampling", {1: 9}, (8, 8), chosen, 1), RandomOverSampler)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Even though")
def test_the_command(tmp_path, command, eagerly, monkeypatch):
    module = pytest.importorskip("imblearn") and pytest.importorskip("glowseis.sampler")
    monkeypatch.setattr(module, "AT_ONCE", 500)
    monkeypatch.setitem(SETS, "digits", replace(SETS["digits"], levels=1))
    words = ("eval.samplers", "digits", "--flow-steps", 1, "--trials", 1, "--out", tmp_path / "digits.csv")
    done = command(*words)
    assert done.status == 0, done.error
    rows = pd.read_csv(tmp_path / "digits.csv")
    assert rows["arm"].tolist() == ["none", "oversampling", "smote", "flow"] and rows["rare_training"].eq(16).all()
    assert rows["f1_rare"].between(0, 1).all() and "minus oversampling" in done.out
    again = command(*words)
    assert again.status == 2 and "exists already; give another --out" in again.error[0]
    assert "choose from digits, cells, defects" in command("eval.samplers", "letters").error[0]
