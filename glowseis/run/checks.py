"""Checks of a recipe and its survey that run before anything slow begins."""

from glowseis.errors import InputError
from glowseis.recipe import AnyRecipe, Recipe
from glowseis.survey.size import parse_size


def check_has_survey(recipe: AnyRecipe, name: object) -> None:
    """Make sure that a recipe describes the survey that it simulates.

    Args:
        recipe: The recipe.
        name: Its name, for the error.

    Raises:
        InputError: It has no section `[survey]`.
    """
    if "survey" not in recipe.model_fields_set:
        raise InputError(
            f"{name}: no section [survey] says what to simulate; pass --survey, such as one that glowseis.ingest made"
        )


def check_size(recipe: Recipe, size: tuple[int, int], where: str) -> None:
    """Make sure that the recipe's flow can halve its window, or whole gathers, as often as it has levels.

    Args:
        recipe: The recipe.
        size: Samples and traces of whole gathers.
        where: What has this size, for the error.

    Raises:
        InputError: It cannot.
    """
    window = recipe.data.window
    height, width = parse_size(window) if window else size
    unit = 2**recipe.flow.levels
    # With a condition it is each half of the height that is halved.
    upright = 2 * unit if recipe.flow.condition else unit
    if height % upright or width % unit:
        padded = f"{-(-height // upright) * upright}x{-(-width // unit) * unit}"
        if window:
            raise InputError(
                f'data.window = "{window}" cannot be halved {recipe.flow.levels} times; choose {padded}, or lower '
                "flow.levels"
            )
        raise InputError(
            f"{where}: gathers of {height}x{width} cannot be halved {recipe.flow.levels} times; make the survey with "
            f"a size of {padded}, or lower flow.levels"
        )
