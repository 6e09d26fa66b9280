"""What in recorded amplitudes is signal: zeros, fill values, wild traces, and the names for what was mended."""
