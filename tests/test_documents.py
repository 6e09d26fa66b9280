"""Python in README and docs runs as printed, on a small survey and flow in the demo's place."""

import functools
import re
import shlex
import shutil

import numpy as np
import pandas as pd
import pytest

import glowseis
from tests.support.commands import CHECKOUT
from tests.support.random_gathers import random_gather, random_recording


def snippets(document):
    """The Python of a document, block by block."""
    return re.findall(r"^```python\n(.*?)^```$", (CHECKOUT / document).read_text(), flags=re.M | re.S)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What the README's first command leaves behind, at 32 x 32."""
    from glowseis.export.flow import export_flow
    from glowseis.testing import perturb

    folder = tmp_path_factory.mktemp("demo")
    gathers = [
        random_gather(shot, (32, 32), samples=30, traces=28, label=("good", "bad")[shot % 2]) for shot in range(16)
    ]
    glowseis.write_gathers(folder / "surveys/demo", gathers)
    glowseis.write_gathers(folder / "new.segy", [random_recording(shot) for shot in range(2)])
    flow = glowseis.Glow((32, 32, 1), levels=2, steps=1, filters=4, attention_levels=0)
    flow.adapt([np.random.default_rng(1).random((4, 32, 32, 1), np.float32)])
    perturb(flow, 0.05)
    export_flow(flow, folder / "savedmodels/demo/1", {"label": "bad"})
    return folder


@pytest.mark.slow
def test_readme_with_a_savedmodel_alone(demo, monkeypatch):
    monkeypatch.chdir(demo)
    names = {}
    exec(snippets("README.md")[0], names)
    assert names["gathers"].shape == (4, 32, 32, 1) and np.isfinite(names["bits"]).all()
    assert np.array_equal(names["again"], names["gathers"]) and names["between"].shape == (2, 32, 32, 1)


@pytest.mark.slow
def test_readme_with_keras(demo, monkeypatch, rewritten_graphs):
    monkeypatch.chdir(demo)
    names = {}
    exec(snippets("README.md")[1], names)
    assert (demo / "gather.png").stat().st_size > 1000
    assert len(names["images"]) == 8 and np.isfinite(names["trainer"].history.history["loss"]).all()


@pytest.mark.slow
def test_a_flow_in_tensorflow_probability(demo, monkeypatch):
    pytest.importorskip("tensorflow_probability")
    monkeypatch.chdir(demo)
    names = {}
    exec(snippets("docs/ecosystem.md")[0], names)
    assert names["slope"].shape == (4, 32, 32, 1) and np.isfinite(names["slope"]).all()
    assert names["latents"].shape == (4, 32 * 32)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Even though")
def test_a_sampler_in_a_pipeline():
    pytest.importorskip("imblearn")
    import tensorflow as tf

    names = {}
    # One small step, as it stands: tracing takes seconds.
    small = snippets("docs/ecosystem.md")[1].replace("training_steps=20", "training_steps=1, levels=1, steps=1")
    tf.config.run_functions_eagerly(True)
    try:
        exec(small, names)
    finally:
        tf.config.run_functions_eagerly(False)
    assert (names["found"]["test_score"] > 0.9).all()


def test_an_array_for_ingest(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    page = (CHECKOUT / "docs/own-data.md").read_text()
    (snippet,) = snippets("docs/own-data.md")
    exec(snippet, {})
    (words,) = re.findall(r"(?:glowseis|python -m glowseis\.)\s?ingest (example\.npy .*)", page)
    done = command("ingest", *words.split())
    assert done.status == 0 and len(glowseis.open_survey("surveys/example")) == 3


@pytest.mark.slow
@pytest.mark.usefixtures("one_core")
def test_the_tutorial(tmp_path, monkeypatch, command):
    """Its commands in their order, except the page, on a line of 40 small gathers and with one epoch."""
    monkeypatch.chdir(tmp_path)
    smaller = {
        "--count 300 --size 448x320": "--count 40 --size 192x96",
        "--count 100": "--count 30",
        "--out line12.html": "--out line12.html --worst 1",
    }
    blocks = re.findall(r"^```\n(.*?)^```$", (CHECKOUT / "docs/tutorial.md").read_text(), flags=re.M | re.S)
    page, outputs = [], {}
    for block in blocks:
        if python := re.fullmatch(r"python - <<'END'\n(.*)END\n", block, flags=re.S):
            exec(python[1], {})
        for line in block.splitlines() if block.startswith("glowseis ") else ():
            small = functools.reduce(lambda text, pair: text.replace(*pair), smaller.items(), line)
            program, name, *words = shlex.split(small)
            if program == "cp":
                shutil.copy(name, words[0])
            elif name == "label":
                page.append(words)
            else:
                words += ["--set", "training.epochs=1", "--set", "training.head_epochs=0"] if name == "train" else []

                done = command(name, *words)
                assert done.status == 0, (line, done.error)
                outputs[line] = done.out
    assert page == [["surveys/line12", "--judge", "anna", "--order", "next.csv"]]
    assert len(outputs) == 8
    ready, tuned = (pd.read_csv(f"{name}13.csv") for name in ("ready", "tuned"))
    assert len(ready) == len(tuned) == 40 and not ready["probability_bad"].equals(tuned["probability_bad"])
    assert (tmp_path / "line12.html").stat().st_size > 100_000
