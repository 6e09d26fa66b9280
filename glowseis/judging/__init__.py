"""From what a classifier says of a gather's windows to what is said of the gather; NumPy and SciPy alone."""
