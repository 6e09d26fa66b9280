"""SEG-Y and Seismic Unix files of marine shots whose header words contradict each other as a test wants it."""

import numpy as np

from glowseis.survey.formats.segy import SegySource
from glowseis.survey.formats.seismic_unix import SeismicUnixSource
from glowseis.survey.formats.source import ReadOptions
from tests.support.trace_files import segy, seismic_unix, swell

WORDS = {
    "tracl": (1, "i4"),
    "tracr": (5, "i4"),
    "fldr": (9, "i4"),
    "tracf": (13, "i4"),
    "ep": (17, "i4"),
    "cdp": (21, "i4"),
    "cdpt": (25, "i4"),
    "trid": (29, "i2"),
    "offset": (37, "i4"),
    "scalco": (71, "i2"),
    "sx": (73, "i4"),
    "sy": (77, "i4"),
    "gx": (81, "i4"),
    "gy": (85, "i4"),
    "counit": (89, "i2"),
    "delrt": (109, "i2"),
    "ns": (115, "u2"),
    "dt": (117, "u2"),
    "trwf": (169, "i2"),
    "iline": (189, "i4"),
    "xline": (193, "i4"),
    "sp": (197, "i4"),
    "spscalar": (201, "i2"),
    "cable": (233, "i4"),
    "line": (237, "i4"),
}
"""Header words by Seismic Unix' names."""

READERS = {".segy": (segy, SegySource), ".su": (seismic_unix, SeismicUnixSource)}


class Line(dict):
    """Header words of some shots, `[trace]` each; `shot`, `streamer` and `number` count what each trace is of."""

    def __init__(self, shots=3, traces=24, cables=1):
        self.shot = np.repeat(np.arange(shots), traces * cables)
        self.streamer = np.tile(np.repeat(np.arange(cables), traces), shots)
        self.number = np.tile(np.arange(traces), shots * cables)
        super().__init__(
            fldr=1001 + self.shot,
            tracf=self.number + 1,
            ep=2001 + self.shot,
            offset=100 + 12 * self.number,
            sx=500_000 + 25 * self.shot,
            sy=np.zeros_like(self.shot),
            gx=499_900 + 25 * self.shot - 12 * self.number,
            gy=100 * self.streamer,
            trid=np.ones_like(self.shot),
        )

    def sorted_by(self, *keys):
        """The same traces in another order, the first key the most important."""
        order = np.lexsort(tuple(reversed(keys)))
        for name in self:
            self[name] = np.broadcast_to(self[name], order.shape)[order]
        for name in ("shot", "streamer", "number"):
            setattr(self, name, getattr(self, name)[order])
        return self

    def with_words(self, **words):
        """The same with other words, numbers or `[trace]`."""
        self.update(words)
        return self


def written(folder, line, ending=".segy", *, amplitude=None, samples=60, tail=b"", **settings):
    """Write a file of a line; gives its path."""
    traces = len(line.shot)
    amplitude = swell(traces, samples) if amplitude is None else amplitude
    words = {WORDS[name]: value for name, value in line.items()}
    content, _ = READERS[ending][0](amplitude, words=words, **settings)
    path = folder / f"a{ending}"
    path.write_bytes(content + tail)
    return path


def opened(path, **options):
    """Its reader."""
    return READERS[path.suffix][1](path, ReadOptions(**options))


def told(path, **options):
    """What its reader tells: texts by kind, warnings alone."""
    return {remark.kind: remark.text for remark in opened(path, **options).remarks() if remark.is_warning}
