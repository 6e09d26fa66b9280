"""Labels as files of their own beside a survey: read, added to, weighed against each other, laid over the records'."""
