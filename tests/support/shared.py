"""What is made once for all of the tests' processes."""

import fcntl
import os


def shared_folder(tmp_path_factory, name, make):
    """A folder that the first process that asks for it makes, while others wait.

    Args:
        tmp_path_factory: Pytest's.
        name: The folder's.
        make: Called with the empty folder.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Each process has a folder of its own below one of the session's.
        base = base.parent
    folder, made = base / name, base / f"{name}.made"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folder.mkdir()
            make(folder)
            made.touch()
    return folder
