"""Parts of a survey made by others while the ingest that asked goes through all files in order."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from glowseis.cluster import submitted
from glowseis.files import remove_folder
from glowseis.processes import as_worker, end, started
from glowseis.survey.ingestion.parts import Task, is_part, make_part

FOLDER = "parts"
"""Where parts are, in the folder that becomes the survey."""

LOOK_S = 0.02
"""Time between two looks for a part."""


AHEAD = 2
"""Parts that each process may have made that are not used yet, so that they take little space."""


class Parts:
    """Parts of files that others make, or made.

    Args:
        folder: Where they are.
        tasks: The files.
        keys: Their keys when the others began.
        is_awaited: Returns of a part by its key whether it may still be made.
    """

    def __init__(
        self,
        folder: Path,
        tasks: Mapping[Path, Task],
        keys: Mapping[Path, str],
        is_awaited: Callable[[str], bool] = lambda key: False,
    ):
        self._folder, self._tasks, self._keys, self._is_awaited = folder, tasks, keys, is_awaited

    def wait_for(self, path: Path) -> Path | None:
        """The part of a file, when it is made; None if there will be none.

        Args:
            path: The file.
        """
        if path not in self._keys:
            return None
        key = self._keys[path]
        while self._is_awaited(key):
            time.sleep(LOOK_S)
        part = self._folder / key
        return part if is_part(part) and self._tasks[path].key() == key else None

    def discard(self, path: Path) -> None:
        """Remove the part of a file, if there is one, so that another may be made.

        Args:
            path: The file.
        """
        if path in self._keys:
            (self._folder / self._keys[path]).unlink(missing_ok=True)


@contextlib.contextmanager
def made_apart(
    folder: Path, tasks: Mapping[Path, Task], jobs: int = 1, client: Any = None, keep: Callable[[], None] = lambda: None
) -> Iterator[Parts]:
    """While the block runs, have parts made by other processes, each of which takes whole files.

    Args:
        folder: The folder that becomes the survey; parts that are there already are used.
        tasks: The files.
        jobs: Processes of this machine; one, or one file, starts none.
        client: The client of a Dask scheduler (`glowseis.cluster.ready`) whose workers make them instead.
        keep: Called before a part is made.
    """
    parts = folder.absolute() / FOLDER
    if jobs < 2 and client is None and not parts.is_dir():
        yield Parts(parts, {}, {})
        return
    keys = {path: task.key() for path, task in tasks.items()}
    wanted = set(keys.values())
    for left in parts.iterdir() if parts.is_dir() else ():
        # Hidden ones may be at work.
        if not left.name.startswith(".") and not (left.name in wanted and is_part(left)):
            left.unlink()
    # A part that is there may be used, and removed, before a worker would look for it.
    missing = [(key, tasks[path]) for path, key in keys.items() if not is_part(parts / key)]
    if not missing or len(keys) < 2 or (jobs < 2 and client is None):
        yield Parts(parts, tasks, keys)
        return
    keep()
    parts.mkdir(exist_ok=True)
    if client is not None:
        with submitted(client, make_part, {key: (task, parts, key) for key, task in missing}) as is_awaited:
            yield Parts(parts, tasks, keys, is_awaited)
        return
    shares = [missing[number::jobs] for number in range(min(jobs, len(missing)))]
    workers: list[Any] = []
    try:
        workers.extend(started(_work, parts, share) for share in shares)
        by_key = {key: worker for worker, share in zip(workers, shares, strict=True) for key, _ in share}
        yield Parts(
            parts, tasks, keys, lambda key: key in by_key and by_key[key].is_alive() and not (parts / key).exists()
        )
    finally:
        end(workers)


def _work(folder: Path, share: Sequence[tuple[str, Task]]) -> None:
    """In a process: make parts, and an empty file in place of one that cannot be made."""
    as_worker(silent=True)
    for number, (key, task) in enumerate(share):
        while number >= AHEAD and (folder / share[number - AHEAD][0]).exists():
            time.sleep(LOOK_S)
        made = False
        # The process that asked reads the file again, and tells what is wrong.
        with contextlib.suppress(Exception):
            made = make_part(task, folder, key)
        if not made:
            (folder / key).touch()


def remove_parts(folder: Path) -> None:
    """Remove what is left of parts in the folder that becomes the survey."""
    remove_folder(folder / FOLDER, beside=folder)
