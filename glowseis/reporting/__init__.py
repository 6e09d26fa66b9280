"""A report on a line or a survey, as one page: grades, attributes, acceptance rules, why the worst gathers are bad."""
