"""Surveys: what a gather is, where gathers come from, and how they are stored. NumPy and tf.data; no model."""
