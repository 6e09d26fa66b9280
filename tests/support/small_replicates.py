"""A study of independent surveys that takes seconds."""

from eval.study.recipe import read_study
from tests.support.small_study import RECIPE

REPLICATED = (
    RECIPE.replace('name = "small"', 'name = "replicated"')
    .replace('count = 60\nsize = "32x32"', 'count = 120\nsize = "64x48"\nfractions = [40.0, 35.0, 25.0]')
    .replace('keep = "best"', 'keep = "last"')
    .replace('arms = ["none", "flow"]', 'arms = ["oversampling", "low-band"]')
    + """
[study.replicates]
count = 3
first_seed = 40
primary = "low-band"
settings = [{ weather = 1.0, rare = 6 }, { weather = 1.0 }, { weather = 0.0 }]

[study.independent]
count = 60
size = "64x48"
fractions = [34.0, 33.0, 33.0]
seed = 30
"""
)


def replicated_recipe(folder, *changes):
    """The recipe, read with changes."""
    path = folder / "replicated.toml"
    path.write_text(REPLICATED)
    return read_study(path, list(changes), surveys=True)
