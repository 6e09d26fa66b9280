"""How everything is written to disk: whole or not at all, by one writer at a time.

A file or folder is written beside its final name, flushed to disk, then renamed. A writer that fails removes what it
wrote, but not the parent folders that it had to make. One that was killed leaves a hidden `.NAME.writing` behind,
never anything under the final name; the next writer of the same output removes it. A lock (`glowseis.locks`) tells a
dead writer from a live one.

Long work can be resumed: `resumable_folder` keeps a `state.json` there that says what the work is, and leaves the
folder behind when it is stopped. The next writer continues if its own work is the same, and otherwise refuses.

JSON is read up to a maximum size (`read_json`), and written whole (`write_json`).
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from glowseis.errors import InputError, StoppedError
from glowseis.locks import locked

STATE = "state.json"
"""The file in an unfinished folder that says what work it holds, written once there is something worth keeping."""

MOST_JSON_BYTES = 1 << 30
"""The largest JSON file that is read: enough for ids and image digests of about fourteen million gathers."""


def refuse_address(path: Path) -> None:
    """Make sure that a path is not an address, such as `s3://bucket/labels.csv`.

    Args:
        path: The path.

    Raises:
        InputError: It is one.
    """
    first = path.parts[0] if path.parts else ""
    if re.fullmatch(r"[a-z][a-z0-9+.-]+:", first, re.IGNORECASE) and not Path(first).exists():
        # Only these have no host.
        slashes = "///" if first.lower() in ("file:", "local:") else "//"
        address = f"{first}{slashes}{'/'.join(path.parts[1:])}"
        raise InputError(
            f"{address}: is an address; only sources, surveys and labels may be elsewhere, so give a path here"
        )


def check_output(out: Path) -> None:
    """Make sure that an output can be written before long work starts.

    Args:
        out: Folder or file to be made. An empty folder may exist there.

    Raises:
        InputError: Something else exists there, or it is an address.
    """
    refuse_address(out)
    if out.is_dir():
        if any(out.iterdir()):
            raise InputError(f"{out}: the folder is not empty; give another --out or remove it")
        if os.path.ismount(out):
            raise InputError(f"{out}: is a mount point, which cannot be replaced; give a folder inside it")
    elif out.exists() or out.is_symlink():
        raise InputError(f"{out}: exists already; give another --out or remove it")


@contextlib.contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Provide a temporary folder that becomes `out` when the block ends without an error.

    Args:
        out: Folder to be made; missing parents are made too.

    Yields:
        The folder to write into.

    Raises:
        InputError: Something exists at `out`, or another process is writing it.
        OSError: The disk is full or not writable; nothing of the output is left behind.
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
    """Like `whole_folder`, but work that is stopped can be resumed.

    Args:
        out: Folder to be made; missing parents are made too.
        work: What tells this work from any other, such as the command's arguments; JSON.

    Yields:
        The folder to write into, with whatever a stopped writer of the same work left there, and a function to call
        once something is finished: a writer that is stopped before that leaves nothing.

    Raises:
        InputError: Something exists at `out`, another process is writing it, or other work was stopped there.
        StoppedError: The block was interrupted; what is finished is kept.
        OSError: The disk is full or not writable, and nothing was finished; nothing is left behind. If something was
            finished it is kept, and the error is an InputError.
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
            _flush(folder)
            check_output(out)
            os.rename(folder, _target(out))
            # Last, so that work that fails or is stopped before this can be resumed.
            (_target(out) / STATE).unlink(missing_ok=True)
        except (KeyboardInterrupt, InputError, OSError) as wrong:
            if not state.exists():
                raise
            resume = f"run the same command again to continue; to give up, remove {folder}"
            if isinstance(wrong, KeyboardInterrupt):
                raise StoppedError(f"{out}: stopped; {resume}") from None
            if isinstance(wrong, OSError):
                where, what = wrong.filename or out, wrong.strerror or wrong
                raise InputError(f"{where}: {what}; what is finished is kept: fix that, and {resume}") from None
            raise InputError(f"{wrong}; {resume}") from None


