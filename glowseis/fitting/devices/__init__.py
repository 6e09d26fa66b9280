"""One device, several, or several machines, and how their processes meet."""
