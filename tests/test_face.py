"""What `import glowseis` offers: quick to import, known to `dir` and to type checkers, with examples that run."""

import ast
import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import glowseis
from tests.support.commands import CHECKOUT
from tests.support.random_gathers import random_gather, random_recording

FACE = sorted(set(glowseis.__all__) - {"__version__"})


def test_importing_is_instant():
    script = (
        "import sys, glowseis\n"
        "names = dir(glowseis)\n"
        "print([name for name in ('numpy', 'pandas', 'keras', 'tensorflow', 'matplotlib') if name in sys.modules])\n"
        "print(glowseis.InputError.__name__, 'numpy' in sys.modules)\n"
        "glowseis.open_survey\n"
        "print([name for name in ('keras', 'tensorflow', 'matplotlib') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.stdout == "[]\nInputError False\n[]\n"


@pytest.mark.parametrize("name", ["Glow", "load_flow"])
def test_without_tensorflow_a_line_says_so(name):
    script = f"import sys, glowseis\nsys.modules['tensorflow'] = None\nglowseis.{name}"
    done = subprocess.run([sys.executable, "-c", script], check=False, cwd=CHECKOUT, capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"glowseis.errors.InputError: glowseis.{name} needs TensorFlow, which is not installed;")


def test_the_names_are_told():
    assert set(FACE) <= set(dir(glowseis))
    wanted = "Glow Miniception FlowTrainer open_survey read_gathers write_gathers simulate_gathers synthesise "
    wanted += "load_flow load_classifier plot_gather check_invertible FlowSampler InputError"
    assert sorted(wanted.split()) == FACE
    with pytest.raises(AttributeError, match="module 'glowseis' has no attribute 'glow'"):
        _ = glowseis.glow


def test_type_checkers_are_told_the_same():
    tree = ast.parse(Path(glowseis.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    told = {alias.name: line.module for line in block.body for alias in line.names}
    assert told == {name: f"glowseis.{room}" for name, room in glowseis._ROOMS.items()}
    assert sorted(told) == FACE


def test_no_name_is_that_of_a_module():
    assert not {name for name in FACE if (CHECKOUT / "glowseis" / name).exists()}
    assert not {name for name in FACE if (CHECKOUT / "glowseis" / f"{name}.py").exists()}
    assert all(importlib.import_module(f"glowseis.{name}").main for name in ("simulate", "describe", "train"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with all that the examples speak of."""
    from glowseis.export.classifier import export_classifier
    from glowseis.export.flow import export_flow
    from glowseis.fitting.classifier.trainer import make_classifier
    from glowseis.testing import perturb

    folder = tmp_path_factory.mktemp("desk")
    gathers = [
        random_gather(shot, (32, 32), samples=30, traces=28, label=("good", "bad")[shot % 2]) for shot in range(6)
    ]
    glowseis.write_gathers(folder / "surveys" / "demo", gathers)
    glowseis.write_gathers(folder / "line12.segy", [random_recording(shot) for shot in range(2)])
    flow = glowseis.Glow((32, 32, 1), levels=1, steps=1, filters=4, attention_levels=0)
    flow.adapt([np.random.default_rng(1).random((2, 32, 32, 1), np.float32)])
    perturb(flow, 0.05)
    export_flow(flow, folder / "savedmodels" / "demo" / "1", {"label": "bad"})
    labels = ("good", "medium", "bad")
    about = {"image_shape": [64, 64, 1]}
    export_classifier(make_classifier(3, 1, "softmax", 5), labels, folder / "savedmodels" / "robust" / "1", about)
    return folder


@pytest.mark.parametrize("name", FACE)
def test_examples(name, desk, tmp_path, monkeypatch):
    import matplotlib.pyplot

    for thing in desk.iterdir():
        (tmp_path / thing.name).symlink_to(thing)
    monkeypatch.chdir(tmp_path)
    finder = doctest.DocTestFinder(recurse=False)
    examples = [found for found in finder.find(getattr(glowseis, name), name, globs={}) if found.examples]
    assert examples
    told = []
    for example in examples:
        runner = doctest.DocTestRunner()
        assert len(example.examples) > 1
        assert not runner.run(example, out=told.append).failed, "".join(told)
    matplotlib.pyplot.close("all")


def test_reading_warns_of_what_is_odd(tmp_path, monkeypatch):
    gathers = [random_gather(1, label="good"), random_gather(2, label="bad")]
    glowseis.write_gathers(tmp_path / "survey", gathers)
    assert [gather.gather_id for gather in glowseis.read_gathers(str(tmp_path / "survey"))] == [
        gather.gather_id for gather in gathers
    ]
    glowseis.write_gathers(tmp_path / "odd.npy", np.random.default_rng(1).normal(size=(2, 20, 8)), sample_interval_s=1)
    options = {"axes": "gather,time,trace", "sample_interval_s": 0.1}
    with pytest.warns(UserWarning, match="a sample interval of 100 ms is long"):
        found = glowseis.read_gathers([tmp_path / "survey", tmp_path / "odd.npy"], size=(32, 16), **options)
    assert [gather.image.shape for gather in found] == [(64, 32)] * 2 + [(32, 16)] * 2
    with pytest.raises(glowseis.InputError, match="a sample interval of 100 ms is long"):
        glowseis.read_gathers(tmp_path / "odd.npy", strict=True, **options)
    with pytest.raises(TypeError, match="sample_interval_ms"):
        glowseis.read_gathers(tmp_path / "odd.npy", sample_interval_ms=2)


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("read") / "survey"
    glowseis.write_gathers(folder, [random_gather(1, label="good"), random_gather(2, label="")])
    return folder


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"label": "bad"}, glowseis.InputError, "label: only for files"),
        ({"labels": "labels.csv"}, glowseis.InputError, "labels: only for files"),
        ({"size": (32, 16)}, glowseis.InputError, "size: only for files"),
        ({"fit": "crop"}, glowseis.InputError, "fit: only for files"),
        ({"kind": "segy"}, glowseis.InputError, "kind: only for files"),
        ({"sample_interval_s": 0.002}, glowseis.InputError, "sample_interval_s: only for files"),
        ({"keep_auxiliary": True, "size": "8x8"}, glowseis.InputError, "size and keep_auxiliary: only for files"),
        ({"lable": "bad"}, TypeError, "lable"),
    ],
)
def test_options_that_a_survey_leaves_aside_are_refused(survey, options, kind, message):
    for sources in (survey, [survey], []):
        with pytest.raises(kind, match=message):
            glowseis.read_gathers(sources, **options)


def test_labelled_gathers_of_surveys_and_files(survey, tmp_path):
    assert [gather.label for gather in glowseis.read_gathers(survey, strict=True)] == ["good", ""]
    assert [gather.label for gather in glowseis.read_gathers(survey, labelled_only=True)] == ["good"]
    glowseis.write_gathers(tmp_path / "new.h5", [random_gather(3, label="bad"), random_gather(4, label="")])
    both = glowseis.read_gathers([survey, tmp_path / "new.h5"], labelled_only=True)
    assert [gather.label for gather in both] == ["good", "bad"]
    glowseis.write_gathers(tmp_path / "unlabelled", random_gather(1, label=""))
    with pytest.raises(glowseis.InputError, match="no gather of the surveys has a label"):
        glowseis.read_gathers(tmp_path / "unlabelled", labelled_only=True)


NO_SIZES = [(112.5, 80), (112.0, 80), (112,), (112, 80, 2), 112, None, (0, 80), (-112, 80), ("a", "b"), "112"]


@pytest.mark.parametrize("size", NO_SIZES)
def test_what_is_no_size(tmp_path, size):
    glowseis.write_gathers(tmp_path / "new.h5", random_recording(1))
    for call in (
        lambda: glowseis.simulate_gathers(1, size=size),
        lambda: glowseis.read_gathers(tmp_path / "new.h5", size=size),
    ):
        with pytest.raises(glowseis.InputError, match=r"size '.*(is not samples x traces|each side must be)"):
            call()


@pytest.mark.parametrize("name", ["count", "seed", "acquisitions", "first_acquisition", "workers"])
@pytest.mark.parametrize("value", [1.5, 2.0, "2", None, float("nan")])
def test_what_is_no_whole_number(name, value):
    with pytest.raises(glowseis.InputError, match=f"{name} is {value!r}; give a whole number"):
        glowseis.simulate_gathers(**{"count": 1, "size": "64x48", name: value})


@pytest.mark.parametrize(
    "wrong", [{"weather": "a"}, {"weather": None}, {"fractions": "abc"}, {"fractions": (1, None, 1)}, {"fractions": 3}]
)
def test_what_is_no_number(wrong):
    with pytest.raises(glowseis.InputError, match="give a number and three numbers"):
        glowseis.simulate_gathers(1, size="64x48", **wrong)


def test_whole_numbers_of_numpy():
    (one,) = glowseis.simulate_gathers(np.int64(1), np.uint8(7), (np.int16(64), np.int64(48)))
    assert np.array_equal(one.image, glowseis.simulate_gathers(1, 7, "64x48")[0].image)


def test_simulated_gathers_are_those_of_the_command(tmp_path, command):
    assert (
        command("simulate", "--out", tmp_path / "survey", "--count", 3, "--size", "64x48", "--workers", 1).status == 0
    )
    survey = glowseis.open_survey(tmp_path / "survey")
    for size in ("64x48", (64, 48)):
        for row, gather in enumerate(glowseis.simulate_gathers(3, size=size)):
            assert (
                np.array_equal(gather.image, survey.read(row).image) and gather.gather_id == survey.read(row).gather_id
            )
    with pytest.raises(glowseis.InputError, match="there is no kind 'waves'"):
        glowseis.simulate_gathers(1, size="64x48", noise={"waves": 1})


def test_former_addresses_lead_to_the_face():
    from glowseis.fitting.trainer import FlowTrainer
    from glowseis.survey.records import open_survey

    assert open_survey is glowseis.open_survey and FlowTrainer is glowseis.FlowTrainer
