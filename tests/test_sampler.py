"""The sampler for imbalanced-learn: its checks, pipelines without leaks, and what cannot be resampled."""

import importlib
import math
import random
import sys
import unittest

import keras
import numpy as np
import pytest
import tensorflow as tf

import glowseis
from glowseis.errors import FittingError, InputError
from glowseis.models.glow import Glow
from glowseis.models.grey_levels import dequantise
from glowseis.testing import perturb

SMALL = {"training_steps": 1, "levels": 1, "steps": 1, "filters": 4, "random_state": 1}

LEFT_OUT = {"check_samplers_pandas_sparse": "images are not sparse"}
"""Checks that make no sense for images, and why (docs/ecosystem.md)."""


@pytest.fixture(scope="module")
def module():
    """Imported by tests alone: with imbalanced-learn it takes seconds, which every process that collects would wait."""
    pytest.importorskip("imblearn")
    return importlib.import_module("glowseis.sampler")


@pytest.fixture
def eagerly(module, monkeypatch):
    """A step or two take longer to be traced than to run."""
    monkeypatch.setattr(module, "AT_ONCE", 1000)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def one_fit(module, eagerly, monkeypatch):
    """Images of one size share a flow, for tests of all that is around it."""
    fit, fits = module.FlowSampler._fitted, {}

    def fitted(self, start, images, *rest):
        shape = images.shape[1:]
        if shape not in fits:
            fits[shape] = fit(self, start, images, *rest)
        return fits[shape]

    monkeypatch.setattr(module.FlowSampler, "_fitted", fitted)


@pytest.fixture(scope="module")
def data():
    """Twelve common and five rare images, uint8."""
    images = np.random.default_rng(1).integers(0, 256, (17, 6, 5, 1)).astype(np.uint8)
    return images, np.array(["good"] * 12 + ["bad"] * 5)


@pytest.mark.slow
@pytest.mark.parametrize("library", ["imblearn", "sklearn"])
def test_checks_of_the_libraries(library, one_fit):
    checks = importlib.import_module(f"{library}.utils.estimator_checks")
    sampler = glowseis.FlowSampler(image_shape=(1, -1), value_range="data", **SMALL)
    done, skipped = [], set()
    for estimator, check in checks.estimator_checks_generator(sampler, expected_failed_checks=LEFT_OUT, mark="skip"):
        try:
            check(estimator)
            done.append(check)
        except unittest.SkipTest as skip:
            skipped.add(str(skip).split()[1])
    assert len(done) > 10
    # scikit-learn itself skips one, since 1.9, unless an environment variable is set.
    assert skipped == set(LEFT_OUT) if library == "imblearn" else skipped <= {"is"}


@pytest.mark.slow
def test_new_rows_lie_between_their_parents(data, eagerly):
    X, y = data
    sampler = glowseis.FlowSampler(**SMALL)
    made, labels = sampler.fit_resample(X, y)
    assert made.shape == (24, 6, 5, 1) and made.dtype == X.dtype
    assert np.array_equal(made[:17], X) and np.array_equal(labels[:17], y) and set(labels[17:]) == {"bad"}
    assert sampler.sampling_strategy_ == {"bad": 7} and (y[sampler.parents_] == "bad").all()
    assert sampler.parents_.shape == (7, 2) and sampler.weights_.shape == (7,)
    (flow,) = sampler.flows_.values()
    assert flow.image_shape == (6, 6, 1)
    padded = np.pad(X, ((0, 0), (0, 0), (0, 1), (0, 0)), mode="edge")
    first, second = ((padded[rows] + 0.5) / 256 for rows in sampler.parents_.T)
    between = 256 * np.asarray(flow.interpolate(first, second, sampler.weights_))[:, :, :5] - 0.5
    assert np.abs(np.clip(between, 0, 255) - made[17:]).max() < 0.51
    near = glowseis.FlowSampler(**SMALL, farthest=1e-6)
    assert np.array_equal(near.fit_resample(X, y)[0][17:], X[near.parents_[:, 0]])


