"""What one judge has said so far, in the order in which it was said, and how quickly."""

import math
from collections import Counter

from glowseis.survey.labels.adding import seconds

PAUSE_S = 120.0
"""A longer gap between two judgements is a break, and does not count towards the pace."""


class History:
    """Judgements that stand, as the rows of a file of labels add them up."""

    def __init__(self) -> None:
        self._said: dict[str, list[tuple[str, str, str]]] = {}
        self._ids: list[str] = []
        self._counts: Counter[str] = Counter()
        self._last_s = 0.0
        self._worked_s = 0.0
        self._paced = 0

    @property
    def last(self) -> str:
        """The gather that was judged last; empty if there is none."""
        return self._ids[-1] if self._ids else ""

    def named(self, gather_id: str) -> str:
        """What names the judgement that a gather has now: no other judgement has it; empty if there is none."""
        said = self._said.get(gather_id)
        return f"{gather_id} {len(said)} {said[-1][0]} {said[-1][1]}" if said else ""

    @property
    def counts(self) -> dict[str, int]:
        """Gathers by the label that they have now."""
        return dict(self._counts)

    @property
    def minutes_per_hundred(self) -> float | None:
        """Time for a hundred judgements, without breaks; None before the second."""
        return self._worked_s / self._paced * 100 / 60 if self._paced else None

    def label(self, gather_id: str) -> str:
        """The judge's label of a gather; empty if there is none."""
        return self._of(gather_id)[-1][0]

    def note(self, gather_id: str) -> str:
        """The note with that label."""
        return self._of(gather_id)[-1][2]

    def time_s(self, gather_id: str) -> float:
        """When a gather got the label that it has, in seconds since 1970; minus infinity if that is unknown."""
        return _seconds(self._of(gather_id)[-1][1])

    def before(self, gather_id: str) -> tuple[str, str]:
        """The label that a gather had before its last one, and when that was given; empty if it had none."""
        label, time, _ = [("", "", ""), *self._of(gather_id)][-2]
        return label, time

    def take(self, gather_id: str, label: str, time: str, note: str = "") -> None:
        """Add a judgement.

        Args:
            gather_id: The gather.
            label: What the judge says; empty to take back all that the judge said of it. An earlier label with its time
                means that those after it are taken back.
            time: When, as ISO 8601; empty or anything else if it is unknown.
            note: Anything else that the judge says.
        """
        self._counts[self.label(gather_id)] -= 1
        said = self._said.setdefault(gather_id, [])
        if not label:
            del self._said[gather_id]
            self._ids = [one for one in self._ids if one != gather_id]
        elif (label, time) in [(earlier, when) for earlier, when, _ in said]:
            while said[-1][:2] != (label, time):
                said.pop()
                self._ids.pop(len(self._ids) - 1 - self._ids[::-1].index(gather_id))
        else:
            said.append((label, time, note))
            self._ids.append(gather_id)
        self._counts[self.label(gather_id)] += 1
        now_s = _seconds(time)
        if label and 0 < now_s - self._last_s <= PAUSE_S:
            self._worked_s += now_s - self._last_s
            self._paced += 1
        self._last_s = max(self._last_s, now_s)

    def _of(self, gather_id: str) -> list[tuple[str, str, str]]:
        """Labels of a gather, each with its time and note; one of empty texts if there are none."""
        return self._said.get(gather_id, [("", "", "")])


def _seconds(time: str) -> float:
    try:
        return seconds(time)
    except ValueError:
        return -math.inf
