"""Work that may crash the process, first tried in another one."""

import faulthandler
import os
import signal
import sys
import warnings
from collections.abc import Callable


def survives(work: Callable[[], object], patience_s: int = 60) -> bool:
    """Try in a copy of this process whether some work finishes.

    Args:
        work: What to try; its results are lost. Raising an error counts as finishing.
        patience_s: Seconds after which it is considered to hang.

    Returns:
        Whether neither a signal nor the clock ended it.
    """
    if not hasattr(os, "fork"):
        # Windows: there is no copy to try it in.
        return True
    import resource

    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        # Threads of this process do not matter: the copy only does the work, and never returns from here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            for number in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            signal.alarm(patience_s)
            faulthandler.disable()
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) >= 0