@pytest.mark.slow
@pytest.mark.parametrize("value_range", [None, (0, 16), "data"])
def test_values_keep_their_type_and_range(data, one_fit, value_range):
    X, y = data
    whole = (X // 16).astype(np.int64) if value_range else X.astype(np.int64)
    for images in (whole, X[..., 0] / np.float32(16 if value_range else 256)):
        made, _ = glowseis.FlowSampler(**SMALL, value_range=value_range).fit_resample(images, y)
        low, high = (images.min(), images.max()) if value_range == "data" else value_range or (0, 256)
        assert made.dtype == images.dtype and made[17:].shape == (7, *images.shape[1:])
        assert low <= made.min() and made.max() <= high
        if value_range is None and images is not whole:
            assert made.max() < 1
        assert made[17:].std() > 0.5 * images.std()


@pytest.mark.slow
def test_flat_rows_are_the_same_images_and_a_seed_repeats_them(data, eagerly):
    X, y = data
    wanted, _ = glowseis.FlowSampler(**SMALL).fit_resample(X, y)
    flat, _ = glowseis.FlowSampler(**SMALL, image_shape=(6, 5)).fit_resample(X.reshape(17, 30), y)
    assert np.array_equal(flat.reshape(wanted.shape), wanted)
    listed, _ = glowseis.FlowSampler(**SMALL, image_shape=(-1, 5, 1)).fit_resample(
        X.reshape(17, 30).tolist(), y.tolist()
    )
    assert listed == flat.tolist()
    other, _ = glowseis.FlowSampler(**{**SMALL, "random_state": 2}).fit_resample(X, y)
    assert not np.array_equal(other, wanted)


@pytest.mark.slow
def test_the_callers_random_numbers_follow_the_callers_seed(data, eagerly):
    def drawn(seed):
        keras.utils.set_random_seed(seed)
        glowseis.FlowSampler(**SMALL).fit_resample(*data)
        return random.random(), np.random.random(), float(keras.random.normal(())), float(tf.random.normal(()))

    assert drawn(1) == drawn(1)
    assert all(one != other for one, other in zip(drawn(1), drawn(2), strict=True))


@pytest.mark.slow
def test_a_warm_flow_is_used_and_left_as_it_is(data, eagerly, tmp_path):
    from sklearn.base import clone

    X, y = data
    X = X[:, :4, :4]
    flow = Glow((4, 4, 1), levels=1, steps=1, filters=4, attention_levels=1)
    flow.build()
    perturb(flow, 0.3)
    before = flow.get_weights()
    # What is read of a SavedModel; writing a whole one takes seconds.
    (tmp_path / "warm" / "assets.extra").mkdir(parents=True)
    (tmp_path / "warm" / "assets.extra" / "glowseis.json").write_text('{"kind": "flow"}')
    (tmp_path / "warm" / "saved_model.pb").touch()
    flow.save(tmp_path / "warm" / "model.keras")
    for given in (flow, str(tmp_path / "warm")):
        sampler = clone(glowseis.FlowSampler(flow=given, training_steps=0, random_state=1))
        sampler.fit_resample(X, y)
        for one, other in zip(sampler.flows_["bad"].get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, other)
    trained = glowseis.FlowSampler(flow=flow, training_steps=1, random_state=1)
    trained.fit_resample(X, y)
    assert any((a != b).any() for a, b in zip(trained.flows_["bad"].get_weights(), before, strict=True))
    for one, other in zip(flow.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_pipeline_under_cross_validation_does_not_leak(module, data, one_fit, monkeypatch):
    from imblearn.pipeline import Pipeline
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_validate

    FlowSampler = module.FlowSampler
    X, y = data
    X = (X.reshape(17, 30) / 256).astype(np.float32)
    seen, predicted = [], []
    resample, predict = FlowSampler._fit_resample, LogisticRegression.predict
    monkeypatch.setattr(FlowSampler, "_fit_resample", lambda self, X, y: seen.append(X) or resample(self, X, y))
    monkeypatch.setattr(LogisticRegression, "predict", lambda self, X: predicted.append(X) or predict(self, X))
    pipeline = Pipeline(
        [("more", glowseis.FlowSampler(**SMALL, image_shape=(6, 5))), ("classify", LogisticRegression())]
    )
    parts = list(StratifiedKFold(2).split(X, y))
    found = cross_validate(pipeline, X, y, cv=parts, scoring="balanced_accuracy", return_estimator=True)
    assert np.isfinite(found["test_score"]).all() and len(seen) == 2
    for (training, test), given, graded, fitted in zip(parts, seen, predicted, found["estimator"], strict=True):
        np.testing.assert_array_equal(given, X[training])
        np.testing.assert_array_equal(graded, X[test])
        bad = y[training] == "bad"
        assert fitted["more"].sampling_strategy_ == {"bad": (~bad).sum() - bad.sum()}


WRONG = {
    "one rare row": ({}, lambda X, y: (X[:13], y[:13]), "class bad has 1 row, but a new image lies between two"),
    "NaN": (
        {},
        lambda X, y: (np.where(np.arange(17)[:, None, None, None] == 3, np.nan, X / 256), y),
        r"NaN or infinity in 1 of 17 rows, first in row 3",
    ),
    "255": (
        {},
        lambda X, y: (X.astype(float), y),
        r"floats are fractions in \[0, 1\), but X holds values from 1 to 255",
    ),
    "negative": ({}, lambda X, y: (X - 128.0, y), r"values from -127 to 127; scale them"),
    "more levels": ({}, lambda X, y: (X.astype(int) * 2, y), "integers are grey levels from 0 to 255, but"),
    "range": ({"value_range": (0, 16)}, lambda X, y: (X, y), r"value_range is \(0, 16\), but X holds"),
    "no range": ({"value_range": (1,)}, lambda X, y: (X, y), r"value_range is \(1,\); give \(low, high\), or 'data'"),
    "backwards": ({"value_range": (1, 0)}, lambda X, y: (X, y), "the first must be the smaller one"),
    "booleans": ({}, lambda X, y: (X > 9, y), "X holds bool"),
    "flat": ({}, lambda X, y: (X.reshape(17, 30), y), "flat rows of 30 values; give image_shape"),
    "shape": (
        {"image_shape": (7, 5)},
        lambda X, y: (X.reshape(17, 30), y),
        r"image_shape is \(7, 5\), but the rows of X have",
    ),
    "one side": ({"image_shape": (30,)}, lambda X, y: (X.reshape(17, 30), y), r"these have the shape \(17, 30\)"),
    "volumes": ({}, lambda X, y: (X[..., None], y), r"these have the shape \(17, 6, 5, 1, 1\)"),
    "no flow": ({"training_steps": 0}, lambda X, y: (X, y), "training_steps is 0, but there is no flow"),
    "missing flow": ({"flow": "nowhere"}, lambda X, y: (X, y), "nowhere: no SavedModel there"),
    "other flow": (
        {"flow": Glow((8, 8, 1), 1, 1, 4, 0)},
        lambda X, y: (X, y),
        r"images of \(8, 8, 1\); X holds images of \(6, 5, 1\)",
    ),
    "one class": ({}, lambda X, y: (X[:12], y[:12]), "needs to have more than 1 class"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_is_said_in_a_line(what, module, data):
    settings, change, message = WRONG[what]
    with pytest.raises(ValueError, match=message) as wrong:
        glowseis.FlowSampler(**{**SMALL, **settings}).fit_resample(*change(*data))
    assert "\n" not in str(wrong.value)


@pytest.mark.slow
def test_a_flow_that_does_not_invert_is_an_error(module, data, eagerly, monkeypatch):
    monkeypatch.setattr(module, "ROUND_TRIP_BOUND", 0)
    with pytest.raises(FittingError, match="does not invert after 1 steps"):
        glowseis.FlowSampler(**SMALL).fit_resample(*data)
    monkeypatch.setattr(module, "ROUND_TRIP_BOUND", math.inf)
    monkeypatch.setattr(Glow, "interpolate", lambda self, first, *_: first * math.nan)
    with pytest.raises(FittingError, match="are not finite"):
        glowseis.FlowSampler(**SMALL).fit_resample(*data)


@pytest.mark.slow
def test_training_fits_the_rare_class(module, data):
    """Traced, as users run it."""
    X, _ = data
    level = np.linspace(0, 255, 16).reshape(4, 4)
    rare = np.clip(level + np.random.default_rng(2).normal(0, 8, (20, 4, 4)), 0, 255).astype(np.uint8)
    images, labels = np.concatenate([X[:, :4, :4, 0], X[:, 1:5, 1:5, 0], rare]), np.array([0] * 34 + [1] * 20)
    sampler = glowseis.FlowSampler(**{**SMALL, "training_steps": 60}, learning_rate=1e-2)
    made, _ = sampler.fit_resample(images, labels)
    flow, untrained = sampler.flows_[1], Glow((4, 4, 1), 1, 1, 4, attention_levels=1)
    some = dequantise(rare, 1)
    untrained.adapt([some])
    bits, before = (float(np.mean(one.bits_per_dimension(one.log_prob(some)))) for one in (flow, untrained))
    assert bits < before - 0.2
    assert np.abs(made[54:].mean(axis=0) - level).max() < 20


def test_without_imbalanced_learn_a_line_says_so(monkeypatch):
    monkeypatch.delitem(sys.modules, "glowseis.sampler", raising=False)
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling.base", None)
    with pytest.raises(InputError, match=r"suits scikit-learn; install it with pip install 'glowseis\[sampler\]' \("):
        __import__("glowseis.sampler")
