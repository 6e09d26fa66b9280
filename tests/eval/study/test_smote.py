"""SMOTE on pixels, as imbalanced-learn has it."""

import numpy as np
import pytest

from eval.study.smote import NEIGHBOURS, nearest_neighbours, products, smote_pairs
from glowseis.survey.batches.labelled import parents_of
from tests.support.arms import survey_of, training_set


def test_smote_is_imbalanced_learns_on_pixels(fold):
    from imblearn.over_sampling import SMOTE

    survey = fold.study.survey
    pixels = survey.read_images(fold.rare).reshape(len(fold.rare), -1).astype(float)
    smote = SMOTE(sampling_strategy={1: len(pixels) + 40}, k_neighbors=NEIGHBOURS, random_state=11)
    classes = [1] * len(pixels) + [0]
    wanted = smote.fit_resample(np.vstack([pixels, pixels[:1]]), classes)[0][len(classes) :]
    row_of = {row: place for place, row in enumerate(fold.rare)}
    for pair, one in zip(smote_pairs(survey, fold.rare, 40, 11), wanted, strict=True):
        first, second = pixels[row_of[pair.first]], pixels[row_of[pair.second]]
        np.testing.assert_allclose(first + pair.alpha * (second - first), one, atol=1e-3)
        nearest = np.argsort(np.linalg.norm(pixels - first, axis=1))[1 : NEIGHBOURS + 1]
        assert row_of[pair.second] in nearest


def test_smote_children_lie_between_their_named_parents(fold):
    training_set(fold, "smote")
    survey = survey_of(fold, "smote")
    for row, names in enumerate(parents_of(survey)):
        child = survey.read(row)
        first, second = (fold.study.survey.read(name).image.astype(float) for name in names)
        np.testing.assert_array_equal(child.image, np.rint(first + child.origin.alpha * (second - first)))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_smote_of_few_gathers(fold, count):
    pairs = smote_pairs(fold.study.survey, fold.rare[:count], 12, seed=1)
    assert len(pairs) == 12
    assert all(pair.first != pair.second and {pair.first, pair.second} <= set(fold.rare[:count]) for pair in pairs)


def test_neighbours_are_the_nearest_pictures_whatever_is_read_at_once(fold, monkeypatch):
    monkeypatch.setattr("eval.study.smote._BLOCK_BYTES", 3 * 4 * 32 * 32)
    pixels = fold.study.survey.read_images(fold.rare).reshape(len(fold.rare), -1).astype(float)
    apart = np.linalg.norm(pixels[:, None] - pixels, axis=-1)
    found = nearest_neighbours(products(fold.study.survey, fold.rare), 4)
    np.testing.assert_array_equal(found, np.argsort(apart, axis=1)[:, 1:5])
