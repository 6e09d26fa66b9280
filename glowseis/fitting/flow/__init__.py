"""Fitting the flow: its train step, how its steps run, schedules, the resumable loop, its baselines."""
