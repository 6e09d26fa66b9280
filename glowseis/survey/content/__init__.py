"""What is in a survey: counts, grey levels, examples, duplicates."""
