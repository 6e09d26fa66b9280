"""Stopping on a signal without losing anything."""

import signal
from types import FrameType, TracebackType

from glowseis.errors import StoppedError

STOPPED = "stopped; everything is saved, run the same command again to continue"


class Stopping:
    """Turns SIGTERM and SIGINT into a request that the work checks for at safe points.

    Use as a context manager; the previous handlers are restored at its end. A second signal has its usual effect.
    """

    signals = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.requested = False
        self._former: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> "Stopping":
        self._former = {number: signal.signal(number, self._request) for number in self.signals}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        for other, handler in self._former.items():
            signal.signal(other, handler)

    def check(self) -> None:
        """Raise StoppedError if a signal came."""
        if self.requested:
            raise StoppedError(STOPPED)
