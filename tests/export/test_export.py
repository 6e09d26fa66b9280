"""SavedModels: the same numbers as the flow, in a process that knows neither glowseis nor Keras."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from glowseis.errors import InputError
from glowseis.export.flow import export_flow, load_flow
from glowseis.export.folders import versions
from glowseis.fitting.flow.fitting import make_flow
from glowseis.models.glow import Glow
from glowseis.models.grey_levels import from_levels, to_levels
from glowseis.recipe import read_recipe
from glowseis.survey.store.survey import open_survey
from glowseis.testing import perturb

LONELY = """
import sys
import numpy as np

for name in ("glowseis", "keras", "tf_keras"):
    sys.modules[name] = None
import tensorflow as tf

folder, given, taken = sys.argv[1:]
flow = tf.saved_model.load(folder).signatures
with np.load(given) as arrays:
    first, second, alpha = (tf.constant(arrays[name]) for name in ("first", "second", "alpha"))
made = {}
for count in (1, 3):
    latents = flow["encode"](image=first[:count])
    made |= {f"encode {name} {count}": value for name, value in latents.items()}
    made |= {f"decode {name} {count}": value for name, value in flow["decode"](**latents).items()}
    made |= {f"{name} {count}": value for name, value in flow["log_prob"](image=first[:count]).items()}
between = flow["interpolate"](first=first, second=second, alpha=alpha)
made |= {f"interpolate {name}": value for name, value in between.items()}


def sample(count, temperature, seed):
    words = {"count": tf.constant(count), "temperature": tf.constant(temperature), "seed": tf.constant(seed)}
    return flow["sample"](**words)["image"]


made["sample"], made["sample again"] = sample(2, 0.7, [1, 2]), sample(2, 0.7, [1, 2])
made["sample other"], made["sample cold"] = sample(2, 0.7, [1, 3]), sample(1, 0.0, [1, 2])
np.savez(taken, **{name: value.numpy() for name, value in made.items()})
"""


@pytest.fixture(scope="module")
def flow(tiny, trained):
    """The trained flow, from the run's checkpoint."""
    recipe = read_recipe(tiny.recipe)
    flow = make_flow(recipe.flow, (32, 32), recipe.seed)
    checkpoint = tf.train.Checkpoint(weights=[weight.value for weight in flow.weights])
    best = tf.train.latest_checkpoint(trained.run / "checkpoints" / "best")
    checkpoint.restore(best).expect_partial().assert_existing_objects_matched()
    return flow


@pytest.fixture(scope="module")
def parents(tiny):
    survey = open_survey(tiny.survey)
    images = survey.read_images(survey.select(["bad"]))[..., np.newaxis]
    return images[:3], images[3:6]


@pytest.fixture(scope="module")
def lonely(trained, parents, tmp_path_factory):
    """What a process makes of the SavedModel that can import neither glowseis nor Keras."""
    folder = tmp_path_factory.mktemp("lonely")
    np.savez(folder / "given.npz", first=parents[0], second=parents[1], alpha=np.array([0.0, 0.5, 1.0], np.float32))
    words = [sys.executable, "-c", LONELY, trained.savedmodel, folder / "given.npz", folder / "taken.npz"]
    done = subprocess.run(words, check=False, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "taken.npz") as taken:
        return dict(taken)


@pytest.mark.parametrize("count", [1, 3])
def test_encode_and_decode(flow, lonely, parents, count):
    x = from_levels(parents[0][:count])
    for level, eps in enumerate(flow.encode(x), start=1):
        np.testing.assert_allclose(lonely[f"encode latent_{level} {count}"], eps, atol=1e-5)
    assert f"encode latent_{flow.levels + 1} {count}" not in lonely
    np.testing.assert_array_equal(lonely[f"decode image {count}"], parents[0][:count])


@pytest.mark.parametrize("count", [1, 3])
def test_log_prob(flow, lonely, parents, count):
    nats = flow.log_prob(from_levels(parents[0][:count]))
    np.testing.assert_allclose(lonely[f"log_prob {count}"], nats, rtol=1e-5)
    np.testing.assert_allclose(lonely[f"bits_per_dimension {count}"], flow.bits_per_dimension(nats), rtol=1e-5)
    assert np.all((lonely[f"bits_per_dimension {count}"] > 7) & (lonely[f"bits_per_dimension {count}"] < 8.5))


def test_interpolate(flow, lonely, parents):
    made = lonely["interpolate image"]
    np.testing.assert_array_equal(made[0], parents[0][0])
    np.testing.assert_array_equal(made[2], parents[1][2])
    ends = from_levels(parents[0]), from_levels(parents[1])
    expected = to_levels(flow.interpolate(*ends, np.array([0, 0.5, 1.0]), "linear"))
    assert np.abs(made.astype(int) - expected).max() <= 1
    assert np.mean(made != expected) < 1e-3
    assert not np.array_equal(made[1], parents[0][1]) and not np.array_equal(made[1], parents[1][1])


def test_sample(flow, lonely):
    assert lonely["sample"].shape == (2, 32, 32, 1) and lonely["sample"].dtype == np.uint8
    np.testing.assert_array_equal(lonely["sample"], lonely["sample again"])
    for other in (lonely["sample other"], lonely["sample"][::-1]):
        assert np.mean(lonely["sample"] != other) > 0.5
    centre = flow.decode([np.zeros((1, *shape), np.float32) for shape in flow.latent_shapes])
    assert np.abs(lonely["sample cold"].astype(int) - to_levels(centre)).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [np.nan, np.inf, -1.0])
