"""Which files of a folder are complete: those that have not changed for a while."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import watchfiles

from glowseis.survey.formats.source import State, file_state
from glowseis.survey.formats.sources import files_in

LONGEST_S = 5.0
"""Longest time between two looks at the folder: not every file system tells of changes, network ones above all."""


class Settling:
    """Looks at a folder again and again for files that have settled.

    Args:
        folder: The folder; folders inside it are not searched.
        kind: Format of the files that count; those with an extension of any format when None.
        settle_s: How long a file must be seen unchanged, in seconds.
        done: States in which files need no more work, by file.
    """

    def __init__(self, folder: Path, kind: str | None, settle_s: float, done: Mapping[Path, State] | None = None):
        self._folder, self._kind, self._settle_s = folder, kind, settle_s
        self._done = dict(done or {})
        self._seen: dict[Path, tuple[State, float]] = {}

    def settled(self, now_s: float) -> list[tuple[Path, State]]:
        """Look at the folder.

        Args:
            now_s: The time, by a clock that never goes back.

        Returns:
            Files that have been in one state since a look `settle_s` ago, and are not done in it, with that state;
            those that were changed first come first.
        """
        seen = {}
        for path in files_in(self._folder, self._kind):
            state = file_state(path)
            if state is None:
                # It is gone, or not there yet for this machine.
                continue
            former = self._seen.get(path)
            seen[path] = former if former and former[0] == state else (state, now_s)
        self._seen = seen
        ready = [
            (path, state)
            for path, (state, since_s) in seen.items()
            if now_s - since_s >= self._settle_s and self._done.get(path) != state
        ]
        return sorted(ready, key=lambda one: (one[1][1], one[0]))

    def done(self, path: Path, state: State) -> None:
        """A file needs no more work in this state.

        Args:
            path: The file.
            state: Its state.
        """
        self._done[path] = state


def looks(folder: Path, settle_s: float) -> Iterator[object]:
    """Yield at once, when something changes in a folder, and from time to time.

    Args:
        folder: The folder.
        settle_s: How long a file must be unchanged, in seconds; it is looked at at least twice in that time.
    """
    yield None
    pause_ms = max(1, int(1000 * min(settle_s / 2, LONGEST_S)))
    yield from watchfiles.watch(
        folder, watch_filter=None, recursive=False, rust_timeout=pause_ms, yield_on_timeout=True, debounce=pause_ms
    )
