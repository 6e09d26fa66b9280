"""Which gathers are chosen, how common classes are said to be, and which labels are suspected."""

import dataclasses

import numpy as np
import pytest

from glowseis.choosing.fractions import BLOCK, estimate, random_order, random_sample
from glowseis.choosing.head import fit_head, standardised, unseen_probabilities
from glowseis.choosing.mixture import DISPUTED, SHARES, Known, choose, numbers_of, parse_shares
from glowseis.choosing.suspects import suspected
from glowseis.errors import InputError

IDS = [f"gather-{number:04d}" for number in range(400)]


def known(count=400, **changes):
    """A survey of two lines and cables, of which nothing is judged."""
    random = np.random.default_rng(4)
    made = Known(
        probabilities=random.dirichlet([1.0, 1.0, 0.3], count),
        features=random.normal(size=(count, 5)),
        order=random_order(IDS[:count], 1),
        judged=np.zeros(count, bool),
        open=np.ones(count, bool),
        lines=np.arange(count) // (count // 2),
        shots=1 + np.arange(count) // 2,
        cables=np.arange(count) % 2,
        suspects=np.zeros(0, np.int64),
        rare=2,
    )
    return dataclasses.replace(made, **changes)


def only(reason):
    return {**dict.fromkeys(SHARES, 0.0), reason: 1.0}


def with_judged(rows, count=400, **changes):
    judged = np.isin(np.arange(count), rows)
    return known(count, judged=judged, open=~judged, **changes)


def rows_of(choices, reason=None):
    return [one.row for one in choices if reason in (None, one.reason)]


class TestFractions:
    def test_the_order_is_that_of_ids_and_seed_alone(self):
        order = random_order(IDS, 1)
        turned = random_order(IDS[::-1], 1)
        assert [IDS[row] for row in order] == [IDS[::-1][row] for row in turned]
        assert sorted(order) == list(range(400)) and list(order) != list(random_order(IDS, 2))

    @pytest.mark.parametrize(("until", "sampled"), [(0, 0), (4, 0), (5, 5), (9, 5), (12, 10), (400, 400)])
    def test_the_sample_is_the_orders_start_in_blocks(self, until, sampled):
        order = random_order(IDS, 1)
        judged = np.isin(np.arange(400), order[:until])
        # What was judged for other reasons does not lengthen it.
        judged[order[until + 1 :: 3]] = True
        assert list(random_sample(order, judged)) == list(order[:sampled])
        assert BLOCK == 5

    def test_intervals_are_those_of_clopper_and_pearson(self):
        labels = np.array(["good"] * 18 + ["bad"] * 2 + [""] * 5, object)
        found = estimate(labels, ("good", "medium", "bad"), np.arange(25), 400)
        assert (found.sampled, found.undecided) == (25, 5)
        bad, medium = found.classes[2], found.classes[1]
        assert (bad.found, bad.value) == (2, 0.1)
        # Tables of the exact interval: 2 of 20, and 0 of 20.
        assert (bad.low, bad.high) == pytest.approx((0.0123, 0.3170), abs=1e-4)
        assert (medium.low, medium.high) == pytest.approx((0.0, 0.1684), abs=1e-4)
        # It says what it takes for granted.
        (line,) = found.lines()
        assert line.endswith("random, if their labels are right and the 5 more without a label are like them")
        (line,) = estimate(labels[:20], ("good", "bad"), np.arange(20), 400).lines()
        assert line.endswith("from 20 gathers chosen at random, if their labels are right")

    def test_the_estimate_is_unbiased_although_bad_gathers_are_sought(self):
        random, found = np.random.default_rng(2), []
        truth = np.array(["good"] * 360 + ["bad"] * 40, object)
        for seed in range(60):
            probabilities = np.column_stack([np.full(400, 0.5), truth == "bad"]) + random.uniform(0, 0.1, (400, 2))
            order, judged = random_order(IDS, seed), np.zeros(400, bool)
            for _ in range(4):
                choices = choose(
                    with_judged(np.flatnonzero(judged), probabilities=probabilities, order=order, rare=1),
                    25,
                    SHARES | {"rare class": 0.4, "uncertain": 0.24},
                    0,
                    seed,
                )
                judged[rows_of(choices)] = True
            labels = np.where(judged, truth, "")
            assert (labels[judged] == "bad").mean() > 0.2
            found.append(estimate(labels, ("good", "bad"), random_sample(order, judged), 400))
        assert {one.sampled for one in found} == {20}
        values = [one.classes[1].value for one in found]
        assert np.mean(values) == pytest.approx(0.1, abs=3 * np.std(values) / 60**0.5)
        assert np.mean([one.classes[1].low <= 0.1 <= one.classes[1].high for one in found]) >= 0.93


