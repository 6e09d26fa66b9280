"""From a classifier's probabilities for windows to the grade of their gather; only NumPy and SciPy."""
