"""What a run is: settings read strictly from a TOML recipe.

A recipe with a section `[classifier]` trains a classifier, any other a flow.
"""

from glowseis.recipe.later import LATER, LATER_OF_CLASSIFIERS, identifying
from glowseis.recipe.reading import Wording, read_recipe, read_toml
from glowseis.recipe.sections import (
    AnyRecipe,
    ClassifierData,
    ClassifierRecipe,
    ClassifierSection,
    ClassifierTraining,
    DataSection,
    FlowSection,
    GradedAugmentation,
    GradingSection,
    Phase,
    RareSection,
    Recipe,
    Section,
    StartedTraining,
    SurveySection,
    TrainingSection,
    Windowed,
    refusing,
)

__all__ = [
    "LATER",
    "LATER_OF_CLASSIFIERS",
    "AnyRecipe",
    "ClassifierData",
    "ClassifierRecipe",
    "ClassifierSection",
    "ClassifierTraining",
    "DataSection",
    "FlowSection",
    "GradedAugmentation",
    "GradingSection",
    "Phase",
    "RareSection",
    "Recipe",
    "Section",
    "StartedTraining",
    "SurveySection",
    "TrainingSection",
    "Windowed",
    "Wording",
    "identifying",
    "read_recipe",
    "read_toml",
    "refusing",
]
