"""Standard output and error of a command: nothing that happens to them stops its work."""

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO, cast

from glowseis.escapes import addressed, visible

KEPT, KEPT_IN_ERRORS = "\n\t", "\n\t\r"
"""Control characters that may be printed; progress bars return to the start of their line."""


class Stream:
    """An output stream whose failure does not stop the work: its reader may exit, or its disk may be full.

    Control characters become escapes, whatever name or text they come from: a terminal would obey them. Paths of copies
    become the addresses of what was copied.

    Attributes:
        wrong: Why something could not be written; None if all was.
    """

    def __init__(self, stream: TextIO, kept: str):
        self._stream = stream
        self._kept = kept
        self.wrong: OSError | None = None
        # A name that the terminal cannot show becomes escapes.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, or drop it once the stream has failed."""
        self._try(lambda: self._stream.write(visible(addressed(text), self._kept)))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, or drop them once the stream has failed."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush, unless the stream has failed."""
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], object]) -> None:
        if self.wrong is not None:
            return
        try:
            act()
        except OSError as wrong:
            self.wrong = wrong
            # Otherwise Python tries to write what is left in the buffers when it closes the stream.
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


@contextlib.contextmanager
def lasting_streams() -> Iterator[tuple[Stream, Stream]]:
    """Standard output and error as streams whose failure does not stop the work."""
    former = sys.stdout, sys.stderr
    # They are None if the process was started with them closed.
    out, error = (
        Stream(stream or io.StringIO(), kept) for stream, kept in zip(former, (KEPT, KEPT_IN_ERRORS), strict=True)
    )
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, error)
    try:
        yield out, error
    finally:
        for stream in (out, error):
            stream.flush()
        sys.stdout, sys.stderr = former