class TestShares:
    def test_numbers_add_up(self):
        for count in range(40):
            numbers = numbers_of(count, SHARES)
            assert sum(numbers.values()) == count
            assert all(abs(numbers[one] - count * SHARES[one] / sum(SHARES.values())) < 1 for one in SHARES)

    def test_shares_are_read(self):
        assert parse_shares(["second-look=0.5", "random = 1"]) == SHARES | {"second look": 0.5, "random": 1.0}

    @pytest.mark.parametrize(
        ("words", "wrong"),
        [
            (["random"], "write REASON=SHARE"),
            (["rare=1"], "there is no reason 'rare'; choose from random, second-look, rare-class"),
            (["random=-1"], "'-1' is not a share"),
            (["random=nan"], "'nan' is not a share"),
            (["random=many"], "'many' is not a share"),
            ([f"{reason.replace(' ', '-')}=0" for reason in SHARES], "all shares are 0"),
        ],
    )
    def test_wrong_shares_are_refused(self, words, wrong):
        with pytest.raises(InputError, match=wrong):
            parse_shares(words)


class TestMixture:
    def test_the_same_arguments_give_the_same_choices_of_every_reason(self):
        given = known(suspects=np.array([7, 9, 11]))
        choices = choose(given, 25, SHARES, 5, 1)
        assert choices == choose(given, 25, SHARES, 5, 1)
        assert len(set(rows_of(choices))) == 25
        counts = {reason: len(rows_of(choices, reason)) for reason in SHARES}
        assert counts == numbers_of(25, SHARES)
        assert set(rows_of(choices, "second look")) == {7, 9}
        # Reasons are mixed, so that whoever stops early has some of each.
        assert len({one.reason for one in choices[:12]}) >= 3

    def test_disputed_gathers_and_suspected_labels_come_back_by_turns(self):
        given = known(suspects=np.array([7, 9, 11]), disputed=np.array([2, 4]))
        shares = SHARES | {"second look": 1.0}
        for count, disputed, wrong in ((1, {2}, set()), (3, {2, 4}, {7}), (5, {2, 4}, {7, 9, 11})):
            # All other reasons have no share.
            choices = choose(given, count, dict.fromkeys(SHARES, 0.0) | {"second look": 1.0}, 5, 1)
            assert set(rows_of(choices, DISPUTED)) == disputed and set(rows_of(choices, "second look")) == wrong
        assert len(choose(given, 25, shares, 5, 1)) == 25

    def test_judged_gathers_are_left_out_and_free_the_random_share(self):
        order = known().order
        given = with_judged(order[1:4])
        choices = choose(given, 25, SHARES, 0, 1)
        assert not set(rows_of(choices)) & set(order[1:4].tolist()) and len(choices) == 25
        # Of the next five of the order, three are judged already.
        assert set(rows_of(choices, "random")) == {order[0], order[4]}

    def test_random_choices_alone_are_the_order(self):
        given = with_judged(known().order[2:5])
        assert set(rows_of(choose(given, 10, only("random"), 50, 1))) == {*given.order[:2], *given.order[5:13]}

    def test_each_reason_takes_the_best_by_its_figure(self):
        given = known()
        rare = rows_of(choose(given, 10, only("rare class"), 0, 1))
        assert set(rare) == set(np.argsort(-given.probabilities[:, 2])[:10].tolist())
        two = np.sort(given.probabilities, axis=1)
        uncertain = rows_of(choose(given, 10, only("uncertain"), 0, 1))
        assert set(uncertain) == set(np.argsort(two[:, 2] - two[:, 1])[:10].tolist())

    def test_centres_cover_what_is_not_labelled(self):
        # Twelve tight groups, of which two have labels: each choice is of another group.
        random = np.random.default_rng(1)
        group = np.arange(400) % 12
        features = 10 * random.normal(size=(12, 5))[group] + 0.01 * random.normal(size=(400, 5))
        given = with_judged([0, 1], features=features)
        chosen = rows_of(choose(given, 10, only("different"), 0, 1))
        assert set(group[chosen]) == set(range(2, 12))

    @pytest.mark.parametrize("apart", [0, 10, 30])
    def test_choices_keep_apart_along_a_line_and_cable(self, apart):
        # Probably bad gathers are neighbours, as bad weather makes them; one in their middle is judged.
        close = np.abs(np.arange(400) - 100)
        probabilities = np.column_stack([close, close, 400.0 - close])
        given = with_judged([100], probabilities=probabilities / probabilities.sum(axis=1, keepdims=True))
        chosen = np.array([*rows_of(choose(given, 6, only("rare class"), apart, 1)), 100])
        same = (given.lines[chosen][:, None] == given.lines[chosen]) & (
            given.cables[chosen][:, None] == given.cables[chosen]
        )
        away = np.abs(given.shots[chosen][:, None] - given.shots[chosen])
        np.fill_diagonal(same, False)
        assert away[same].min() >= max(apart, 1)
        assert away[same].min() < max(2 * apart, 2)

    def test_neighbours_are_taken_where_nothing_else_is_left(self):
        given = known(8, lines=np.ones(8, int), cables=np.ones(8, int), shots=1 + np.arange(8), order=np.arange(8))
        assert len(choose(given, 5, only("uncertain"), 100, 1)) == 5
        assert len(choose(given, 25, SHARES, 100, 1)) == 8

    def test_unknown_shots_are_never_near(self):
        given = known(shots=np.zeros(400, int))
        far = choose(given, 10, only("rare class"), 100, 1)
        assert set(rows_of(far)) == set(rows_of(choose(given, 10, only("rare class"), 0, 1)))


