"""From files of gathers and tables of labels to a survey."""
