"""Options of commands that read files: each reaches the readers."""

import pytest

from glowseis import command
from glowseis.survey.formats.source import ReadOptions

GIVEN = {
    "shot_header": ("CDP", "CDP"),
    "trace_header": ("25", "25"),
    "cable_header": ("CDP_TRACE", "CDP_TRACE"),
    "line_header": ("189", "189"),
    "sample_format": ("ieee", "ieee"),
    "byte_order": ("little", "little"),
    "dataset": ("shots/raw", "shots/raw"),
    "axes": ("time,trace", "time,trace"),
    "zero_level": ("-2.5", -2.5),
    "sample_interval": ("4", 0.004),
    "samples": ("1500", 1500),
    "keep_auxiliary": (None, True),
}


@pytest.mark.parametrize("name", command.READING)
def test_an_option_reaches_the_readers(name):
    received = []

    @command.reads_files
    def main(*, options: ReadOptions) -> None:
        received.append(options)

    word, wanted = GIVEN[name]
    with pytest.raises(SystemExit) as left:
        command.run(main, [f"--{name.replace('_', '-')}", *([] if word is None else [word])])
    field = {"sample_interval": "sample_interval_s"}.get(name, name)
    assert left.value.code == 0 and received == [ReadOptions(**{field: wanted})]
