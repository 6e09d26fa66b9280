"""Fitting the flow with TensorFlow: the train step, schedules, the resumable loop, and what it logs."""
