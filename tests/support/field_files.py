"""SEG-Y files as others write them, and their gathers."""

import numpy as np
import segyio
from segyio import BinField, TraceField

from glowseis.survey.formats.segy import SegySource
from glowseis.survey.formats.source import ReadOptions


def read_segy(path, **options):
    """A file's gathers, one after another."""
    yield from SegySource(path, ReadOptions(**options)).gathers()


def segy_shapes(path, **options):
    yield from SegySource(path, ReadOptions(**options)).shapes()


def segy_interval_s(path):
    return SegySource(path, ReadOptions()).interval_s


def field_file(path, shots=(3, 3, 3, 4, 4, 4, 3, 3), samples=50, *, sample_format=1, scalar=10, endian="big", **words):
    """A file as others write it: IBM floats, no cable, coordinates in tens of metres."""
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount = sample_format, range(samples), len(shots)
    spec.endian = endian
    amplitude = np.random.default_rng(0).normal(size=(len(shots), samples)).astype(np.float32)
    with segyio.create(str(path), spec) as file:
        file.bin.update({BinField.Interval: 4000, BinField.LineNumber: 12} | words.get("binary", {}))
        for number, shot in enumerate(shots):
            file.header[number] = {
                TraceField.FieldRecord: shot,
                TraceField.TraceNumber: number + 1,
                TraceField.offset: -3237 + 25 * number,
                TraceField.SourceGroupScalar: scalar,
                TraceField.SourceX: 100 * shot,
                TraceField.SourceY: -7,
                TraceField.GroupX: 5 * number,
                TraceField.GroupY: 9,
            } | words.get("trace", {})
            file.trace[number] = amplitude[number]
    return amplitude
