"""Miniception: the published counts, any size, both heads, and an ordinary Keras model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from glowseis.models.miniception import JOINED, Miniception, MiniceptionBlock, OrdinalHead, from_grey_levels
from glowseis.testing import perturb


def built(**settings):
    model = Miniception(**settings)
    model.build()
    return model


@pytest.mark.parametrize(
    ("head", "alpha", "count"),
    [
        ("softmax", 1, 7_238),
        ("softmax", 2, 28_345),
        ("softmax", 4, 112_175),
        ("ordinal", 1, 7_175),
        ("ordinal", 2, 28_218),
        ("ordinal", 4, 111_920),
    ],
)
def test_parameters_are_as_published(head, alpha, count):
    model = built(alpha=alpha, head=head)
    assert model.count_params() == count
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == count


def test_parameters_of_the_blocks_are_as_published():
    model = built(alpha=1)
    assert [block.count_params() for block in model.blocks] == [85, 322, 1252, 4936]
    assert model.hidden.count_params() == 544 and model.output_head.count_params() == 99
    assert [weight.shape for weight in model.output_head.weights] == [(32, 3), (3,)]
    ordinal = built(alpha=1, head="ordinal").output_head
    assert sorted(tuple(weight.shape) for weight in ordinal.weights) == [(1,), (3,), (32, 1)]


@pytest.mark.parametrize("head", ["softmax", "ordinal"])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (17, 40), (112, 80)])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_any_size_gives_probabilities(head, size, classes):
    model = built(classes=classes, alpha=1, head=head)
    found = model(np.random.default_rng(0).uniform(-1, 1, (2, *size, 1)).astype(np.float32)).numpy()
    assert found.shape == (2, classes) and (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("filters", [2, JOINED + 1])
def test_a_block_is_what_its_formula_says(filters):
    """Against the block written out in other operations, computed either way."""
    block = MiniceptionBlock(filters)
    block.build((None, None, None, 3))
    perturb(block, 0.3)
    x = np.random.default_rng(1).normal(size=(2, 7, 6, 3)).astype(np.float32)

    def convolve(x, layer):
        kernel, bias = (weight.numpy().astype(np.float64) for weight in layer.weights)
        reach = kernel.shape[0] // 2
        padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], axis=(1, 2))
        return np.maximum(np.einsum("btxcij,ijco->btxo", windows, kernel) + bias, 0)

    def dense(x, layer):
        kernel, bias = (weight.numpy() for weight in layer.weights)
        return x @ kernel + bias

    main = convolve(np.concatenate([convolve(x, block.narrow), convolve(x, block.broad)], axis=-1), block.merge)
    auxiliary = convolve(x, block.shortcut)
    hidden = np.maximum(dense(auxiliary.mean(axis=(1, 2)), block.squeeze), 0)
    scale = 1 / (1 + np.exp(-dense(hidden, block.excite)))
    found = block(x).numpy()
    np.testing.assert_allclose(found, main + auxiliary * scale[:, None, None], atol=1e-5)
    assert found.shape == block.compute_output_shape(x.shape)


def test_the_network_pools_after_every_block_and_ends_as_published():
    """Against its parts put together by hand; the last block's output is pooled as well."""
    model = built(alpha=1)
    perturb(model, 0.2)
    x = np.random.default_rng(4).uniform(-1, 1, (2, 37, 22, 1)).astype(np.float32)
    features, sides = x, []
    for block in model.blocks:
        features = tf.nn.max_pool2d(block(features), 5, 2, "SAME")
        sides.append(tuple(features.shape[1:]))
    assert sides == [(19, 11, 2), (10, 6, 4), (5, 3, 8), (3, 2, 16)]
    hidden = tf.nn.relu(tf.reduce_mean(features, (1, 2)) @ model.hidden.kernel + model.hidden.bias)
    logits = hidden @ model.output_head.kernel + model.output_head.bias
    np.testing.assert_allclose(model.logits(x), logits, atol=1e-5)
    np.testing.assert_allclose(model(x), tf.nn.softmax(logits), atol=1e-6)


def test_ordinal_probabilities_are_intervals_of_the_score_between_rising_thresholds():
    head = OrdinalHead(4)
    head.build((None, 3))
    head.score.kernel.assign(np.array([[1.0], [0.0], [0.0]]))
    head.steps.assign([-2.0, 0.3, -1.0, 2.0])
    scores = np.linspace(-6, 6, 13)
    x = np.stack([scores, scores * 0, scores * 0], axis=1).astype(np.float32)
    thresholds = np.cumsum([-2.0, *np.log1p(np.exp([0.3, -1.0, 2.0]))])
    assert (np.diff(thresholds) > 0).all()
    below = 1 / (1 + np.exp(scores[:, None] - thresholds))
    expected = np.diff(below, axis=1, prepend=0) / below[:, -1:]
    np.testing.assert_allclose(np.exp(head(x)), expected, atol=2e-6)
    # A higher score is never milder.
    assert (np.diff(expected @ np.arange(4)) > 0).all()


