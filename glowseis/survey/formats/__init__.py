"""Files that gathers come from and go to, one format a module."""
