"""Trained models as SavedModels that need no glowseis: written, found and loaded.

`folders` and `about` look at one without TensorFlow; `flow` and `classifier` write and load it.
"""
