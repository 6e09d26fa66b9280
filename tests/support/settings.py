"""Settings found in the models of recipes."""

import typing


def default_of(kind, key):
    """Default of a setting such as `training.batch` in a recipe's model; None where it has no such setting."""
    *sections, last = key.split(".")
    fields = kind.model_fields
    for section in sections:
        # Of a section that may be missing, `Section | None`, the section.
        annotation = fields[section].annotation if section in fields else None
        fields = next(iter(typing.get_args(annotation)), annotation).model_fields if annotation else {}
    return fields[last].default if last in fields else None
