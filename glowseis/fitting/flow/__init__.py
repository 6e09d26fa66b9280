"""Fitting the flow: its train step, how its steps are run, schedules, the resumable loop, its baselines."""
