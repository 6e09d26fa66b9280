"""What tests of the labelling page ask it."""

import csv

COUNT = 6

SHOWN = "return document.getElementById('gather').dataset.shown === arguments[0]"

LATER = "const before = performance.now.bind(performance); performance.now = () => before() + 500"
"""On the page half a second passes at once."""


def shot(number):
    return f"line3-shot{number}"


def labels_of(session):
    if not session.labels.exists():
        return []
    with session.labels.open(encoding="utf-8", newline="") as file:
        return [(row["gather_id"], row["label"], row["note"]) for row in csv.DictReader(file)]
