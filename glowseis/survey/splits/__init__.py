"""Who trains and who tests: parts drawn in whole sail lines, and folds kept as files."""
