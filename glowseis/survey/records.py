"""The former address of `glowseis.open_survey`, for scripts that were written before the rooms."""

from glowseis.survey.store.survey import open_survey

__all__ = ["open_survey"]
