"""SEG-Y of simulated gathers beside their records, resumed where a writer was stopped."""

import os
from typing import BinaryIO

from glowseis.survey.formats.segy_origin import simulated_text
from glowseis.survey.formats.segy_writer import segy_writer
from glowseis.survey.gather import Gather, Recording

HEADER_BYTES, TRACE_HEADER_BYTES, SAMPLE_BYTES = 3600, 240, 4
"""Lengths in bytes of a SEG-Y file's headers, a trace header and a sample, as written here."""


class SegyBeside:
    """A SEG-Y file to which one recording after another is written.

    Args:
        file: The file, opened for appending, with whatever a stopped writer left in it.
        seed: Seed of the survey, for the text header.
    """

    def __init__(self, file: BinaryIO, seed: int):
        self._file = file
        self._room = os.fstat(file.fileno()).st_size
        self._end = 0
        self._write = segy_writer(file, simulated_text(seed))

    def holds(self, gather: Gather) -> bool:
        """Whether the file contains all of the next gather; called for one gather after another.

        Args:
            gather: The next gather.
        """
        samples, traces = gather.recorded_shape or (gather.valid_samples, gather.valid_traces)
        end = (self._end or HEADER_BYTES) + traces * (TRACE_HEADER_BYTES + SAMPLE_BYTES * samples)
        whole = end <= self._room
        if whole:
            self._end = end
        return whole

    def cut(self) -> None:
        """Cut off what follows the complete gathers."""
        self._file.truncate(self._end)
        self._file.seek(self._end)

    def write(self, recording: Recording) -> None:
        """Write the next recording, and flush it to the system.

        Args:
            recording: The recording.
        """
        self._write(recording)
        self._file.flush()
