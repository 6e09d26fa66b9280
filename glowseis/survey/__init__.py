"""Surveys: what a gather is, where gathers come from, and how they lie on disk. NumPy and tf.data; no model."""
