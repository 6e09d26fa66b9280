"""Grades kept while many gathers are graded, so that none is graded twice if that is stopped.

A gather is known again by what the classifier was shown of it, not by its name: if its file changed, it is graded anew.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from glowseis.export.classifier import SavedClassifier
from glowseis.export.known import known_gathers
from glowseis.run.grading import Graded, graded
from glowseis.survey.gather import Gather
from glowseis.survey.matching.bringing import Bringing

NOTHING = np.zeros(0, np.uint8)


class KeptGrades:
    """Grades by one classifier, in a file of one JSON object a line.

    Args:
        path: The file; may be left from work that was stopped, even in the middle of a line.
        keep: Called before the first grade is written.
        others: Files of other processes, which are only read.

    Attributes:
        begun: How many grades were there already.
    """

    def __init__(self, path: Path, keep: Callable[[], None] = lambda: None, others: Iterable[Path] = ()):
        self._path, self._keep = path, keep
        self._known: dict[str, Graded] = {}
        for other in others:
            self._read(other)
        if path.exists():
            whole_bytes = self._read(path)
            with path.open("r+b") as file:
                file.truncate(whole_bytes)
        self.begun = len(self._known)

    def _read(self, path: Path) -> int:
        """Read grades, and return how many bytes of the file are whole lines."""
        whole_bytes = 0
        for line in path.read_bytes().splitlines(keepends=True):
            try:
                content: dict[str, Any] = json.loads(line)
                key = content.pop("key")
                content["probabilities"] = np.array(content["probabilities"])
                content["worst"] = tuple(content["worst"])
                self._known[key] = Graded(**content | {"trained": False})
            except (ValueError, KeyError, TypeError, AttributeError):
                break
            whole_bytes += len(line)
        return whole_bytes

    def graded(
        self,
        classifier: SavedClassifier,
        gathers: Iterable[Gather],
        bringing: Bringing,
        batch: int,
        prior: np.ndarray | None = None,
    ) -> Iterator[tuple[Gather, Graded]]:
        """As `glowseis.run.grading.graded`, but only gathers without a grade are graded.

        Gathers with a grade come without image and traces' geometry. Whether they trained the classifier is looked up
        again: other processes may have given them other ids.
        """
        trained = known_gathers(classifier.about)
        waiting: deque[tuple[str, Gather, Graded | None]] = deque()

        def fresh() -> Iterator[Gather]:
            for gather in gathers:
                if not bringing.keeps(gather):
                    continue
                key = _key(gather, bringing)
                known = self._known.get(key)
                if known is None:
                    waiting.append((key, gather, None))
                    yield gather
                else:
                    if orders := bringing.orders.get((gather.source, gather.gather_id)):
                        orders.pop()
                    waiting.append((key, _bare(gather), replace(known, trained=gather in trained)))

        def known_first() -> Iterator[tuple[Gather, Graded]]:
            while waiting and (known := waiting[0][2]) is not None:
                yield waiting.popleft()[1], known

        with self._path.open("a", 1, encoding="utf-8") as file:
            for gather, one in graded(classifier, fresh(), bringing, batch, prior):
                yield from known_first()
                self._write(file, waiting.popleft()[0], one)
                yield gather, one
            yield from known_first()

    def _write(self, file: TextIO, key: str, one: Graded) -> None:
        self._keep()
        content = asdict(one) | {"probabilities": one.probabilities.tolist(), "worst": list(one.worst)}
        del content["trained"]
        file.write(json.dumps({"key": key} | content) + "\n")
        self._known[key] = one


def _key(gather: Gather, bringing: Bringing) -> str:
    """What tells apart what the classifier is shown, and what its grade says of the gather's source."""
    geometry = gather.geometry
    orders = bringing.orders.get((gather.source, gather.gather_id))
    told = (
        gather.image.shape,
        gather.valid_samples,
        gather.valid_traces,
        float(geometry.sample_interval_s),
        float(geometry.start_s),
        bringing.interval_s,
    )
    digest = hashlib.sha256(repr(told).encode())
    for array in (gather.image, geometry.offset_m, orders[-1] if orders else NOTHING):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _bare(gather: Gather) -> Gather:
    """A gather without what takes much memory."""
    geometry = replace(gather.geometry, channel=NOTHING, offset_m=NOTHING, receiver_x_m=NOTHING, receiver_y_m=NOTHING)
    return replace(gather, image=NOTHING, geometry=geometry, zero_amplitude=NOTHING)
