"""A benchmark of the hour that takes seconds, and outcomes of one that was never run."""

import numpy as np

from eval.budget.outcome import Point, write_point
from eval.budget.recipe import READY, read_hour

HOUR = """
name = "small"
labels = ["good", "medium", "bad"]
model = "grader"
primary = ["chosen", "random"]
budget = 20

[targets]
count = 2
first_acquisition = 8001
first_seed = 800
size = "48x32"
pool = 60
test = 45
fractions = [50.0, 35.0, 15.0]
test_fractions = [34.0, 33.0, 33.0]
weather = 0.5
noise = [[], ["ambient=2"]]
judge_spread = 0.2

[buying]
at_once = 10
most = 20

[[arms]]
name = "random"
title = "on random labels"
labels = "random"
recipe = "own.toml"
budgets = [10, 20]

[[arms]]
name = "chosen"
title = "on chosen labels"
labels = "chosen"
recipe = "own.toml"
budgets = [10, 20]

[[arms]]
name = "scratch"
title = "from scratch"
labels = "random"
recipe = "own.toml"
changes = ["training.epochs=1"]
budgets = [20]
targets = 1

[[arms]]
name = "head"
title = "last layer alone"
labels = "chosen"
budgets = [10, 20]
"""

OWN = """
name = "own"

[data]
test = 0.0
validation = 0.0

[classifier]
alpha = 1

[training]
epochs = 2
steps_per_epoch = 2
batch = 8
"""


def small_hour(folder, *changes):
    """The recipe, read with changes."""
    (folder / "hour.toml").write_text(HOUR)
    return read_hour(folder / "hour.toml", list(changes))


def write_points(folder, recipe, f1_of, settings=None):
    """Outcomes whose F1 of bad, in per cent, a function of target, arm and number of labels gives; None for none."""
    for target, arm, bought in recipe.points:
        f1 = f1_of(target, arm, bought)
        if f1 is not None:
            figures = [[1.0, 1.0, f1 / 100]] * 4
            names = ("f1", "average_precision", "precision", "recall")
            write_point(
                folder,
                Point(
                    shared="same",
                    settings=(settings or {}).get(arm, "" if arm == READY else "own"),
                    target=target,
                    acquisition=8001 + target,
                    arm=arm,
                    bought=bought,
                    labelled={"good": bought, "medium": 0, "bad": 0},
                    **dict(zip(names, np.array(figures).tolist(), strict=True)),
                    seconds={"training": 2.0},
                    commit="abc",
                    machine="2 cores, no GPU",
                ),
            )
