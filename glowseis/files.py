"""The one way in which anything is put on disk: whole or not at all, by one writer at a time.

A file or folder is written beside its final name, flushed to disk, then renamed. A writer that fails removes what it
wrote, but not the folders above it that it had to make. One that was killed leaves a hidden `.NAME.writing` behind,
never anything under the final name; the next writer of the same output removes it. A lock (`locked`) tells a dead
writer from a live one.

Long work can be taken up again: `resumable_folder` keeps a `state.json` there that says whose work it is, and leaves
the folder behind when it is stopped. The next writer takes it up if its own work is the same, and otherwise refuses.

JSON is read up to a size (`read_json`), and written whole (`write_json`).
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from glowseis.errors import InputError, StoppedError

STATE = "state.json"
"""Says in a folder that is being written whose work it is, from when there is something worth keeping."""

MOST_JSON_BYTES = 1 << 26
"""The largest file of JSON that is read: ids of two million gathers. A larger one is none of ours."""

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""What the system answers on file systems that know no locks, as some of clusters do not."""


def check_output(out: Path) -> None:
    """Make sure that an output can be written before long work starts.

    Args:
        out: Folder or file to be made. An empty folder may stand there.

    Raises:
        InputError: Something else stands there already.
    """
    if out.is_dir():
        if any(out.iterdir()):
            raise InputError(f"{out}: the folder is not empty; give another --out or remove it")
    elif out.exists() or out.is_symlink():
        raise InputError(f"{out}: exists already; give another --out or remove it")


@contextlib.contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `out` when the block ends without an error.

    Args:
        out: Folder to be made; missing parents are made too.

    Yields:
        The folder to write into.

    Raises:
        InputError: Something stands at `out` already, or another process is writing it.
        OSError: The disk is full or not writable; of the output nothing is left behind.
    """
    with _staging(out) as folder:
        yield folder
        for path in sorted(folder.rglob("*")):
            _flush(path)
        _flush(folder)
        check_output(out)
        os.rename(folder, _target(out))


@contextlib.contextmanager
def resumable_folder(out: Path, work: dict[str, Any]) -> Iterator[tuple[Path, Callable[[], None]]]:
    """As `whole_folder`, but work that is stopped can be taken up again.

    Args:
        out: Folder to be made; missing parents are made too.
        work: What tells this work from any other, such as the command's arguments; JSON.

    Yields:
        The folder to write into, with whatever a stopped writer of the same work left there, and a function to call
        once something is finished: without it a writer that is stopped leaves nothing.

    Raises:
        InputError: Something stands at `out` already, another process is writing it, or other work was stopped there.
        StoppedError: The block was interrupted; what is finished is kept.
        OSError: The disk is full or not writable, and nothing was finished; nothing is left behind. Once something is,
            it is kept, and this is an InputError.
    """
    with _staging(out, work) as folder:
        state = folder / STATE

        def keep() -> None:
            if not state.exists():
                write_json(state, work, indent=None)

        try:
            yield folder, keep
            for path in sorted(folder.rglob("*")):
                _flush(path)
            check_output(out)
            # Not before all else is on the disk: that takes long, and may be stopped as well.
            state.unlink(missing_ok=True)
            _flush(folder)
            os.rename(folder, _target(out))
        except (KeyboardInterrupt, InputError, OSError) as wrong:
            if not state.exists():
                raise
            goes_on = f"the same command goes on where it was; to give up, remove {folder}"
            if isinstance(wrong, KeyboardInterrupt):
                raise StoppedError(f"{out}: stopped; {goes_on}") from None
            if isinstance(wrong, OSError):
                where, what = wrong.filename or out, wrong.strerror or wrong
                raise InputError(f"{where}: {what}; what is finished is kept: mend that, and {goes_on}") from None
            raise InputError(f"{wrong}; {goes_on}") from None


@contextlib.contextmanager
def whole_file(out: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a temporary file name whose file becomes `out` when the block ends without an error.

    Args:
        out: File to be made; missing parents are made too.
        replace: Whether it takes the place of an older one; another process that writes it is then waited for.

    Yields:
        The file to write.

    Raises:
        InputError: A folder stands at `out`; or, without `replace`, anything else, or another process is writing it.
        OSError: The disk is full or not writable; of the output nothing is left behind.
    """
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give --out the name of a file")
    with _staging(out, replace=replace) as folder:
        path = folder / out.name
        yield path
        _flush(path)
        if not replace:
            check_output(out)
        os.rename(path, _target(out))
        shutil.rmtree(folder)


