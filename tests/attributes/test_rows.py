"""What was measured of a gather, in the cells of the three tables and in the pixels of the maps."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import glowseis
from glowseis.attributes import maps, quality
from glowseis.attributes.bands import NoiseBand
from glowseis.attributes.faults import FAULTS
from glowseis.attributes.measuring import NUMBERS, Measured, Settings
from glowseis.attributes.quality import measure_sources
from glowseis.attributes.rows import PLACE
from glowseis.survey.formats.source import ReadOptions
from glowseis.survey.ingestion.request import Request
from tests.support.random_gathers import random_recording

TRACES = 6


def marks(*traces):
    return np.isin(np.arange(TRACES), traces)


def measured():
    """Of each number the value on the first trace is its place in the list, and it grows by 0.25 a trace."""
    numbers = {name: place + 0.25 * np.arange(TRACES) for place, name in enumerate(NUMBERS)}
    numbers["first_arrival_s"][4:] = np.nan
    faults = dict(zip(FAULTS, (marks(1, 2, 5), marks(3), marks(), marks(4), marks(0), marks()), strict=True))
    bands = [
        NoiseBand(0, 2, 2.5, 4.5, 3.5, (0.5, 0.25, 0.125), 0.5, 1.5),
        NoiseBand(4, 5, 7.5, 6.5, 5.5, (0.75, np.nan, np.nan), 1.25, 2.25),
    ]
    band = np.array([1, 1, 1, 0, 2, 2], np.int32)
    return Measured({**numbers, **faults, "crossfeed": marks(0, 3), "band": band}, bands, [0, 2])


@pytest.fixture
def out(tmp_path, monkeypatch):
    """The folder of a run over one gather of which that was measured; its channels are 11 to 16."""
    one = random_recording(7, 40, TRACES, line=12, cable=2)
    one = replace(one, geometry=replace(one.geometry, channel=np.arange(11, 11 + TRACES), shot=1007))
    glowseis.write_gathers(tmp_path / "a.h5", [one])
    monkeypatch.setattr(quality, "measure_gathers", lambda found, settings, of: ((each, measured()) for each in found))
    monkeypatch.setattr(quality, "draw_maps", lambda folder: [])
    measure_sources(Request([tmp_path / "a.h5"], ReadOptions()), Settings(module_channels=16), tmp_path / "out")
    return tmp_path / "out"


TABLES = {
    "traces": """
trace,channel,offset_m,receiver_x_m,receiver_y_m,first_arrival_s,noise_rms,target_rms,tail_rms,low_rms,signal_to_noise_db,peak_hz,low_share,limit_share,dead,weak,wild,spiky,reversed,saturated,crossfeed,band
1,11,-150,431025.25,6500040.75,0,1,2,3,4,5,6,7,8,false,false,false,false,true,false,true,1
2,12,-162.5,431012.75,6500040.75,0.25,1.25,2.25,3.25,4.25,5.25,6.25,7.25,8.25,true,false,false,false,false,false,false,1
3,13,-175,431000.25,6500040.75,0.5,1.5,2.5,3.5,4.5,5.5,6.5,7.5,8.5,true,false,false,false,false,false,false,1
4,14,-187.5,430987.75,6500040.75,0.75,1.75,2.75,3.75,4.75,5.75,6.75,7.75,8.75,false,true,false,false,false,false,true,0
5,15,-200,430975.25,6500040.75,,2,3,4,5,6,7,8,9,false,false,false,true,false,false,false,2
6,16,-212.5,430962.75,6500040.75,,2.25,3.25,4.25,5.25,6.25,7.25,8.25,9.25,true,false,false,false,false,false,false,2
""",
    "gathers": """
traces,samples,sample_interval_s,source_x_m,source_y_m,first_arrivals,first_arrival_s_median,noise_rms_median,target_rms_median,tail_rms_median,low_rms_median,signal_to_noise_db_median,peak_hz_median,low_share_median,limit_share_median,dead,weak,wild,spiky,reversed,saturated,dead_in_a_row,crossfeed_modules,crossfeed_channels,bands,band_traces,widest_band
6,40,0.008,431175.25,6500000.5,4,0.375,1.625,2.625,3.625,4.625,5.625,6.625,7.625,8.625,3,1,0,1,1,0,2,2,1-16 33-48,2,5,3
""",
    "bands": """
band,first_trace,last_trace,first_channel,last_channel,width,rms,excess,peak_hz,correlation_1,correlation_3,correlation_6,first_s,last_s
1,1,3,11,13,3,2.5,4.5,3.5,0.5,0.25,0.125,0.5,1.5
2,5,6,15,16,2,7.5,6.5,5.5,0.75,,,1.25,2.25
""",
}


@pytest.mark.parametrize("name", TABLES)
def test_cells_of_the_tables(out, name):
    head, *rows = TABLES[name].strip().split("\n")
    place = ["1", "line12-shot7", str(out.parent / "a.h5"), "12", "1007", "2"]
    with (out / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.reader(file))
    assert found == [[*PLACE, *head.split(",")], *([*place, *row.split(",")] for row in rows)]


def test_a_channel_lies_where_the_axis_of_its_map_says(out, monkeypatch):
    monkeypatch.setattr(maps, "NUMBERS", ("low_rms",))
    colours = []
    for one in maps.attribute_maps(out, size_inch=(3.0, 2.0)):
        one.figure.canvas.draw()
        pixels, axes = np.asarray(one.figure.canvas.buffer_rgba()), one.figure.axes[0]
        places = axes.transData.transform([(0, channel) for channel in range(11, 17)]).astype(int)
        colours.append([tuple(pixels[len(pixels) - 1 - y, x, :3].tolist()) for x, y in places])
        first, last = axes.get_position().get_points()[:, 1] * len(pixels)
        assert first < places[-1][1] < places[0][1] < last
    level, marked = colours
    # Of the scale's colours the louder one has more red and green.
    assert sum(level[0][:2]) < sum(level[2][:2]) < sum(level[5][:2])
    names = ("reversed", "dead", "dead", "weak", "spiky", "dead")
    assert marked == [tuple(round(255 * part) for part in to_rgb(maps.COLOURS[name][1])) for name in names]
