"""Which recorded amplitudes are signal: zeros, fill values, wild traces, and the names of what was mended."""
