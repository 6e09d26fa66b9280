"""From a classifier's probabilities for windows to the grade of their gather; NumPy and SciPy alone."""
