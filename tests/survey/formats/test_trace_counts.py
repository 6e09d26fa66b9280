"""Gathers with fewer traces than those beside them."""

import numpy as np
import pytest

from glowseis.survey.formats.trace_counts import shorter_gathers


def found_short(counts, cables):
    """What is told of gathers with so many traces."""
    return {one.kind: one.text for one in shorter_gathers(np.array(counts), np.array(cables), "g{}".format)}


@pytest.mark.parametrize(
    ("counts", "kind", "text"),
    [
        ([60, 59, 60, 60, 60, 60, 60, 15], "shorter", "the last gather (g7) has 15 of the 60 traces that most others"),
        ([20, 60, 58, 60, 60, 60, 60, 61], "shorter", "the first gather (g0) has 20 of the 60 traces that most others"),
        ([60, 60, 60, 20, 60, 60, 60, 60], "missing", "1 gather with far fewer than the 60 traces that most others"),
        ([60, 60, 60, 20, 60, 60, 60, 59], "missing", "(g3: 20); traces may be missing"),
        # Channels that were left out here and there; lines that grow, as of midpoints; varying numbers.
        ([60, 59, 60, 57, 58, 60, 60, 55], None, ""),
        ([10, 20, *[30] * 12, 20, 10], None, ""),
        ([60, 30, 45, 60, 12, 33, 60, 15], None, ""),
    ],
)
def test_gathers_that_lost_many_traces(counts, kind, text):
    found = found_short(counts, [1] * len(counts))
    assert list(found) == ([kind] if kind else []) and text in found.get(kind, "")


@pytest.mark.parametrize(
    ("changed", "kind", "text"),
    [
        ({}, None, ""),
        ({19: 29}, "shorter", "the last gather (g19) has 29 of the 30 traces that the others of its cable have"),
        ({0: 47}, "shorter", "the first gather (g0) has 47 of the 48 traces that the others of its cable have"),
        ({5: 47, 11: 29}, None, ""),
        ({12: 20, 5: 47}, "missing", "1 gather with far fewer than the 48 traces that most others of its cable"),
    ],
)
def test_gathers_are_compared_with_those_of_their_cable(changed, kind, text):
    """Three cables of 48 channels and a shorter one, five shots."""
    counts = [48, 48, 48, 30] * 5
    for number, count in changed.items():
        counts[number] = count
    found = found_short(counts, [1, 2, 3, 4] * 5)
    assert list(found) == ([kind] if kind else []) and text in found.get(kind, "")
