"""A child process for what would harm the tests' own: crashes, limits on memory."""

import gc
import os
import traceback


def exit_status(work):
    """Run something in a fork of this process.

    Args:
        work: Called without arguments.

    Returns:
        0 if it went to its end, 1 after an error, below 0 the signal that it died of.
    """
    child = os.fork()
    if not child:
        status = 1
        try:
            # What earlier tests left is not to be collected here: TensorFlow's threads, which that may need, are gone.
            gc.freeze()
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
