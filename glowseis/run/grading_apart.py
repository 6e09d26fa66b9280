"""Grading by several processes at once: each keeps its grades in a file, and the one that asked finds them there."""

import contextlib
import functools
import glob
import hashlib
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from glowseis.cluster import submitted
from glowseis.errors import InputError
from glowseis.files import private_file
from glowseis.machine import cores
from glowseis.processes import as_worker, end, started
from glowseis.survey.formats.sources import own_options
from glowseis.survey.ingestion.request import Request, readable_files
from glowseis.survey.progress import EVERY_S
from glowseis.survey.store.survey import Survey, open_survey
from glowseis.survey.wording import number_of
from glowseis.version import code_digest

Thing = TypeVar("Thing")

LOOK_S = 0.2
"""Time between two looks at the processes."""


def others_beside(own: Path) -> list[Path]:
    """The files of grades that other processes keep beside one's own."""
    return sorted(own.parent.glob(f"{glob.escape(own.name)}.*"))


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
    given = (savedmodel, [survey.path for survey in surveys], files, batch, prior, [own, *others_beside(own)])
    threads = max(1, cores() // jobs)
    workers: list[Any] = []
    try:
        for number in range(jobs):
            kept = own.with_name(f"{own.name}.{number}")
            workers.append(started(_work, (number, jobs, threads), kept, *given))
        _wait(workers, lambda worker: worker.is_alive(), f"grading in {jobs} processes")
    finally:
        end(workers)


def grade_on_cluster(
    client: Any,
    own: Path,
    model: tuple[Path, str],
    surveys: Sequence[Survey],
    files: Request,
    batch: int,
    prior: str | None,
) -> None:
    """Grade gathers on the workers of a Dask scheduler, a file or a share of a survey at a time; like `grade_apart`.

    Args:
        client: The client of the scheduler (`glowseis.cluster.ready`).
        own: As for `grade_apart`.
        model: Path of the classifier's SavedModel, and `savedmodel_sha256` of its version.
        surveys: Surveys to grade.
        files: Files to grade, and how to read them.
        batch: Windows at a time.
        prior: As for `glowseis.run.graded_lines.grade_sources`.
    """
    # Those that were there may be gone by now.
    workers = max(1, len(client.nthreads()))
    # Thousands of tasks would each carry the paths of thousands of files.
    how = replace(files, sources=())
    whole = Share(own.absolute(), model[0].absolute(), model[1], how, batch, prior)
    shares = [
        replace(whole, survey=survey.path.absolute(), number=number, of=workers)
        for survey in surveys
        for number in range(workers)
    ]
    paths = readable_files(files, {}) if files.sources else []
    shares += [replace(whole, file=path.absolute()) for path in paths]
    tasks = {f"{number}-{share.name}": (share,) for number, share in enumerate(shares)}
    with submitted(client, grade_elsewhere, tasks) as is_awaited:
        _wait(list(tasks), is_awaited, f"grading in {number_of(len(tasks), 'task')} by {number_of(workers, 'worker')}")
    # Network file systems list files of others late, unless this process has changed the folder too.
    with private_file(own.with_name(f".{own.name}"), ""):
        pass


def _wait(things: Sequence[Thing], is_awaited: Callable[[Thing], bool], doing: str) -> None:
    """Wait until nothing is awaited, and say now and then what is done."""
    begun = told = time.monotonic()
    while things := [thing for thing in things if is_awaited(thing)]:
        time.sleep(LOOK_S)
        if time.monotonic() - told > EVERY_S:
            told = time.monotonic()
            print(f"{doing} for {told - begun:.0f} s, {len(things)} at work or waiting", flush=True)


def _work(share: tuple[int, int, int], *given: Any) -> None:
    """In a process: grade a share, given its number, how many there are, and how many threads it may use."""
    as_worker(silent=True)
    number, of, threads = share
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.experimental.enable_tensor_float_32_execution(False)
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
    others: Sequence[Path] = (),
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
        others: Files of grades that other processes kept, perhaps with other shares.
    """
    from glowseis.export.classifier import load_classifier
    from glowseis.run.kept_grades import KeptGrades

    classifier = load_classifier(savedmodel)
    keeper = KeptGrades(kept, others=[path for path in others if path != kept and path.exists()])
    paths = readable_files(files, {}) if files.sources else []
    whole = len(paths) >= of
    for path in surveys:
        _grade(classifier, keeper, [open_survey(path)], replace(files, sources=()), (number, of), batch, prior)
    for path in paths[number::of] if whole else paths:
        _grade(classifier, keeper, [], replace(files, sources=[path]), (0, 1) if whole else (number, of), batch, prior)


def _grade(
    classifier: Any,
    keeper: Any,
    surveys: Sequence[Survey],
    files: Request,
    share: tuple[int, int],
    batch: int,
    prior: str | None,
) -> None:
    """Grade every n-th gather of surveys, or of one file, from a given one on, as far as they can be read."""
    from glowseis.judging.prior import parse_prior
    from glowseis.run.gathers_to_grade import gathers_to_grade
    from glowseis.run.grading import bringing_for
    from glowseis.survey.size import parse_size

    expected = None if prior is None else parse_prior(prior, classifier.labels)
    size = parse_size(files.size) if files.size else None
    bringing = bringing_for(classifier, files.fit, size, files.options.zero_level)
    # Of several files, some may be of a format that an option does not apply to.
    options = own_options(files.options, files.sources[0], files.kind) if files.sources else files.options
    alone = replace(files, labels=None, strict=False, keep_going=False, options=options)
    gathers = islice(gathers_to_grade(surveys, alone, {}, bringing, []), share[0], None, share[1])
    # The process that asked reads everything again, and tells what is wrong.
    with contextlib.suppress(InputError):
        for _ in keeper.graded(classifier, gathers, bringing, batch, expected):
            pass


@dataclass(frozen=True)
class Share:
    """What a task grades: a file, or every so many gathers of a survey.

    Attributes:
        own: The file of grades of the process that asked.
        savedmodel: The classifier's SavedModel.
        model_sha256: `savedmodel_sha256` of its version.
        files: How files are read; it names none.
        batch: Windows at a time.
        prior: As for `glowseis.run.graded_lines.grade_sources`.
        file: The file.
        survey: Folder of the survey.
        number: The survey's first gather.
        of: And every how many follow.
        code: `code_digest` of the process that asked.
    """

    own: Path
    savedmodel: Path
    model_sha256: str
    files: Request
    batch: int
    prior: str | None
    file: Path | None = None
    survey: Path | None = None
    number: int = 0
    of: int = 1
    code: str = field(default_factory=code_digest)

    @property
    def name(self) -> str:
        """What all files of grades for its file or survey have in their names."""
        return hashlib.sha256(repr((self.file, self.survey)).encode()).hexdigest()[:16]


def grade_elsewhere(share: Share) -> None:
    """As a task: grade a share into a file of its own, as another that was thought dead may write still.

    Args:
        share: What to grade.

    Raises:
        ValueError: This is another glowseis, or the classifier is another one here.
    """
    from glowseis.run.kept_grades import KeptGrades

    if share.code != code_digest():
        raise ValueError("the code of glowseis here differs from that of the command that asked for the grades")
    # Whoever asked may be done, or have given up.
    if not share.own.parent.is_dir():
        return
    classifier = _loaded(share.savedmodel, share.model_sha256)
    beginning = f"{share.own.name}.{share.name}"
    others = [path for path in (share.own, *share.own.parent.glob(f"{glob.escape(beginning)}.*")) if path.exists()]
    keeper = KeptGrades(share.own.with_name(f"{beginning}.{uuid.uuid4().hex}"), others=others)
    surveys = [open_survey(share.survey)] if share.survey else []
    files = replace(share.files, sources=[share.file] if share.file else [])
    _grade(classifier, keeper, surveys, files, (share.number, share.of), share.batch, share.prior)


@functools.lru_cache(maxsize=1)
def _loaded(savedmodel: Path, model_sha256: str) -> Any:
    """A classifier, loaded once by each process."""
    import tensorflow as tf

    from glowseis.export.classifier import load_classifier
    from glowseis.export.folders import savedmodel_sha256, version_folder

    tf.config.experimental.enable_tensor_float_32_execution(False)
    if savedmodel_sha256(version_folder(savedmodel)) != model_sha256:
        raise ValueError(f"{savedmodel} is another model here")
    return load_classifier(savedmodel)
