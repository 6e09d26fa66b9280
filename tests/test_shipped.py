"""What comes with glowseis: models and recipes, in a checkout and in what is built of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glowseis import shipped
from glowseis.errors import InputError
from glowseis.export.about import about_lines
from glowseis.export.folders import read_about, savedmodel_sha256, version_folder
from glowseis.recipe import read_recipe
from glowseis.shipped import READY, found, ready_model
from tests.support.commands import CHECKOUT


def test_what_comes_with_it_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ready_model("classifier") == CHECKOUT / READY["classifier"]
    assert version_folder(Path("savedmodels/robust")) == ready_model("classifier")
    assert version_folder(READY["classifier"]) == ready_model("classifier")
    assert read_recipe(Path("train/demo.toml")).name == "demo"
    for other in ("savedmodels/demo", "savedmodels", "demo.toml", "train", "README.md", "train/none.toml", "/train"):
        assert found(Path(other)) == Path(other)


def test_what_the_user_has_there_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for mine in (Path("train/demo.toml"), Path("savedmodels/robust/4/saved_model.pb")):
        mine.parent.mkdir(parents=True)
        mine.write_text("nonsense")
    assert found(Path("train/demo.toml")) == Path("train/demo.toml")
    with pytest.raises(InputError, match=r"demo\.toml: not a TOML file"):
        read_recipe(Path("train/demo.toml"))
    assert version_folder(Path("savedmodels/robust")) == Path("savedmodels/robust/4")


def test_a_ready_model_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path)
    with pytest.raises(InputError, match="the classifier that comes with glowseis is missing; install glowseis again"):
        ready_model("classifier")


@pytest.mark.parametrize("kind", READY)
def test_ready_models_are_of_their_kind_and_together_small(kind):
    folder = ready_model(kind)
    assert read_about(folder, kind)["recipe"]["name"] == folder.parent.name
    card = (folder.parent / "README.md").read_text()
    about = read_about(folder)
    facts = (
        savedmodel_sha256(folder),
        f"`train/{about['recipe']['name']}.toml`",
        about["commit"][:7],
        about["trained_on"]["made_by"],
    )
    assert all(fact in card for fact in facts)
    assert f"model card: {folder.parent / 'README.md'}" in about_lines(folder)
    assert b"serving_default" in (folder / "saved_model.pb").read_bytes()
    weights = [file for one in READY for file in ready_model(one).glob("variables/*")]
    assert 0 < sum(file.stat().st_size for file in weights) < 4e6


def test_the_build_holds_models_and_recipes(built_package, tmp_path):
    """What the wheel will hold, and the source distribution before it; an editable install copies nothing."""
    built = built_package
    for file in (file for one in READY.values() for file in (CHECKOUT / one).rglob("*") if file.is_file()):
        assert (built / "glowseis/ready" / file.relative_to(CHECKOUT)).read_bytes() == file.read_bytes()
    assert (built / "glowseis/ready/savedmodels/robust/README.md").is_file()
    recipes = {one.name for one in (CHECKOUT / "train").glob("*.toml")}
    assert {one.name for one in (built / "glowseis/ready/train").iterdir()} == recipes
    assert {one.name for one in (built / "glowseis/ready/savedmodels").iterdir()} == {
        one.parts[1] for one in READY.values()
    }
    sources = (built.parent / "glowseis.egg-info/SOURCES.txt").read_text().split()
    assert {f"train/{name}" for name in recipes} | {"savedmodels/robust/README.md"} <= set(sources)
    assert all(f"{one}/saved_model.pb" in sources for one in READY.values())
    assert {one.split("/")[2] for one in sources if one.startswith("savedmodels/")} == {
        "README.md",
        *(one.name for one in READY.values()),
    }
    where = "from glowseis.shipped import ready_model as r; print(r('classifier'))"
    path = {**os.environ, "PYTHONPATH": str(built)}
    told = subprocess.check_output([sys.executable, "-c", where], cwd=tmp_path, env=path, text=True)
    assert told.strip() == str(built / "glowseis/ready" / READY["classifier"])


@pytest.mark.slow
def test_the_package_works_outside_a_checkout_with_the_lowest_versions_of_what_it_needs():
    """Only where `.ci/run` has installed what builds and installs packages: it needs the network."""
    for name in ("build", "twine", "uv"):
        pytest.importorskip(name)
    done = subprocess.run([CHECKOUT / ".ci/built"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
