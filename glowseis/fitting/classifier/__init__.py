"""Fitting the classifier: its train step, epochs, selection of gathers, what a run logs."""