@contextlib.contextmanager
def whole_file(out: Path, *, replace: bool = False) -> Iterator[Path]:
    """Provide a temporary file name whose file becomes `out` when the block ends without an error.

    Args:
        out: File to be made; missing parents are made too.
        replace: Whether it replaces an older file; if another process is writing it, wait for that.

    Yields:
        The file to write.

    Raises:
        InputError: `out` is a folder; or, without `replace`, it exists or another process is writing it.
        OSError: The disk is full or not writable; nothing of the output is left behind.
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
def resumable_file(out: Path, work: dict[str, Any]) -> Iterator[tuple[Path, Callable[[], None]]]:
    """Like `whole_file`, but work that is stopped can be resumed from what it kept beside the file.

    Args:
        out: File to be made; missing parents are made too.
        work: What tells this work from any other; JSON.

    Yields:
        A folder in which to write the file under its own name, with whatever a stopped writer of the same work kept
        there, and a function to call before something worth keeping is written.

    Raises:
        InputError: `out` exists or is a folder, another process is writing it, other work was stopped there, or the
            block raised it; in that case nothing is left behind.
        StoppedError: The block was interrupted; what it kept stays.
        OSError: The disk is full or not writable, and nothing was kept. If something was, it stays, and the error is an
            InputError.
    """
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give --out the name of a file")
    with _staging(out, work) as folder:
        state = folder / STATE

        def keep() -> None:
            if not state.exists():
                write_json(state, work, indent=None)

        resume = f"run the same command again to continue; to give up, remove {folder}"
        try:
            yield folder, keep
            path = folder / out.name
            _flush(path)
            check_output(out)
            os.rename(path, _target(out))
        except KeyboardInterrupt:
            if not state.exists():
                raise
            raise StoppedError(f"{out}: stopped; {resume}") from None
        except InputError:
            state.unlink(missing_ok=True)
            raise
        except OSError as wrong:
            if not state.exists():
                raise
            where, what = wrong.filename or out, wrong.strerror or wrong
            raise InputError(f"{where}: {what}; what is finished is kept: fix that, and {resume}") from None
        remove_folder(folder)


@contextlib.contextmanager
def private_file(path: Path, text: str) -> Iterator[None]:
    """While the block runs, keep a file that only its owner can read.

    Args:
        path: The file; missing parents are made, and are removed at the end if nothing else is in them. An older file
            is removed.
        text: What it holds.

    Raises:
        OSError: The disk is full or not writable.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        yield
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()


def remove_folder(folder: Path, beside: Path | None = None) -> None:
    """Remove a whole folder at once, even if other processes are still writing in it.

    Args:
        folder: The folder; it may be missing.
        beside: It is first moved beside this folder, so that nobody finds it any more; beside itself when None.
    """
    gone = (beside or folder).with_name(f".{os.urandom(16).hex()}.writing")
    try:
        os.rename(folder, gone)
    except OSError:
        gone = folder
    shutil.rmtree(gone, ignore_errors=True)


def is_writers(entry: Path) -> bool:
    """Whether an entry of a folder belongs to a writer, live or killed: a lock, or an unfinished output."""
    return entry.name.startswith(".") and entry.name.endswith((".lock", ".writing"))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Args:
        path: The file.

    Returns:
        Whatever it holds.

    Raises:
        InputError: It is larger than `MOST_JSON_BYTES`.
        OSError: There is no such file, or it cannot be read.
        ValueError: It is not JSON.
    """
    with path.open("rb") as file:
        content = file.read(MOST_JSON_BYTES + 1)
    if len(content) > MOST_JSON_BYTES:
        most = f"{MOST_JSON_BYTES >> 20} MiB"
        raise InputError(f"{path}: is larger than {most}, so glowseis did not write it; give another file or remove it")
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_record(path: Path) -> dict[str, Any]:
    """Read a JSON object that the command that wrote it makes again if it is missing.

    Raises:
        InputError: It cannot be read.
    """
    try:
        content = read_json(path)
        if not isinstance(content, dict):
            raise ValueError("it is not a JSON object")
        return content
    except (OSError, ValueError) as wrong:
        reason = wrong.strerror if isinstance(wrong, OSError) else wrong
        raise InputError(f"{path}: cannot be read ({reason}); remove it and run the same command again") from None


def write_json(path: Path, content: Any, *, indent: int | None = 2) -> None:
    """Write a JSON file, whole or not at all, in place of an older one.

    Args:
        path: The file; missing parents are made too.
        content: What to write.
        indent: Spaces per level; None for the shortest text.

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
            # If the output itself has that name, it says nothing about work to resume.
            if out.name == STATE or not (folder / STATE).exists():
                remove_folder(folder)
            if isinstance(wrong, OSError) and wrong.errno and wrong.filename is None:
                wrong.filename = str(out)
            raise


def _target(out: Path) -> Path:
    """Where an output goes: a link is followed, as a folder cannot replace it."""
    return Path(os.path.realpath(out) if out.is_symlink() else os.path.abspath(out))


def _take_over(folder: Path, out: Path, work: dict[str, Any] | None) -> None:
    """Make a staging folder, or take over one that a killed writer left: emptied, unless its work is this work."""
    folder.mkdir(exist_ok=True)
    begun = _read_state(folder)
    for left in folder.iterdir():
        if begun is None or is_writers(left):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    if begun is not None and begun != json.loads(json.dumps(work)):
        raise InputError(
            f"{out}: other work was stopped there{_difference(begun, work)}; run that command again, write "
            f"elsewhere, or remove {folder}"
        )


def _read_state(folder: Path) -> dict[str, Any] | None:
    """The work that was stopped in a folder; None if nothing there is worth keeping."""
    try:
        state = read_json(folder / STATE)
    except (FileNotFoundError, ValueError):
        return None
    return state if isinstance(state, dict) else None


def _difference(begun: Any, work: Any, name: str = "") -> str:
    """The first argument in which two pieces of work differ, in words."""
    if isinstance(begun, dict) and isinstance(work, dict) and begun.keys() == work.keys():
        return next(filter(None, (_difference(begun[key], work[key], key) for key in begun)), "")
    was, now = (json.dumps(which)[:60] for which in (begun, work))
    return f" ({name} was {was}, now {now})" if name and was != now else ""


def _flush(path: Path) -> None:
    """Put a file's or folder's content on the disk before its final name appears."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
