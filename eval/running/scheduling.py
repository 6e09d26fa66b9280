"""Runs folds at once, a process each: on this machine by joblib, or on an existing cluster by dask.distributed.

In both cases a fold is one command, `python -m eval.cv RECIPE --fold K --kind KIND`, that keeps what it finished. Its
lock keeps a second process out of the fold, and it ends with the process that started it. Likewise, a run of the curve
is a process of `eval.curve`, with a lock of its own.
"""

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.running.process import STOPPED
from glowseis.cluster import RETRIES, connected
from glowseis.command import INTERRUPTED, TERMINATED
from glowseis.errors import FittingError, InputError
from glowseis.machine import cores

CHECKOUT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Job:
    """A part of a study for a process of its own.

    Attributes:
        name: What it does in words, such as `grouped fold 3`.
        module: The command, such as `eval.cv`.
        words: Its command line; `--attended` is added.
        folder: Its working folder; relative paths start there.
        leaks: Whether exit status 1 means that a gather leaked, after which nothing of the study may continue.
    """

    name: str
    module: str
    words: tuple[str, ...]
    folder: str = field(default_factory=os.getcwd)
    leaks: bool = False


def fold_job(kind: str, fold: int, arguments: Sequence[str], folder: str | None = None) -> Job:
    """The job of a fold.

    Args:
        kind: Kind of the folds.
        fold: Number of the fold.
        arguments: Words of `eval.cv`'s command line, without the fold's own.
        folder: Its working folder; the current one if None.
    """
    words = (*arguments, "--fold", str(fold), "--kind", kind)
    # Other failures of arms are outcomes.
    return Job(f"{kind} fold {fold}", "eval.cv", words, folder or os.getcwd(), leaks=True)


@dataclass(frozen=True)
class Ended:
    """How a job's process ended.

    Attributes:
        job: The job.
        status: Its exit status; below 0 the signal that killed it.
        said: What it printed, line by line.
        error: The last line of its errors; may be empty.
    """

    job: Job
    status: int
    said: list[str]
    error: str

    @property
    def stopped(self) -> bool:
        """Whether it was ended from outside, so that it may succeed if run again."""
        return self.status < 0 or self.status in (STOPPED, INTERRUPTED, TERMINATED)

    @property
    def leaked(self) -> bool:
        """Whether a gather leaked, so that nothing of the study may continue."""
        return self.status == 1 and self.job.leaks