def test_a_temperature_that_is_none_gives_no_black_pictures(trained, temperature):
    sample = load_flow(trained.savedmodel).signatures["sample"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="temperature is"):
        sample(count=tf.constant(1), temperature=tf.constant(temperature), seed=tf.constant([7, 7]))


def test_samples_latents_are_standard_normal_times_the_temperature(trained):
    signatures = load_flow(trained.savedmodel).signatures
    spread = {}
    for temperature in (0.3, 0.6):
        words = {"count": tf.constant(16), "temperature": tf.constant(temperature), "seed": tf.constant([7, 7])}
        latents = signatures["encode"](image=signatures["sample"](**words)["image"])
        spread[temperature] = np.std(np.concatenate([np.ravel(eps) for eps in latents.values()]))
    assert spread[0.6] / spread[0.3] == pytest.approx(2, rel=0.1)
    assert spread[0.3] == pytest.approx(0.3, rel=0.1)


@pytest.mark.slow
def test_variables_take_no_more_than_the_weights(tmp_path):
    flow = Glow((32, 32, 1), levels=2, steps=1, filters=128, attention_levels=1, heads=2)
    flow.build()
    perturb(flow, 0.02)
    export_flow(flow, tmp_path / "wide" / "1", {})
    weights = sum(weight.numpy().nbytes for weight in flow.weights)
    files = sum(path.stat().st_size for path in (tmp_path / "wide" / "1" / "variables").iterdir())
    assert weights < files <= 1.1 * weights
    image = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), dtype=np.uint8)
    loaded = load_flow(tmp_path / "wide").signatures
    np.testing.assert_array_equal(loaded["decode"](**loaded["encode"](image=tf.constant(image)))["image"], image)


def test_what_a_savedmodel_says_of_itself(trained):
    flow = load_flow(trained.savedmodel)
    assert (flow.name, flow.size, flow.about["label"]) == ("tiny/1", (32, 32), "bad")
    assert flow.about["image_shape"] == [32, 32, 1] and flow.about["recipe"]["seed"] == 3
    names = {"encode", "decode", "log_prob", "sample", "interpolate", "interpolate_spherical"}
    assert set(flow.signatures) == names | {"serving_default"}
    assert flow.about["figures"]["held_out_bits"] > 0


@pytest.mark.slow
def test_a_savedmodels_name_does_not_depend_on_where_one_stands(trained, monkeypatch):
    monkeypatch.chdir(trained.savedmodel.parent)
    assert load_flow(Path("1")).name == load_flow(Path()).name == "tiny/1"


def test_an_export_takes_nothings_place(trained, flow):
    before = sorted(trained.savedmodel.rglob("*"))
    with pytest.raises(InputError, match="not empty"):
        export_flow(flow, trained.savedmodel, {})
    assert sorted(trained.savedmodel.rglob("*")) == before
    assert sorted(path.name for path in trained.savedmodel.parent.iterdir()) == ["1"]


@pytest.mark.slow
def test_an_export_that_fails_leaves_nothing(flow, tmp_path):
    with pytest.raises(TypeError):
        export_flow(flow, tmp_path / "new" / "1", {"no JSON": object()})
    assert not list((tmp_path / "new").iterdir())


def test_the_newest_version_is_the_highest_number(tmp_path):
    for name in ("1", "9", "10", "010x", "latest"):
        (tmp_path / name).mkdir()
    (tmp_path / "11").write_text("no folder")
    assert versions(tmp_path)[-1] == tmp_path / "10"
    assert versions(tmp_path / "latest") == versions(tmp_path / "nowhere") == []


def test_a_second_training_of_a_name_gets_the_next_version(trained, flow, tmp_path):
    for version in ("2", "10"):
        shutil.copytree(trained.savedmodel, tmp_path / "tiny" / version)
    assert load_flow(tmp_path / "tiny").name == "tiny/10"


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: flip(folder / "variables" / "variables.data-00000-of-00001"),
        lambda folder: (folder / "variables" / "variables.index").unlink(),
        lambda folder: (folder / "variables" / "variables.data-00000-of-00001").write_bytes(b""),
        lambda folder: (folder / "saved_model.pb").write_bytes(b"not one"),
        lambda folder: (folder / "saved_model.pb").write_bytes((folder / "saved_model.pb").read_bytes()[:-1000]),
        lambda folder: (folder / "assets.extra" / "glowseis.json").unlink(),
        lambda folder: (folder / "assets.extra" / "glowseis.json").write_text("[]"),
        lambda folder: (folder / "assets.extra" / "glowseis.json").write_text(json.dumps({"image_shape": [1]})),
        lambda folder: (folder / "assets.extra" / "glowseis.json").write_bytes(b"\xff"),
    ],
    ids=["flipped", "no index", "no data", "no protobuf", "cut short", "unsaid", "said badly", "no size", "no text"],
)
def test_a_damaged_savedmodel_is_told(trained, tmp_path, damage):
    folder = tmp_path / "tiny" / "1"
    shutil.copytree(trained.savedmodel, folder)
    damage(folder)
    with pytest.raises(InputError, match=f"{folder}: not a SavedModel of a glowseis flow, or damaged"):
        load_flow(folder)


def test_a_missing_or_another_savedmodel_is_told(tmp_path):
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError, match=r"no SavedModel there; check its name"):
            load_flow(path)
    module = tf.Module()
    module.double = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec((), tf.float32)])
    tf.saved_model.save(module, str(tmp_path / "other" / "1"), signatures={"double": module.double})
    with pytest.raises(InputError, match="not a SavedModel of a glowseis flow"):
        load_flow(tmp_path / "other")
