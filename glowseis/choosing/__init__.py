"""Which gathers to label next, how common the classes are, which labels may be wrong; NumPy, SciPy and cleanlab."""
