"""The former location of `glowseis.open_survey`, for older scripts."""

from glowseis.survey.store.survey import open_survey

__all__ = ["open_survey"]
