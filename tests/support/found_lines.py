"""What a line report is made from, without a classifier: records, tables and worst gathers that are made up."""

import numpy as np
import pandas as pd

from glowseis.attributes.bands import NoiseBand
from glowseis.attributes.measuring import MARKS, NUMBERS
from glowseis.attributes.rows import FRACTION, GATHERS, TRACES, WHOLE
from glowseis.attributes.tables import table_writer
from glowseis.judging.occlusion import Occlusion
from glowseis.judging.unlike import summary
from glowseis.pages.table import Table
from glowseis.reporting.findings import Findings, Worst
from glowseis.reporting.records import probability_column
from tests.support.random_gathers import random_gather

ORIGIN = [Table("sources", "Sources", pd.DataFrame({"source": ["line <1> & 2.segy"]}), words=1)]

LABELS = ("good", "medium", "bad")


def found_lines(folder, lines=2, cables=2, shots=30, channels=24, worst=2, name="shot<1>&co"):
    """Findings of some lines, with tables in a folder.

    Each line has a bad record every tenth shot, an unsure one on every eleventh, and one that could not be graded.
    """
    generator = np.random.default_rng(7)
    count = lines * cables * shots
    number = np.arange(count)
    line, shot, cable = number // (cables * shots) + 1, number // cables % shots + 1001, number % cables + 1
    probability = generator.dirichlet([8, 2, 1], count)
    bad = shot % 10 == 0
    probability[bad] = np.sort(probability[bad], axis=1)
    grade = np.array(LABELS, object)[probability.argmax(axis=1)]
    grade[shot % 11 == 0] = "unsure"
    ungraded = number == count - 1
    grade[ungraded] = ""
    probability[ungraded] = np.nan
    records = pd.DataFrame(
        {
            "gather": number + 1,
            "gather_id": [f"{name}-{one}" for one in number],
            "source": "line <1> & 2.segy",
            "sail_line": line,
            "shot": shot,
            "cable": cable,
            "line": [f"line {one}" for one in line],
            "label": "",
            "grade": grade,
            "reason": np.where(ungraded, "fewer than the 16 live traces that robust/2 needs", ""),
            **{probability_column(label): probability[:, place] for place, label in enumerate(LABELS)},
            "severity": probability @ [0, 1, 2],
            "unlike": np.where(ungraded, np.nan, np.where(number == 5, 1.5, generator.uniform(0, 1, count))),
            **{
                column: generator.uniform(1, 3, count).round(0 if kind == WHOLE else 6)
                for column, kind in GATHERS.items()
                if kind in (WHOLE, FRACTION) and column not in ("gather", "sail_line", "shot", "cable")
            },
            "traces": channels,
            **dict.fromkeys(("dead", "dead_in_a_row"), 0),
        }
    )
    _write_tables(folder, records, channels, generator)
    return Findings(
        records=records,
        labels=LABELS,
        classifier="robust/2",
        unlike=summary(records["line"], records["unlike"]),
        worst=[_worst(row, channels) for row in np.flatnonzero(bad)[:worst]],
        tables=folder,
        missing=["channel numbers of 1 record"],
        told=["1 gather left out with <nothing>"],
    )


def _write_tables(folder, records, channels, generator):
    place = ["gather", "gather_id", "source", "sail_line", "shot", "cable"]
    with table_writer(folder, "gathers", GATHERS) as gathers, table_writer(folder, "traces", TRACES) as traces:
        missing = dict.fromkeys(GATHERS, float("nan")) | {"crossfeed_channels": ""}
        for row in records[place].to_dict("records"):
            gathers.add_row(missing | row)
            numbers = {name: generator.uniform(0.5, 2, channels) for name in NUMBERS}
            marks = {name: generator.uniform(size=channels) < 0.02 for name in MARKS}
            trace = np.arange(1, channels + 1)
            columns = {"trace": trace, "channel": trace, "offset_m": 25.0 * trace, "band": np.zeros(channels, int)}
            traces.add(row | {"receiver_x_m": 0.0, "receiver_y_m": 0.0} | columns | numbers | marks, channels)


def _worst(row, channels):
    gather = random_gather(int(row), (64, channels), samples=64, traces=channels)
    evidence = np.zeros((4, 4))
    evidence[1, 2] = 2.0
    edges = np.linspace(0, 64, 5).astype(int), np.linspace(0, channels, 5).astype(int)
    place = (slice(edges[0][1], edges[0][2]), slice(edges[1][2], edges[1][3]))
    band = NoiseBand(12, 17, 3.0, 7.0, 4.0, (0.9, 0.5, 0.1), 0.1, 0.4)
    occlusion = Occlusion(evidence, *edges, 0.9, [place], [place[1]], 0.2, 0.1)
    order = np.arange(channels)[::-1]
    return Worst(int(row), gather, order, np.arange(201, 201 + channels), [band], occlusion)
