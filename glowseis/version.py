"""The version, in a module of its own, so that no room has to import the face."""

__version__ = "0.1.0.dev0"
