"""Tables of grades of files, as `classify` writes them, without a classifier."""

import csv
from pathlib import Path

from glowseis.delivery.record import graded_file, new_record, write_record
from glowseis.survey.cells import safe_cell
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.ingestion.ingest import recordings_of
from glowseis.survey.ingestion.request import Request

LABELS = ("good", "medium", "bad")


def grades_of(table, files, grades=("good", "bad", "medium"), *, labels=LABELS, without=(), **options):
    """Write a table of the grades of files' gathers, which repeat in this order, and its record; gives its path.

    Args:
        table: The CSV file to make.
        files: The files.
        grades: The grades.
        labels: The classes.
        without: Ids of gathers to leave out.
        options: How the files are read.
    """
    options = ReadOptions(**options)
    with Path(table).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        facts = ("gather_id", "source", "sail_line", "shot", "cable", "grade")
        writer.writerow([*facts, *(f"probability_{label}" for label in labels), "severity", "unlike"])
        for number, one in enumerate(recordings_of(Request(files, options), [])):
            if one.gather_id not in without:
                where = (one.geometry.sail_line, one.geometry.shot, one.geometry.cable)
                grade = grades[number % len(grades)]
                shares = [0.6 if label == grade else 0.2 for label in labels]
                writer.writerow([one.gather_id, safe_cell(one.source), *where, safe_cell(grade), *shares, 0.4, ""])
    found = [graded_file(Path(path)) for path in files]
    write_record(Path(table), new_record("stand-in/1", "0" * 64, labels, {}, None, options, found))
    return Path(table)
