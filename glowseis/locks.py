"""Locks that keep other processes out of a file or folder."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from glowseis.errors import InputError

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""The system's errors on file systems without locks, as on some clusters."""


@contextlib.contextmanager
def locked(path: Path, busy: str, *, wait: bool = False) -> Iterator[None]:
    """Keep other processes out while the block runs.

    The lock is the system's (on Linux `flock`): it ends with the process that holds it, however that ends. It is taken
    on a file of its own, which is open for writing, as network file systems lock nothing else, and is removed at the
    end.

    On a file system without locks, as on some clusters, the block runs without one: the user must then start only one
    writer at a time.

    Args:
        path: The lock's file; its folder is made if missing.
        busy: The error message if another process holds the lock.
        wait: Whether to wait for that process instead.

    Raises:
        InputError: Another process holds the lock, and `wait` is off.
        OSError: The file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(path, busy, wait)
    try:
        yield
    finally:
        # Not after releasing the lock: the file would then be the next holder's.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(lock)


def _lock(path: Path, busy: str, wait: bool) -> int:
    """Open a lock's file and lock it."""
    # On Linux and macOS it imports what Windows lacks.
    import portalocker
    from portalocker import LockFlags

    while True:
        with contextlib.ExitStack() as stack:
            # Windows has no links that are followed here.
            lock = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
            stack.callback(os.close, lock)
            try:
                portalocker.lock(lock, LockFlags.EXCLUSIVE | (LockFlags(0) if wait else LockFlags.NON_BLOCKING))
            except portalocker.AlreadyLocked:
                raise InputError(busy) from None
            except portalocker.LockException as wrong:
                cause = wrong.__cause__
                if not (isinstance(cause, OSError) and cause.errno in NO_LOCKS):
                    raise cause or wrong from None
            # The former holder may have ended, and removed this file, between our opening and locking it.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(path)):
                    stack.pop_all()
                    return lock
