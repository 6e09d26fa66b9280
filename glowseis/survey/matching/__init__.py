"""What a model was trained on, and how gathers from any source are matched to it."""
