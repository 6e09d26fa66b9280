"""Copies of files of traces with a number in a header word: those bytes, the code of dead traces, and no other."""

import numpy as np
import pytest

from glowseis.errors import InputError
from glowseis.survey.formats import marked_copy as copying
from glowseis.survey.formats.marked_copy import Copied, check_copy, chosen_word, marked_copy
from glowseis.survey.formats.segy import write_segy
from glowseis.survey.formats.segy_headers import header_word
from tests.support.random_gathers import random_recording
from tests.support.shot_files import Line, opened, written
from tests.support.trace_files import swell

TRACES = 3 * 8
NUMBERS = np.arange(TRACES) % 5 - 1


def patched(content, start, trace_bytes, order, byte, size, numbers, dead):
    """What a copy must hold, made without the code under test."""
    content = bytearray(content)
    for trace, (number, is_dead) in enumerate(zip(numbers.tolist(), dead.tolist(), strict=True)):
        at = start + trace * trace_bytes - 1
        name = {"<": "little", ">": "big"}[order]
        content[at + byte : at + byte + size] = number.to_bytes(size, name, signed=True)
        if is_dead:
            content[at + 29 : at + 31] = (2).to_bytes(2, name)
    return bytes(content)


@pytest.mark.parametrize(
    ("ending", "settings", "start", "header_bytes"),
    [
        (".segy", {"code": 1}, 3600, 240),
        (".segy", {"code": 5, "order": "<"}, 3600, 240),
        (".segy", {"code": 3}, 3600, 240),
        (".segy", {"code": 16, "order": "<"}, 3600, 240),
        (".segy", {"code": 6}, 3600, 240),
        (".segy", {"code": 5, "extended": b" " * 3200, "binary": {(3501, "H"): 256, (3505, "h"): 1}}, 6800, 240),
        (".segy", {"code": 5, "further": 1, "binary": {(3501, "H"): 512, (3507, "I"): 1}}, 3600, 480),
        (".su", {"order": "<"}, 0, 240),
        (".su", {"order": ">"}, 0, 240),
    ],
)
def test_two_words_change_and_no_other_byte(tmp_path, ending, settings, start, header_bytes):
    size = {1: 4, 3: 2, 5: 4, 6: 8, 16: 1}[settings.get("code", 5)]
    tail = b"\0" * 700 if ending == ".segy" and "further" not in settings else b""
    path = written(tmp_path, Line(3, 8), ending, tail=tail, **settings)
    dead = np.arange(TRACES) % 7 == 2
    source, order = opened(path), settings.get("order", ">")
    for byte, width in ((231, 2), (225, 4)):
        out = tmp_path / f"copy{byte}{ending}"
        changed = marked_copy(source, out, header_word(byte), NUMBERS, dead)
        assert changed == Copied(int(dead.sum()), 0, 0)
        expected = patched(path.read_bytes(), start, header_bytes + 60 * size, order, byte, width, NUMBERS, dead)
        assert out.read_bytes() == expected


def test_what_is_overwritten_is_counted(tmp_path):
    line = Line(3, 8)
    line["cable"] = np.where(line.number == 3, 17, 0)
    line["trid"] = np.where(line.number == 5, 2, 1)
    source = opened(written(tmp_path, line))
    dead = line.number == 5
    assert marked_copy(source, tmp_path / "b.segy", header_word(233), NUMBERS, dead) == Copied(0, 3, 17)


@pytest.mark.parametrize("place", [10, 3300, 3600 + 50, 3600 + 240 + 7, 3600 + 232, 3600 + 29, -1])
def test_a_byte_that_differs_is_found(tmp_path, place):
    path = written(tmp_path, Line(3, 8), tail=b"\0" * 700)
    source, out, dead = opened(path), tmp_path / "b.segy", np.zeros(TRACES, bool)
    marked_copy(source, out, header_word(233), NUMBERS, dead)
    content = bytearray(out.read_bytes())
    content[place] ^= 1
    out.write_bytes(content)
    with pytest.raises(InputError, match=r"b\.segy: differs from .*a\.segy where it must not"):
        check_copy(source, out, header_word(233), NUMBERS, dead)
    out.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="where it must not"):
        check_copy(source, out, header_word(233), NUMBERS, dead)