class TestHead:
    @pytest.fixture(scope="class")
    def told(self):
        """A classifier that grades at random, and features that tell the classes."""
        random = np.random.default_rng(3)
        classes = random.integers(0, 3, 300)
        features = standardised(random.normal(size=(300, 20)) + 3 * np.eye(3, 20)[classes])
        return np.log(random.dirichlet([1, 1, 1], 300)), features, classes

    def test_it_learns_from_features(self, told):
        logarithms, features, classes = told
        head = fit_head(logarithms[:150], features[:150], classes[:150])
        graded = head.probabilities(logarithms[150:], features[150:]).argmax(axis=1)
        assert (graded == classes[150:]).mean() > 0.7
        assert (logarithms[150:].argmax(axis=1) == classes[150:]).mean() < 0.5

    def test_with_few_labels_it_stays_near_the_classifier(self, told):
        _, features, classes = told
        sure = np.log(0.97 * np.eye(3)[classes] + 0.01)
        rows = np.concatenate([np.flatnonzero(classes == one)[:2] for one in range(3)])
        head = fit_head(sure[rows], features[rows], classes[rows])
        assert np.abs(head.probabilities(sure, features) - np.exp(sure)).max() < 0.1
        assert fit_head(sure[:1], features[:1], classes[:1]) is None

    def test_a_label_has_no_part_in_its_own_probability(self, told):
        logarithms, features, _ = told
        features = np.column_stack([features, np.random.default_rng(9).normal(size=(300, 400))])
        drawn = np.random.default_rng(8).integers(0, 3, 300)
        flat = np.zeros_like(logarithms)
        unseen = unseen_probabilities(flat, features, drawn, np.arange(300) // 20, 1)
        seen = fit_head(flat, features, drawn).probabilities(flat, features)
        assert (seen.argmax(axis=1) == drawn).mean() > 0.8
        assert (unseen.argmax(axis=1) == drawn).mean() < 0.45

    @pytest.mark.parametrize("counts", [(4, 3, 3), (20, 1, 0), (3, 3, 3), (1, 0, 0), (8, 0, 3)])
    @pytest.mark.parametrize("lines", [1, 3, 9])
    def test_any_few_labels_have_probabilities(self, told, counts, lines):
        logarithms, features, classes = told
        rows = np.concatenate([np.flatnonzero(classes == one)[:count] for one, count in enumerate(counts)])
        found = unseen_probabilities(logarithms[rows], features[rows], classes[rows], np.arange(len(rows)) % lines, 1)
        assert found.shape == (len(rows), 3) and found.sum(axis=1) == pytest.approx(1)

    def test_features_that_do_not_vary_are_nothing(self):
        features = standardised(np.column_stack([np.full(9, 5.0), np.arange(9.0)]))
        assert not features[:, 0].any() and features[:, 1].std() == pytest.approx(1)


def test_flipped_labels_are_suspected():
    random = np.random.default_rng(5)
    classes = random.integers(0, 3, 200)
    probabilities = 0.85 * np.eye(3)[classes] + 0.05
    given = classes.copy()
    given[[3, 50, 120]] = (classes[[3, 50, 120]] + 1) % 3
    assert set(suspected(given, probabilities)) == {3, 50, 120}
    # A class without labels, and labels of one class alone.
    two = given < 2
    assert set(np.flatnonzero(two)[suspected(given[two], probabilities[two])]) <= {3, 50, 120}
    assert not len(suspected(np.zeros(5, int), probabilities[:5]))
