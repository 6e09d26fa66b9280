"""ONNX and LiteRT files, and what TensorFlow Serving is asked: the same numbers as the network's."""

import json
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from glowseis.export import portable
from glowseis.export.classifier import export_classifier, load_classifier
from glowseis.export.flow import export_flow, load_flow
from glowseis.fitting.classifier.trainer import make_classifier
from glowseis.models.glow import Glow
from glowseis.models.grey_levels import to_levels
from glowseis.testing import perturb
from tests.test_documents import snippets

LABELS = ("good", "medium", "bad")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folder of a classifier and a flow, both tiny."""
    folder = tmp_path_factory.mktemp("savedmodels")
    classifier = make_classifier(3, 1, "softmax", 5)
    perturb(classifier, 0.1)
    export_classifier(classifier, LABELS, folder / "graded" / "1", {"image_shape": [32, 24, 1]})
    keras.utils.set_random_seed(2)
    flow = Glow((8, 8, 1), levels=2, steps=1, filters=4, attention_levels=1)
    flow.build()
    perturb(flow, 0.1)
    export_flow(flow, folder / "made" / "1", {"label": "bad"})
    return folder


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(3).integers(0, 256, (5, 32, 24)).astype(np.uint8)


def session_of(path):
    return pytest.importorskip("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.slow
def test_a_classifier_in_onnx_runtime(models, images, tmp_path, command):
    pytest.importorskip("tf2onnx")
    done = command("convert", models / "graded", "--out", tmp_path / "graded.onnx")
    assert done.status == 0, done.error
    assert "largest difference from the network's numbers is" in done.out and not done.error
    session = session_of(tmp_path / "graded.onnx")
    (asked,) = session.get_inputs()
    assert (asked.name, asked.type) == ("image", "tensor(uint8)")
    wanted = load_classifier(models / "graded")
    # Of any number and size.
    for some in (images, images[:1, :20, :24]):
        (found,) = session.run(None, {"image": some[..., np.newaxis]})
        np.testing.assert_allclose(found, wanted.probabilities(some), atol=1e-4)
    assert np.ptp(wanted.probabilities(images), axis=0).max() > 1e-3


@pytest.mark.slow
def test_a_flow_s_decoder_in_onnx_runtime(models, tmp_path, command):
    pytest.importorskip("tf2onnx")
    done = command("convert", models / "made" / "1", "--out", tmp_path / "made.onnx")
    assert done.status == 0, done.error
    session = session_of(tmp_path / "made.onnx")
    assert [(one.name, one.shape[1:]) for one in session.get_inputs()] == [
        ("latent_1", [4, 4, 2]),
        ("latent_2", [2, 2, 8]),
    ]
    random = np.random.default_rng(4)
    latents = {one.name: random.standard_normal((3, *one.shape[1:])).astype(np.float32) for one in session.get_inputs()}
    (found,) = session.run(None, latents)
    decode = load_flow(models / "made").signatures["decode"]
    levels = decode(**{name: tf.constant(eps) for name, eps in latents.items()})["image"]
    assert (np.abs(to_levels(found).numpy().astype(int) - levels.numpy()) <= 1).all()
    assert np.mean(to_levels(found).numpy() == levels.numpy()) > 0.99 and np.ptp(levels) > 100


@pytest.mark.slow
def test_a_classifier_in_litert(models, images, tmp_path, command):
    done = command("convert", models / "graded", "--out", tmp_path / "graded.tflite")
    assert done.status == 0, done.error
    runner = tf.lite.Interpreter(str(tmp_path / "graded.tflite")).get_signature_runner()
    (found,) = runner(image=images[:1, ..., np.newaxis]).values()
    np.testing.assert_allclose(found, load_classifier(models / "graded").probabilities(images[:1]), atol=1e-4)


def test_what_cannot_be_converted_is_said_in_a_line(models, tmp_path, command, monkeypatch):
    def says(*words):
        done = command("convert", *words)
        assert done.status == 2 and len(done.error) == 1 and not list(tmp_path.iterdir())
        return done.error[0]

    assert "ends in none of .onnx and .tflite" in says(models / "graded", "--out", tmp_path / "graded.pb")
    assert "a flow is converted to ONNX only" in says(models / "made", "--out", tmp_path / "made.tflite")
    assert "no SavedModel there" in says(tmp_path / "none", "--out", tmp_path / "none.onnx")
    monkeypatch.setattr(portable, "find_spec", lambda name: None if name == "tf2onnx" else name)
    assert "needs tf2onnx; install with pip install 'glowseis[onnx]'" in says(
        models / "graded", "--out", tmp_path / "graded.onnx"
    )


def test_a_file_with_other_numbers_is_not_kept(models, tmp_path, command, monkeypatch):
    monkeypatch.setattr(portable, "_litert", lambda path, given: np.zeros((portable.CHECKED, 3)))
    monkeypatch.setattr(keras.Model, "export", lambda self, path, **_: path.touch())
    done = command("convert", models / "graded", "--out", tmp_path / "graded.tflite")
    assert done.status == 2 and "more than 0.0001; it was not kept" in done.error[0]
    assert not list(tmp_path.glob("*.tflite"))


@pytest.mark.parametrize(("name", "asked"), [("graded", "classify"), ("made", "log_prob")])
def test_serving_s_default_has_a_row_for_each_image(models, name, asked):
    signatures = tf.saved_model.load(str(models / name / "1")).signatures
    sides = (32, 24) if name == "graded" else (8, 8)
    given = tf.constant(np.random.default_rng(5).integers(0, 256, (4, *sides, 1)).astype(np.uint8))
    found, wanted = signatures["serving_default"](image=given), signatures[asked](image=given)
    assert set(wanted) - set(found) <= {"labels"} and len(found) >= 2
    for key, value in found.items():
        assert value.shape[0] == 4
        np.testing.assert_array_equal(value, wanted[key])


def test_the_request_of_the_page_suits_the_signature(models, images, monkeypatch):
    """No server is at hand: the test takes the request apart as TensorFlow Serving's REST interface says."""
    signatures = tf.saved_model.load(str(models / "graded" / "1")).signatures
    posted = []

    def served(url, json):
        posted.append((url, json))
        signature = signatures[json.get("signature_name", "serving_default")]
        (spec,) = signature.structured_input_signature[1].values()
        answer = signature(image=tf.constant(np.array(json["instances"]).astype(spec.dtype.as_numpy_dtype)))
        rows = [
            {
                name: np.asarray(value.numpy().astype(str) if value.dtype == tf.string else value)[row].tolist()
                for name, value in answer.items()
            }
            for row in range(len(images))
        ]
        return type(
            "Response", (), {"json": lambda self: {"predictions": rows}, "raise_for_status": lambda self: None}
        )()

    monkeypatch.setitem(sys.modules, "requests", type("requests", (), {"post": staticmethod(served)}))
    names = {"images": images}
    (snippet,) = (one for one in snippets("docs/serving.md") if "requests" in one)
    exec(snippet, names)
    ((url, body),) = posted
    assert url.endswith(":predict") and json.loads(json.dumps(body)) == body
    np.testing.assert_allclose(
        names["probabilities"], load_classifier(models / "graded").probabilities(images), atol=1e-6
    )
