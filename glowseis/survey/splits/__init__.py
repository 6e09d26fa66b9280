"""Which gathers train and which test: parts drawn in whole sail lines, and folds stored as files."""
