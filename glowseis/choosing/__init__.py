"""Which gathers to label next, how common the classes are, and which labels may be wrong; NumPy, SciPy and its kin."""