@pytest.mark.parametrize("score", [-80.0, -5.0, 0.0, 5.0, 80.0])
@pytest.mark.parametrize("step", [-90.0, 0.0, 40.0])
def test_ordinal_gradients_are_finite_at_any_score(score, step):
    head = OrdinalHead(3)
    head.build((None, 1))
    head.score.kernel.assign([[1.0]])
    head.steps.assign([0.0, step, step])
    for label in range(3):
        x = tf.constant([[score]])
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = head(x)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits([label], logits)
        gradients = tape.gradient(loss, [x, *(weight.value for weight in head.trainable_weights)])
        assert all(np.isfinite(gradient).all() for gradient in gradients)
        assert np.isfinite(loss).all() and np.isfinite(logits).all()


@pytest.mark.parametrize("head", ["softmax", "ordinal"])
def test_every_weight_gets_a_gradient(head):
    keras.utils.set_random_seed(2)
    model = built(alpha=2, head=head)
    x = np.random.default_rng(2).uniform(-1, 1, (8, 24, 16, 1)).astype(np.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(np.arange(8) % 3, model.logits(x)))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert gradient is not None and np.isfinite(gradient).all() and np.abs(gradient).max() > 0, weight.path


@pytest.mark.parametrize("head", ["softmax", "ordinal"])
def test_a_saved_model_grades_alike(head, tmp_path):
    model = built(classes=4, alpha=1, head=head)
    perturb(model, 0.2)
    x = np.random.default_rng(3).uniform(-1, 1, (3, 20, 12, 1)).astype(np.float32)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (loaded.classes, loaded.alpha, loaded.head) == (4, 1, head)
    np.testing.assert_array_equal(loaded(x), model(x))


def test_a_companded_network_sees_roots_of_amplitudes(tmp_path):
    plain, companded = built(alpha=1), built(alpha=1, companded=True)
    perturb(plain, 0.2)
    companded.set_weights(plain.get_weights())
    x = np.random.default_rng(3).uniform(-1, 1, (2, 20, 12, 1)).astype(np.float32)
    roots = np.sign(x) * np.sqrt(np.abs(x))
    np.testing.assert_allclose(companded(x), plain(roots), atol=1e-6)
    assert np.abs(np.asarray(companded(x)) - np.asarray(plain(x))).max() > 1e-3
    companded.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.companded
    np.testing.assert_array_equal(loaded(x), companded(x))


@pytest.mark.slow
@pytest.mark.parametrize(("head", "compiled"), [("ordinal", False), ("softmax", True)])
def test_keras_fits_it(head, compiled):
    keras.utils.set_random_seed(4)
    random = np.random.default_rng(4)
    classes = np.arange(96) % 3
    x = np.clip(random.normal(size=(96, 16, 16, 1)) * (0.1 + 0.3 * classes[:, None, None, None]), -1, 1)
    model = Miniception(alpha=1, head=head)
    model.compile(
        keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=compiled
    )
    history = model.fit(x.astype(np.float32), classes, batch_size=16, epochs=12, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    if not compiled:
        # XLA takes half a minute to compile each way of calling it.
        assert model.predict(x[:5], verbose=0).shape == (5, 3)


def test_it_stays_float32_whatever_the_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        for head in ("softmax", "ordinal"):
            model = built(alpha=1, head=head)
            assert {weight.dtype for weight in model.weights} == {"float32"}
            layers = [layer for layer in model._flatten_layers() if layer is not model]
            assert len(layers) > 20 and {layer.compute_dtype for layer in layers} == {"float32"}
            assert model(np.zeros((1, 8, 8, 1), np.float32)).dtype == tf.float32
    finally:
        keras.config.set_dtype_policy(before)


def test_grey_levels():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    x = np.asarray(from_grey_levels(levels))
    assert x.shape == (1, 16, 16, 1) and x.dtype == np.float32
    assert (x.min(), x.max(), x.ravel()[128]) == (-1.0, 127 / 128, 0.0)
    np.testing.assert_array_equal(from_grey_levels(levels[..., None]), x)


@pytest.mark.parametrize("settings", [{"classes": 1}, {"alpha": 0}, {"head": "linear"}])
def test_settings_that_make_no_sense(settings):
    with pytest.raises(ValueError, match="give at least 2 classes, an alpha of at least 1, and softmax or ordinal"):
        Miniception(**settings)


@pytest.mark.parametrize(
    "pictures",
    [np.zeros((1, 16, 16, 1), "uint8"), np.zeros((1, 16, 16), "float32"), np.zeros((1, 16, 16, 3), "float32")],
)
def test_pictures_of_another_kind_are_named(pictures):
    with pytest.raises(ValueError, match=r"Miniception takes images in .*from_grey_levels"):
        Miniception(classes=2, alpha=1).logits(pictures)