class Processes:
    """The processes of jobs that this process has started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._running: set[subprocess.Popen[str]] = set()

    def run(self, job: Job, threads: int, say: Callable[[str], None] | None = None) -> Ended:
        """Run a job to its end.

        Args:
            job: The job.
            threads: Processor cores for it; 0 leaves that to TensorFlow.
            say: Called with each line that it prints, as it comes.

        Returns:
            How it ended; at once, with status `STOPPED`, after `stop`.
        """
        with self._lock:
            if self._stopped:
                return Ended(job, STOPPED, [], "")
            process = subprocess.Popen(
                [sys.executable, "-m", job.module, *job.words, "--attended"],
                cwd=job.folder,
                env=_environment(threads),
                # Never written to: when this process ends, the job's process notices its closing.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                # Only this process receives a terminal's Ctrl-C, and passes it on once.
                start_new_session=True,
            )
            self._running.add(process)
        assert process.stdout and process.stderr and process.stdin
        errors: list[str] = []
        reader = threading.Thread(target=errors.extend, args=(process.stderr,), daemon=True)
        reader.start()
        said = []
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            if say:
                say(said[-1])
        status = process.wait()
        reader.join()
        process.stdin.close()
        with self._lock:
            self._running.discard(process)
        written = [line.strip() for line in errors if line.strip()]
        return Ended(job, status, said, written[-1] if written else "")

    def stop(self, *, wait: bool = True) -> None:
        """Stop all jobs, as by a signal, and start no more.

        Args:
            wait: Whether to wait until they have saved their state.
        """
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            process.terminate()
        for process in running if wait else ():
            process.wait()


def on_this_machine(jobs: Sequence[Job], at_once: int, say: Callable[[str], None] = print) -> None:
    """Run jobs in processes on this machine, several at once; they share its cores.

    Args:
        jobs: The jobs.
        at_once: Number of processes that run at once.
        say: Called with each line that they print.

    Raises:
        FittingError: A job met a leak, which stops the others, or its process died, after which the others finish.
        InputError: A job was refused; the others finish.
    """
    from joblib import Parallel, delayed

    processes = Processes()
    threads = max(1, cores() // at_once)

    def run(job: Job) -> Ended:
        ended = processes.run(job, threads, say)
        if ended.leaked:
            processes.stop(wait=False)
        return ended

    try:
        # Its threads only wait for processes.
        ended = Parallel(at_once, backend="threading", pre_dispatch=at_once)(delayed(run)(job) for job in jobs)
    finally:
        processes.stop()
    _judge(ended)


def on_cluster(jobs: Sequence[Job], address: str, say: Callable[[str], None] = print) -> None:
    """Run folds on the workers of a dask scheduler, one task per fold; if a fold's worker dies, another runs the fold.

    Workers must see the same files under the same paths.

    Args:
        jobs: The folds.
        address: The scheduler's address, such as `tls://10.0.0.1:8786`.
        say: Called with each line that a fold printed, when the fold is done.

    Raises:
        FittingError: As `on_this_machine`, or so many workers died with a fold that dask gave up.
        InputError: dask.distributed is missing, no scheduler answers or it needs a key, or a fold was refused.
    """
    with connected(address) as client:
        from distributed import as_completed

        workers = len(client.nthreads())
        say(f"{len(jobs)} folds for {workers} workers{'' if workers else '; waiting for the first worker'}")
        _carry_own_code()
        run = uuid.uuid4().hex
        job_of = {client.submit(on_worker, job, run, key=f"{job.name} {run}", retries=RETRIES): job for job in jobs}

        ended: list[Ended] = []
        try:
            for future in as_completed(list(job_of), loop=client.loop):
                try:
                    ended.append(future.result())
                # The error of its last try may be of any kind: from on_worker, such as a missing package or a full
                # disk, or from dask itself. The other folds go on, and _judge raises it.
                except Exception as wrong:
                    ended.append(Ended(job_of[future], STOPPED, [], str(wrong)))
                for line in ended[-1].said:
                    say(line)
                if ended[-1].leaked:
                    break
        finally:
            client.cancel(list(job_of), force=True)
            # Cancelling a task does not stop its process.
            client.run(stop_on_worker, run, on_error="ignore")
    _judge(ended)


class FoldStoppedError(Exception):
    """A fold's process was ended from outside; dask starts it again."""


def on_worker(job: Job, run: str) -> Ended:
    """Run a fold on a worker.

    Args:
        job: The fold.
        run: Distinguishes this run's folds from others on the same worker.

    Returns:
        How it ended.

    Raises:
        FoldStoppedError: Its process was ended from outside.
    """
    from distributed import get_worker

    worker: Any = get_worker()
    at_once = worker.state.nthreads
    processes = worker.__dict__.setdefault("glowseis_folds", {}).setdefault(run, Processes())
    ended: Ended = processes.run(job, max(1, cores() // at_once) if at_once > 1 else 0)
    if ended.stopped:
        raise FoldStoppedError(f"its process was stopped {RETRIES + 1} times; {_how(ended)}")
    return ended


def stop_on_worker(run: str, dask_worker: Any) -> None:
    """Stop the folds of a run on a worker."""
    processes = dask_worker.__dict__.get("glowseis_folds", {}).pop(run, None)
    if processes:
        processes.stop(wait=False)


def _judge(all_ended: Sequence[Ended]) -> None:
    """Raise the error of the worst of them."""
    failed = [ended for ended in all_ended if ended.leaked] or [ended for ended in all_ended if ended.status]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        kind = InputError if failed[0].status == 2 else FittingError
        raise kind(f"{failed[0].job.name}: {_how(failed[0])}{more}")


def _how(ended: Ended) -> str:
    """How a job's process ended, in words."""
    if ended.status < 0:
        return f"its process was killed by signal {-ended.status} (out of memory?); run the same command again"
    return ended.error.removeprefix(f"{ended.job.module}: ") or f"its process exited with status {ended.status}"


def _environment(threads: int) -> dict[str, str]:
    """Environment of a fold's process; the user's own settings for threads take precedence."""
    path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
    counts = {"TF_NUM_INTRAOP_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)} if threads else {}
    return {**counts, **os.environ, "PYTHONPATH": path}


def _carry_own_code() -> None:
    """Send this file to workers, which may not have the checkout on their path."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
