"""Work on the workers of an existing Dask scheduler, which see the same files under the same paths."""

import contextlib
import logging
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from glowseis.errors import InputError, reason_of
from glowseis.files import private_file
from glowseis.version import __version__, code_digest

RETRIES = 3
"""How often Dask tries a task again."""

LOOKED_FOR = 100
"""Most paths that every worker looks for."""

PATIENCE_S = 30.0
"""How long a scheduler may be without workers before its tasks are given up: one that died may be started again."""


TOLD_EVERY_S = 30.0
"""Time between two lines that say that there is no worker yet."""


def check_jobs(jobs: int, scheduler: str) -> None:
    """Make sure that work is shared in one way only.

    Args:
        jobs: Processes of this machine that were asked for.
        scheduler: A scheduler's address; may be empty.

    Raises:
        InputError: Both were asked for.
    """
    if scheduler and jobs > 1:
        raise InputError("--jobs shares the work on this machine, --scheduler on others; pass only one of them")


@contextlib.contextmanager
def connected(address: str, timeout_s: float = 10.0) -> Iterator[Any]:
    """A client of a scheduler.

    Args:
        address: The scheduler's address, such as `tls://10.0.0.1:8786`.
        timeout_s: How long it may take to answer.

    Yields:
        A `distributed.Client`.

    Raises:
        InputError: dask.distributed is missing, no scheduler answers, or it needs a key.
    """
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ImportError:
        raise InputError('--scheduler needs dask.distributed; run pip install "glowseis[cluster]"') from None
    try:
        # Checked first: a client of an invalid address prints a traceback when it is deleted.
        get_address_host_port(address)
        _check_key(address)
        client = Client(address, timeout=f"{timeout_s}s", set_as_default=False)
    # Nothing listens there, an unknown protocol, a protocol without hosts.
    except (OSError, ValueError, NotImplementedError) as wrong:
        raise InputError(
            f"--scheduler {address}: no scheduler answers there ({reason_of(wrong)}); give the address that it "
            "printed, such as tls://10.0.0.1:8786"
        ) from None
    with client:
        yield client


@contextlib.contextmanager
def ready(address: str, jobs: int, paths: Sequence[Path], out: Path) -> Iterator[Any]:
    """A client of a scheduler whose workers can share work; None without an address.

    Args:
        address: The scheduler's address; may be empty.
        jobs: Processes of this machine that were asked for.
        paths: What the workers must see.
        out: A file or folder that they write beside.

    Raises:
        InputError: As `connected` and `check_jobs`; or the scheduler stops before it has a worker; or a worker has no
            glowseis, or other code of it, or does not see the files.
    """
    check_jobs(jobs, address)
    if not address:
        yield None
        return
    with contextlib.ExitStack() as stack:
        with warnings.catch_warnings():
            # A table of packages that some workers lack; glowseis is looked for below.
            warnings.simplefilter("ignore")
            stack.enter_context(_quiet())
            client = stack.enter_context(connected(address))
        _wait_for_worker(client, address)
        probe = out.absolute().with_name(f".{out.name}.{uuid.uuid4().hex}")
        with private_file(probe, ""):
            places = [str(path.absolute()) for path in paths[:LOOKED_FOR]]
            _check_workers(client, address, [*places, str(probe)], out)
        yield client


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's client from logging tracebacks when its scheduler is gone."""
    # Importing it sets the levels.
    with contextlib.suppress(ImportError):
        import distributed  # noqa: F401
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    former = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, former, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def submitted(
    client: Any, work: Callable[..., Any], arguments: Mapping[str, tuple[Any, ...]]
) -> Iterator[Callable[[str], bool]]:
    """Have tasks done by workers while the block runs; those that are not done at its end are cancelled.

    Args:
        client: What `ready` gave.
        work: A function of a module; if it raises an error, or its worker dies, it is tried again.
        arguments: Its arguments, by the tasks' names, in the order of their turn.

    Yields:
        A function that returns of a task, by its name, whether it may still be done.
    """
    run = uuid.uuid4().hex
    keys = [f"{name}-{run}" for name in arguments]
    columns = [list(column) for column in zip(*arguments.values(), strict=True)]
    futures = dict(zip(arguments, client.map(work, *columns, key=keys, retries=RETRIES, pure=False), strict=True))
    looked_s = time.monotonic()
    gone_s: float | None = None
    told = False

    def is_awaited(name: str) -> bool:
        nonlocal gone_s, looked_s, told
        now_s = time.monotonic()
        if now_s - looked_s > 1:
            looked_s = now_s
            there = False
            # Its scheduler may be gone.
            with contextlib.suppress(Exception):
                there = bool(client.nthreads())
            # From the first look that finds nobody on: between two looks, this process may have worked for long.
            gone_s = None if there else now_s if gone_s is None else gone_s
        if name not in futures:
            return False
        # Tasks are cancelled if the connection is lost.
        is_lost = futures[name].cancelled() or (gone_s is not None and now_s - gone_s > PATIENCE_S)
        if is_lost and not told:
            told = True
            print("the scheduler or its workers are gone: this process continues alone", file=sys.stderr, flush=True)
        return not is_lost and not futures[name].done()

    try:
        yield is_awaited
    finally:
        with contextlib.suppress(Exception):
            client.cancel(list(futures.values()), force=True)


