"""What a model was trained on, and how gathers of any source are brought to it."""
