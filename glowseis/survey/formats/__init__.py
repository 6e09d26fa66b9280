"""Files that gathers are read from and written to, one format per module."""
