"""What one judge has said so far, in the order in which it was said, and how quickly."""

import math
from collections import Counter
from datetime import UTC, datetime

PAUSE_S = 120.0
"""A longer gap between two judgements is a break, and does not count towards the pace."""


class History:
    """Judgements that stand, as the rows of a file of labels add them up."""

    def __init__(self) -> None:
        self._said: dict[str, list[str]] = {}
        self._ids: list[str] = []
        self._counts: Counter[str] = Counter()
        self._times_s: dict[str, float] = {}
        self._last_s = 0.0
        self._worked_s = 0.0
        self._paced = 0

    @property
    def last(self) -> str:
        """The gather that was judged last; empty if there is none."""
        return self._ids[-1] if self._ids else ""

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
        return self._said[gather_id][-1] if gather_id in self._said else ""

    def time_s(self, gather_id: str) -> float:
        """When a gather was last judged, in seconds since 1970; minus infinity if that is unknown."""
        return self._times_s.get(gather_id, -math.inf)

    def before(self, gather_id: str) -> str:
        """The label that a gather had before its last one; empty if it had none."""
        return (["", *self._said.get(gather_id, [])])[-2]

    def take(self, gather_id: str, label: str, time: str) -> None:
        """Add a judgement.

        Args:
            gather_id: The gather.
            label: What the judge says; empty to take all back that he or she said of it.
            time: When, as ISO 8601; empty or anything else if it is unknown.
        """
        self._counts[self.label(gather_id)] -= 1
        if label:
            self._said.setdefault(gather_id, []).append(label)
            self._ids.append(gather_id)
        elif self._said.pop(gather_id, None):
            self._ids = [one for one in self._ids if one != gather_id]
        self._counts[self.label(gather_id)] += 1
        try:
            read = datetime.fromisoformat(time)
        except ValueError:
            return
        now_s = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        if label and 0 < now_s - self._last_s <= PAUSE_S:
            self._worked_s += now_s - self._last_s
            self._paced += 1
        self._last_s = self._times_s[gather_id] = now_s

    def restored(self, gather_id: str) -> None:
        """Forget a judgement and the row after it, which gave the gather its earlier label again."""
        for _ in range(2):
            self._said[gather_id].pop()
            self._ids.pop(len(self._ids) - 1 - self._ids[::-1].index(gather_id))
