"""Output that appears whole or not at all: written beside its final name, flushed to disk, then renamed.

A writer that fails removes what it wrote, but not the folders above it that it had to make. One that was killed leaves
a hidden `.NAME.writing` behind, never anything under the final name; the next writer of the same output removes it. A
lock on it tells a dead writer from a live one.

Long work can be taken up again: `resumable_folder` keeps a `state.json` there that says whose work it is, and leaves
the folder behind when it is stopped. The next writer takes it up if its own work is the same, and otherwise refuses.
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
        OSError: The disk is full or not writable; of the output nothing is left behind.
    """
    with _staging(out, work) as folder:
        state = folder / STATE

        def keep() -> None:
            if state.exists():
                return
            unfinished = folder / f"{STATE}.writing"
            unfinished.write_text(json.dumps(work), encoding="utf-8")
            os.replace(unfinished, state)

        try:
            yield folder, keep
            for path in sorted(folder.rglob("*")):
                _flush(path)
            check_output(out)
            # Not before all else is on the disk: that takes long, and may be stopped as well.
            state.unlink(missing_ok=True)
            _flush(folder)
            os.rename(folder, _target(out))
        except KeyboardInterrupt:
            if not state.exists():
                raise
            raise StoppedError(
                f"{out}: stopped; the same command goes on where it was; to give up, remove {folder}"
            ) from None
        except InputError as wrong:
            if not state.exists():
                raise
            raise InputError(f"{wrong}; the same command goes on where it was; to give up, remove {folder}") from None


@contextlib.contextmanager
def whole_file(out: Path) -> Iterator[Path]:
    """Give a temporary file name whose file becomes `out` when the block ends without an error.

    Args:
        out: File to be made; missing parents are made too.

    Yields:
        The file to write.

    Raises:
        InputError: Something stands at `out` already, or another process is writing it.
        OSError: The disk is full or not writable; of the output nothing is left behind.
    """
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give --out the name of a file")
    with _staging(out) as folder:
        path = folder / out.name
        yield path
        _flush(path)
        check_output(out)
        os.rename(path, out)
        shutil.rmtree(folder)


@contextlib.contextmanager
def _staging(out: Path, work: dict[str, Any] | None = None) -> Iterator[Path]:
    check_output(out)
    out = _target(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.parent / f".{out.name}.writing"
    lock = _claim(folder, out, work)
    try:
        yield folder
        _flush(out.parent)
    except BaseException as wrong:
        if not (isinstance(wrong, InputError | StoppedError) and (folder / STATE).exists()):
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(wrong, OSError) and wrong.errno and wrong.filename is None:
            wrong.filename = str(out)
        raise
    finally:
        os.close(lock)


def _target(out: Path) -> Path:
    """Where an output goes: into the empty folder that a link leads to, as a folder cannot replace a link."""
    return Path(os.path.realpath(out) if out.is_symlink() else os.path.abspath(out))


def _claim(folder: Path, out: Path, work: dict[str, Any] | None) -> int:
    """Make or take over a staging folder; what a killed one left is removed, unless this work goes on with it."""
    while True:
        folder.mkdir(exist_ok=True)
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise InputError(f"{out}: another process is writing it; wait for it or give another --out") from None
        except OSError as wrong:
            # Some cluster file systems know no locks; one writer at a time is then up to the user.
            if wrong.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF):
                os.close(lock)
                raise
        # Another writer may have ended between our opening and our lock, and have renamed or removed this folder.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(folder)):
                break
        os.close(lock)
    begun = _read_state(folder)
    if begun is not None:
        if begun != json.loads(json.dumps(work)):
            os.close(lock)
            raise InputError(
                f"{out}: other work was stopped there{_difference(begun, work)}; go on with that command, write "
                f"elsewhere, or remove {folder}"
            )
        return lock
    for left in folder.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    return lock


def _read_state(folder: Path) -> dict[str, Any] | None:
    """Whose work was stopped in a folder; None when nothing there is worth keeping."""
    try:
        state = json.loads((folder / STATE).read_bytes())
    except (OSError, ValueError, RecursionError):
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