def _wait_for_worker(client: Any, address: str) -> None:
    """Wait for a scheduler's first worker, which may be in a cluster's queue for hours, and say so regularly."""
    begun = time.monotonic()
    try:
        if client.nthreads():
            return
        print(f"--scheduler {address}: waiting for its first worker", flush=True)
        while True:
            with contextlib.suppress(TimeoutError):
                client.wait_for_workers(1, timeout=TOLD_EVERY_S)
                return
            waited = f"{time.monotonic() - begun:.0f} s"
            print(f"--scheduler {address}: no worker after {waited}; start one, or press Ctrl-C to stop", flush=True)
    # Each kind of connection has errors of its own.
    except Exception as wrong:
        raise InputError(f"--scheduler {address}: lost the scheduler ({reason_of(wrong)}); start it again") from None


def _check_workers(client: Any, address: str, paths: Sequence[str], out: Path) -> None:
    """Refuse workers that cannot share the work."""

    # A function within a function is sent as it is, to workers without glowseis too.
    def look(wanted: Sequence[str]) -> tuple[str, str, list[str]]:
        import importlib
        import os

        missing = [path for path in wanted if not os.path.exists(path)]
        try:
            there = importlib.import_module("glowseis.version")
        except ImportError:
            return "", "", missing
        return there.__version__, getattr(there, "code_digest", str)(), missing

    try:
        found = client.run(look, list(paths))
    except Exception as wrong:
        raise InputError(
            f"--scheduler {address}: its workers cannot run code from this process ({reason_of(wrong)}); use the "
            "same versions of Python and Dask on both sides"
        ) from None
    for worker, (version, code, missing) in found.items():
        told = f"--scheduler {address}: worker {worker}"
        if version != __version__:
            has = f"has glowseis {version}" if version else "has no glowseis"
            raise InputError(f"{told} {has}, but this is {__version__}; install the same version there")
        if code != code_digest():
            raise InputError(
                f"{told} has glowseis {version}, as this machine, but its code differs; install the same code there, "
                "and restart the worker"
            )
        if missing:
            what = f"what is written beside {out}" if missing == [paths[-1]] else missing[0]
            raise InputError(f"{told} does not see {what}; use files that all workers see under the same path")


def _check_key(address: str) -> None:
    """Report a missing or useless key before a client does."""
    from distributed import Security

    known = Security().get_connection_args("client")
    if address.startswith("tls://") and not known.get("ssl_context"):
        raise InputError(
            f"--scheduler {address}: needs its key; set DASK_CONFIG to what train/cluster/start.sh or secret.sh printed"
        )
    if not address.startswith("tls://") and known.get("require_encryption"):
        raise InputError(
            f"--scheduler {address}: takes no key, but the dask configuration requires one; give the address of a "
            "scheduler with --protocol tls, which begins with tls://"
        )
