"""A classifier's opinion of gathers, from a process of its own, so that the page never waits for TensorFlow."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from glowseis.errors import InputError, reason_of
from glowseis.export.folders import model_name, read_about, version_folder

NICE = 10
"""Niceness that is added, so that other processes go first."""


class Opinions:
    """Opinions of a classifier, graded when they are asked for.

    Attributes:
        name: The classifier's name.
        loading: Whether the classifier has still to be loaded.

    Args:
        survey: The survey's folder.
        model: The classifier's SavedModel. Its code is run when it is first asked.
        classes: The labels that judges give.
        prepare: What the process calls before all else, to import TensorFlow; a module's function.

    Raises:
        InputError: There is no such classifier, or it knows other classes.
    """

    def __init__(self, survey: Path, model: Path, classes: tuple[str, ...], prepare: Callable[[], None]):
        self._folder = version_folder(model)
        about = read_about(self._folder, "classifier")
        self.name = model_name(self._folder)
        known = [str(label) for label in about.get("labels", ())]
        if {label.casefold() for label in known} != {label.casefold() for label in classes}:
            raise InputError(
                f"{model}: knows the classes {', '.join(known)}, but this survey's are {', '.join(classes)}; name "
                "another --model"
            )
        self.loading = True
        self._survey, self._prepare = survey, prepare
        self._lock = threading.Lock()
        self._asked: set[str] = set()
        self._found: dict[str, dict[str, Any]] = {}
        self._wrong = ""
        self._pipe: Connection | None = None

    def of(self, gather_id: str) -> dict[str, Any] | None:
        """The opinion of a gather; None if it is not ready yet: ask again later.

        Args:
            gather_id: The gather.

        Returns:
            `model`, its `grade`, the `probabilities` by label, and `unlike`, None if it cannot be measured.

        Raises:
            InputError: The gather cannot be graded.
        """
        with self._lock:
            if gather_id in self._found:
                found = self._found[gather_id]
                if "wrong" in found:
                    raise InputError(found["wrong"])
                return found
            if self._wrong:
                raise InputError(self._wrong)
            pipe = self._pipe or self._start()
            if gather_id not in self._asked:
                self._asked.add(gather_id)
                try:
                    pipe.send(gather_id)
                except OSError:
                    self._wrong = f"{self.name}: its process has ended; start glowseis label again"
            return None

    def _start(self) -> Connection:
        """Start the process, which ends with this one however that ends, as its pipe does."""
        ours, theirs = multiprocessing.Pipe()
        # Not forked: a copy of a process with threads may hang.
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_answer, args=(theirs, self._survey, self._folder, self._prepare), daemon=True)
        process.start()
        theirs.close()
        self._pipe = ours
        threading.Thread(target=self._listen, args=(ours,), daemon=True).start()
        return ours

    def _listen(self, pipe: Connection) -> None:
        while True:
            try:
                gather_id, found = pipe.recv()
            except (EOFError, OSError):
                with self._lock:
                    self._wrong = self._wrong or f"{self.name}: its process has ended; start glowseis label again"
                return
            with self._lock:
                if gather_id:
                    self._found[gather_id] = {"model": self.name, **found}
                else:
                    self.loading, self._wrong = False, found["wrong"]


def _answer(pipe: Connection, survey: Path, model: Path, prepare: Callable[[], None]) -> None:
    """Grade the gathers whose ids come through a pipe, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    try:
        prepare()
        from glowseis.export.classifier import load_classifier
        from glowseis.run.grading import grade_recordings
        from glowseis.survey.store.survey import open_survey

        classifier, opened = load_classifier(model), open_survey(survey)
    except Exception as wrong:
        pipe.send(("", {"wrong": str(wrong) if isinstance(wrong, InputError) else f"{model}: {reason_of(wrong)}"}))
        return
    pipe.send(("", {"wrong": ""}))
    while True:
        try:
            gather_id = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            [graded] = grade_recordings(classifier, [opened.read(gather_id)])
            names = [*classifier.labels]
            found: dict[str, Any] = {
                "grade": "unsure" if graded.unsure else names[graded.number],
                "probabilities": dict(zip(names, map(float, graded.probabilities), strict=True)),
                "unlike": graded.unlike,
            }
        except Exception as wrong:
            found = {"wrong": str(wrong) if isinstance(wrong, InputError) else f"{gather_id}: {reason_of(wrong)}"}
        pipe.send((gather_id, found))