def test_blocks_of_traces_change_like_one(tmp_path, monkeypatch):
    source = opened(written(tmp_path, Line(3, 8)))
    dead = np.arange(TRACES) % 7 == 2
    marked_copy(source, tmp_path / "whole.segy", header_word(233), NUMBERS, dead)
    monkeypatch.setattr("glowseis.survey.formats.trace_bytes.BLOCK_BYTES", 1500)
    monkeypatch.setattr(copying, "PIECE_BYTES", 1000)
    marked_copy(source, tmp_path / "parts.segy", header_word(233), NUMBERS, dead)
    assert (tmp_path / "whole.segy").read_bytes() == (tmp_path / "parts.segy").read_bytes()


def test_the_first_free_word_is_taken(tmp_path):
    assert chosen_word([opened(written(tmp_path, Line()))], None).byte == 233
    line = Line()
    line["cable"] = np.where(line.number == 20, 1, 0)
    assert chosen_word([opened(written(tmp_path, line))], None).byte == 237
    own = tmp_path / "own.segy"
    write_segy(own, [random_recording(1, samples=60, traces=8)])
    assert chosen_word([opened(own)], None).byte == 231
    assert chosen_word([opened(written(tmp_path, line)), opened(own)], None).byte == 231
    second = written(tmp_path, Line(), binary={(3501, "H"): 512})
    assert chosen_word([opened(second)], None).byte == 231


def test_no_free_word_is_told(tmp_path):
    path = written(tmp_path, Line(), binary={(3501, "H"): 512})
    content = bytearray(path.read_bytes())
    content[3600 + 224] = content[3600 + 231] = 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="none of the trace header words at bytes 233, 237, 231, 225 is free"):
        chosen_word([opened(path)], None)


@pytest.mark.parametrize(
    ("asked", "options", "message"),
    [
        ("9", {}, r"--grade-word 9: its bytes 9-12 overlap FieldRecord \(bytes 9-12\), which readers of"),
        ("FieldRecord", {}, "overlap FieldRecord"),
        ("11", {}, "bytes 11-14 overlap FieldRecord"),
        ("13", {}, "overlap TraceNumber"),
        ("115", {}, "overlap TRACE_SAMPLE_COUNT"),
        ("28", {}, "overlap TraceIdentificationCode"),
        ("197", {"shot_header": "197"}, r"overlap the header word 197 \(bytes 197-200\)"),
        ("233", {"cable_header": "233"}, "overlap the header word 233"),
        ("238", {}, "--grade-word 238: no word of a trace header; give its first byte, from 1 to 237"),
        ("0", {}, "--grade-word 0: no word of a trace header; give its first byte, from 1 to 237"),
        ("Grade", {}, "--grade-word Grade: no word of a trace header; give its first byte, from 1 to 237"),
    ],
)
def test_words_that_are_needed_or_none_are_refused(tmp_path, asked, options, message):
    line = Line()
    line["sp"] = 100 + line.shot
    with pytest.raises(InputError, match=message):
        chosen_word([opened(written(tmp_path, line), **options)], asked)


def test_a_word_of_names_in_revision_2_is_refused(tmp_path):
    source = opened(written(tmp_path, Line(), binary={(3501, "H"): 512}))
    with pytest.raises(InputError, match=r"overlap the trace header's name \(bytes 233-240\)"):
        chosen_word([source], "237")
    assert chosen_word([source], "SourceMeasurementUnit") == header_word("SourceMeasurementUnit")


def test_headers_come_with_their_places_without_auxiliary_traces(tmp_path):
    line = Line(2, 8)
    line["trid"] = np.where(line.number == 3, 4, 1)
    path = written(tmp_path, line, amplitude=swell(16, 60))
    source = opened(path)
    found = list(source.gather_headers())
    assert [numbers.tolist() for numbers, _ in found] == [[0, 1, 2, 4, 5, 6, 7], [8, 9, 10, 12, 13, 14, 15]]
    for (numbers, headers), gather in zip(found, source.gathers(), strict=True):
        assert len(numbers) == gather.amplitude.shape[1]
        assert headers[:, 15].tolist() == gather.geometry.channel.tolist()
