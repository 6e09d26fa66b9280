"""Trained models as SavedModels that need no glowseis: written, found and loaded."""

from glowseis.export.classifier import SavedClassifier, export_classifier, load_classifier
from glowseis.export.flow import SavedFlow, export_flow, load_flow
from glowseis.model_folder import ABOUT, newest_version

__all__ = [
    "ABOUT",
    "SavedClassifier",
    "SavedFlow",
    "export_classifier",
    "export_flow",
    "load_classifier",
    "load_flow",
    "newest_version",
]
