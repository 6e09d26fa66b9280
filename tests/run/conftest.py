import json
import shutil
from types import SimpleNamespace

import pytest

from tests.support.commands import run_here
from tests.support.graded_survey import RECIPE, graded_survey
from tests.support.shared import shared_folder

STARTED = """
name = "own"
seed = 5

[data]
test = 0.0
validation = 0.2

[classifier]

[training]
start_from = "grader"
epochs = 3
head_epochs = 2
steps_per_epoch = 2
batch = 8
learning_rate = 1e-3
class_weights = "balanced"
"""


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A small classifier that `train` has saved, its survey, and a recipe that starts from it."""

    def make(folder):
        (folder / "grader.toml").write_text(RECIPE)
        (folder / "own.toml").write_text(STARTED)
        graded_survey(folder / "survey")
        words = [word for one in ("training.epochs=3", 'data.augment=["polarity"]') for word in ("--set", one)]
        done = run_here("train", folder / "grader.toml", "--survey", folder / "survey", *words, folder=folder)
        assert done.status == 0, done.error
        about = folder / "savedmodels/grader/1/assets.extra/glowseis.json"
        record = json.loads(about.read_text())
        # So small a survey is given none.
        record["calibration"]["temperature"] = 1.25
        about.write_text(json.dumps(record))

    folder = shared_folder(tmp_path_factory, "saved", make)
    return SimpleNamespace(recipe=folder / "own.toml", survey=folder / "survey", model=folder / "savedmodels/grader/1")


@pytest.fixture
def there(saved, tmp_path, monkeypatch):
    """A folder where the saved classifier is found by its name."""
    (tmp_path / "savedmodels").mkdir()
    shutil.copytree(saved.model.parent, tmp_path / "savedmodels/grader")
    monkeypatch.chdir(tmp_path)
    return tmp_path
