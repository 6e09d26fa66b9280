"""Grading by several processes at once: each keeps its grades in a file, and the one that asked finds them there."""

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from glowseis.errors import InputError
from glowseis.machine import cores
from glowseis.processes import as_worker, end, started
from glowseis.survey.ingestion.request import Request, readable_files
from glowseis.survey.progress import EVERY_S
from glowseis.survey.store.survey import Survey, open_survey

LOOK_S = 0.2
"""Time between two looks at the processes."""


def others_beside(own: Path) -> list[Path]:
    """The files of grades that other processes keep beside one's own."""
    return sorted(own.parent.glob(f"{own.name}.*"))


def grade_apart(
    jobs: int, own: Path, savedmodel: Path, surveys: Sequence[Survey], files: Request, batch: int, prior: str | None
) -> None:
    """Grade gathers in other processes, which share this machine's cores; what one cannot read or grade is left.

    If there are as many files as processes, each grades whole files; otherwise each takes every n-th gather.

    Args:
        jobs: Number of processes.
        own: The file of grades beside which they keep theirs (`glowseis.run.kept_grades`).
        savedmodel: The classifier's SavedModel.
        surveys: Surveys to grade.
        files: Files to grade, and how to read them.
        batch: Windows at a time.
        prior: As for `glowseis.run.graded_lines.grade_sources`.
    """
    given = [survey.path for survey in surveys]
    threads = max(1, cores() // jobs)
    workers = []
    try:
        for number in range(jobs):
            kept = own.with_name(f"{own.name}.{number}")
            workers.append(started(_work, (number, jobs, threads), kept, savedmodel, given, files, batch, prior))
        begun = told = time.monotonic()
        while any(worker.is_alive() for worker in workers):
            time.sleep(LOOK_S)
            if time.monotonic() - told > EVERY_S:
                told = time.monotonic()
                print(f"grading in {jobs} processes for {told - begun:.0f} s", flush=True)
    finally:
        end(workers)


def _work(share: tuple[int, int, int], *given: Any) -> None:
    """In a process: grade a share, given its number, how many there are, and how many threads it may use."""
    as_worker()
    number, of, threads = share
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    grade_share(number, of, *given)


def grade_share(
    number: int,
    of: int,
    kept: Path,
    savedmodel: Path,
    surveys: Sequence[Path],
    files: Request,
    batch: int,
    prior: str | None,
) -> None:
    """Grade one of several equal shares of some gathers, and keep the grades.

    Args:
        number: Which share, from 0.
        of: How many shares there are.
        kept: The file that keeps the grades; grades that are there already are not made again.
        savedmodel: The classifier's SavedModel.
        surveys: Folders of surveys.
        files: Files, and how to read them.
        batch: Windows at a time.
        prior: As for `glowseis.run.graded_lines.grade_sources`.
    """
    from glowseis.export.classifier import load_classifier
    from glowseis.judging.prior import parse_prior
    from glowseis.run.gathers_to_grade import gathers_to_grade
    from glowseis.run.grading import bringing_for
    from glowseis.run.kept_grades import KeptGrades
    from glowseis.survey.size import parse_size

    classifier = load_classifier(savedmodel)
    expected = None if prior is None else parse_prior(prior, classifier.labels)
    size = parse_size(files.size) if files.size else None
    keeper = KeptGrades(kept)
    paths = readable_files(files, {}) if files.sources else []
    whole = len(paths) >= of
    mine = paths[number::of] if whole else paths
    alone = replace(files, labels=None, strict=False, keep_going=False)
    parts = [([open_survey(path)], replace(alone, sources=()), False) for path in surveys]
    parts += [([], replace(alone, sources=[path]), whole) for path in mine]
    for some, asked, is_mine in parts:
        bringing = bringing_for(classifier, files.fit, size, files.options.zero_level)
        every = gathers_to_grade(some, asked, {}, bringing, [])
        gathers = every if is_mine else islice(every, number, None, of)
        # The process that asked reads everything again, and tells what is wrong.
        with contextlib.suppress(InputError):
            for _ in keeper.graded(classifier, gathers, bringing, batch, expected):
                pass