@contextlib.contextmanager
def locked(path: Path, busy: str, *, wait: bool = False) -> Iterator[None]:
    """Keep other processes out while the block runs.

    The lock is the system's (`flock`): it ends with the process that holds it, however that ends. It is taken on a file
    of its own, open for writing because network file systems lock nothing else, and removed in the end.

    Where the file system knows no locks, as on some clusters, the block runs without one: it is then up to the user to
    start one writer at a time.

    Args:
        path: The lock's file; its folder is made when missing.
        busy: What to tell the user when another process is in.
        wait: Whether to wait for that process instead.

    Raises:
        InputError: Another process is in, and `wait` is off.
        OSError: The file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(path, busy, wait)
    try:
        yield
    finally:
        # Not after it is let go: the file would be the next one's.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(lock)


def is_writers(entry: Path) -> bool:
    """Whether something in a folder is a writer's own, live or killed: a lock, or what is not whole yet."""
    return entry.name.startswith(".") and entry.name.endswith((".lock", ".writing"))


def read_json(path: Path) -> Any:
    """Read a file of JSON.

    Args:
        path: The file.

    Returns:
        Whatever it holds.

    Raises:
        InputError: It is larger than `MOST_JSON_BYTES`.
        OSError: There is no such file, or it cannot be read.
        ValueError: It is no JSON.
    """
    with path.open("rb") as file:
        content = file.read(MOST_JSON_BYTES + 1)
    if len(content) > MOST_JSON_BYTES:
        most = f"{MOST_JSON_BYTES >> 20} MiB"
        raise InputError(
            f"{path}: is larger than {most}, too large for a JSON file of glowseis; give another or remove it"
        )
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_record(path: Path) -> dict[str, Any]:
    """Read a JSON object that the command which wrote it makes again when it is missing.

    Raises:
        InputError: It cannot be read.
    """
    try:
        content = read_json(path)
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")
        return content
    except (OSError, ValueError) as wrong:
        reason = wrong.strerror if isinstance(wrong, OSError) else wrong
        raise InputError(f"{path}: cannot be read ({reason}); remove it, and the same command makes it again") from None


def write_json(path: Path, content: Any, *, indent: int | None = 2) -> None:
    """Write a file of JSON, whole or not at all, in place of an older one.

    Args:
        path: The file; missing parents are made too.
        content: What to write.
        indent: Spaces a level; None for the shortest text.

    Raises:
        OSError: The disk is full or not writable; an older file stays.
    """
    text = json.dumps(content, indent=indent, separators=None if indent else (",", ":"))
    with whole_file(path, replace=True) as unfinished:
        unfinished.write_text(text + "\n", encoding="utf-8")


@contextlib.contextmanager
def _staging(out: Path, work: dict[str, Any] | None = None, *, replace: bool = False) -> Iterator[Path]:
    if not replace:
        check_output(out)
    out = _target(out)
    folder = out.parent / f".{out.name}.writing"
    busy = f"{out}: another process is writing it; wait for it or give another --out"
    with locked(out.parent / f".{out.name}.lock", busy, wait=replace):
        try:
            _take_over(folder, out, work)
            yield folder
            _flush(out.parent)
        except BaseException as wrong:
            if not (isinstance(wrong, InputError | StoppedError) and (folder / STATE).exists()):
                shutil.rmtree(folder, ignore_errors=True)
            if isinstance(wrong, OSError) and wrong.errno and wrong.filename is None:
                wrong.filename = str(out)
            raise


def _target(out: Path) -> Path:
    """Where an output goes: to what a link leads to, as a folder cannot replace a link."""
    return Path(os.path.realpath(out) if out.is_symlink() else os.path.abspath(out))


def _lock(path: Path, busy: str, wait: bool) -> int:
    """Open a lock's file and lock it."""
    while True:
        with contextlib.ExitStack() as stack:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            stack.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise InputError(busy) from None
            except OSError as wrong:
                if wrong.errno not in NO_LOCKS:
                    raise
            # Who held it may have ended between our opening and our lock, and have removed this file.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(path)):
                    stack.pop_all()
                    return lock


def _take_over(folder: Path, out: Path, work: dict[str, Any] | None) -> None:
    """Make a staging folder, or take over one that a killed writer left: empty, unless this work goes on with it."""
    folder.mkdir(exist_ok=True)
    begun = _read_state(folder)
    for left in folder.iterdir():
        if begun is None or is_writers(left):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    if begun is not None and begun != json.loads(json.dumps(work)):
        raise InputError(
            f"{out}: other work was stopped there{_difference(begun, work)}; go on with that command, write "
            f"elsewhere, or remove {folder}"
        )


def _read_state(folder: Path) -> dict[str, Any] | None:
    """Whose work was stopped in a folder; None when nothing there is worth keeping."""
    try:
        state = read_json(folder / STATE)
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def _difference(begun: Any, work: Any, name: str = "") -> str:
    """The first argument in which two works differ, in words."""
    if isinstance(begun, dict) and isinstance(work, dict) and begun.keys() == work.keys():
        return next(filter(None, (_difference(begun[key], work[key], key) for key in begun)), "")
    was, now = (json.dumps(which)[:60] for which in (begun, work))
    return f" ({name} was {was}, now {now})" if name and was != now else ""


def _flush(path: Path) -> None:
    """Have the disk hold a file's or a folder's content before its name says that it is there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
