"""The former location of `glowseis.open_survey`, for older scripts."""

from glowseis.survey.labels.overlay import open_survey

__all__ = ["open_survey"]
