"""Fitting with TensorFlow: `flow/`, `classifier/`, the devices they run on, checkpoints, logs, stopping."""
