"""Attributes of traces and gathers for quality control, from amplitudes as recorded. NumPy and SciPy measure them."""
