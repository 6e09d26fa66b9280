"""Who may write into a run's folder: one process, or the chief of the processes that train together."""

import contextlib
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from glowseis.errors import InputError
from glowseis.files import write_json
from glowseis.fitting.devices.devices import Devices
from glowseis.locks import locked
from glowseis.run.record import RECORD, check_same, is_free
from glowseis.run.result import RESULT

OF_A_PROCESS = ("survey", "relabelling", "versions", "commit")
"""Parts of a record that processes of one run need not have in common; the survey's checksum covers its labels."""


@contextlib.contextmanager
def claimed(folder: Path, record: dict[str, Any], say: Callable[[str], None]) -> Iterator[str]:
    """Make the run's folder, or make sure that it holds this same run; keep other processes out.

    Args:
        folder: The run's folder; made if missing.
        record: What identifies the run (`glowseis.run.record.record_of`).
        say: Called with a line if the run was begun with other versions.

    Yields:
        The run's identity.

    Raises:
        InputError: The folder holds another run or something else, or another process trains there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    busy = f"{folder}: another process is training there; wait for it or give another --out"
    # A finished run is only read, by any number of processes.
    done = (folder / RESULT).exists()
    with contextlib.nullcontext() if done else locked(folder / ".lock", busy):
        if is_free(folder):
            write_json(folder / RECORD, {"run": uuid.uuid4().hex, **record})
        yield check_same(folder, record, say)


@contextlib.contextmanager
def claimed_for_all(
    devices: Devices, folder: Path, record: dict[str, Any], say: Callable[[str], None]
) -> Iterator[str]:
    """Claim a run's folder as `claimed` does, on the chief for all processes; the others never look into it.

    Args:
        devices: The processes.
        folder: The run's folder; made if missing.
        record: What identifies the run.
        say: Called with a line if the run was begun with other versions.

    Yields:
        The run's identity; an empty text on all but the chief.

    Raises:
        InputError: As `claimed`, on the chief; or the processes were given different recipes or surveys.
        FittingError: On the others, when the chief cannot claim it.
    """
    own = _fingerprint(record)
    differing = devices.total([own != devices.of_chief(lambda: own)])[0]
    if differing:
        raise InputError(
            f"{differing:.0f} of the {devices.workers} workers have a different recipe or survey from worker 0; "
            "start all workers with the same"
        )
    with contextlib.ExitStack() as stack:
        yield devices.on_chief(lambda: stack.enter_context(claimed(folder, record, say))) or ""


def _fingerprint(record: dict[str, Any]) -> float:
    """48 bits of a record's SHA-256, which float64 holds exactly."""
    common = {name: value for name, value in record.items() if name not in OF_A_PROCESS}
    digest = hashlib.sha256(json.dumps(common, sort_keys=True).encode()).digest()
    return float(int.from_bytes(digest[:6], "big"))
