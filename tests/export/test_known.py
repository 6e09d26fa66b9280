"""Gathers that trained a model are recognised by id or image."""

import dataclasses

import numpy as np

from glowseis.export.known import DIGESTS, KnownGathers, known_digests, known_gathers
from glowseis.survey.content.digests import valid_region
from tests.support.graded_survey import graded_gather


def test_ids_of_every_part_are_known():
    about = {
        "training_ids": ["a"],
        "validation_ids": ["b"],
        "held_out_ids": ["c"],
        "earlier_ids": ["d"],
        "test_ids": ["e"],
    }
    assert known_gathers(about) == KnownGathers(frozenset("abcd"), frozenset())


def test_an_image_is_known_under_any_name_and_padding_but_not_if_a_level_differs():
    gather = graded_gather(7, "bad")
    known = known_gathers(known_digests([valid_region(gather)]))
    other = dataclasses.replace(gather, gather_id="another", label="good")
    assert other in known
    padded = np.pad(gather.image, ((0, 5), (0, 3)), constant_values=128)
    assert dataclasses.replace(other, image=padded) in known
    changed = gather.image.copy()
    changed[0, 0] ^= 1
    assert dataclasses.replace(other, image=changed) not in known
    assert dataclasses.replace(other, image=gather.image.T.copy(), valid_samples=16, valid_traces=24) not in known


def test_images_of_one_level_are_known_by_id_alone():
    gather = graded_gather(7, "bad")
    dead = dataclasses.replace(gather, image=np.full_like(gather.image, 128))
    assert dead not in known_gathers(known_digests([valid_region(dead), np.zeros((0, 4), np.uint8)]))


def test_a_gather_is_read_only_if_its_id_does_not_tell():
    gather = graded_gather(7, "bad")
    read = []

    def reading():
        read.append(gather.gather_id)
        return gather

    digests = frozenset(known_digests([valid_region(gather)])[DIGESTS])
    assert KnownGathers(frozenset("a"), digests).has("a", reading) and not read
    assert not KnownGathers(frozenset("a"), frozenset()).has("b", reading) and not read
    assert KnownGathers(frozenset("a"), digests).has("b", reading) and read


def test_what_earlier_models_know_is_known_too():
    first, second = (valid_region(graded_gather(shot, "bad")) for shot in (7, 8))
    before = known_gathers(known_digests([first]))
    assert known_gathers(known_digests([second], before)).digests > before.digests
