"""Claims → verdicts: words, guards, intervals, and the rate of false ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from graphnet.experiments.judging.verdicts import Verdict, chance_seen, judge
from graphnet.experiments.results import Results, Values
from graphnet.spec.experiment.model import Claim
from tests.unit.experiments.made_up import experiment, results, values

EXPERIMENT = experiment(vary={"sharing": {"shared": {}, "unshared": {}}})
EFFECT = "test_error[sharing=unshared] - test_error[sharing=shared]"


def errors(*difference: float, common: float = 0.1) -> Values:
    """Test errors of two nets with these differences by seed."""
    shared = np.full(len(difference), common)
    return Values({"sharing": ("shared", "unshared")}, np.array([shared, shared + np.array(difference)]))


def verdict(expect: str, *difference: float, looks: int = 1, **more: str) -> Verdict:
    claim = Claim(says="it is so", effect=EFFECT, expect=expect, **more)
    made = results(seeds=len(difference), test_error=errors(*difference, common=0.0))
    (found,) = judge(claim, EXPERIMENT, made, looks)
    return found


NEAR = (0.021, 0.019, 0.020, 0.022)
FAR = (0.05, -0.04, 0.03, 0.001)


@pytest.mark.parametrize(
    ("expect", "difference", "word"),
    [
        ("> 0", NEAR, "seen"),
        ("< 0", NEAR, "opposite"),
        ("> 0.02", NEAR, "undecided"),
        ("> 0.03", NEAR, "opposite"),
        ("< 0.03", NEAR, "seen"),
        ("> 0", FAR, "undecided"),
        ("within 0.03", NEAR, "seen"),
        ("within 0.01", NEAR, "opposite"),
        ("within 0.02", NEAR, "undecided"),
        ("within 0.03", tuple(-each for each in NEAR), "seen"),
        ("within 0.01", tuple(-each for each in NEAR), "opposite"),
        ("> 0", (0.0, 0.0, 0.0), "equal by construction"),
        ("< 0", (0.0, 0.0, 0.0), "equal by construction"),
        ("within 0.01", (0.0, 0.0, 0.0), "equal by construction"),
        ("> 0.01", (0.0, 0.0, 0.0), "opposite"),
        ("> 0", (0.0, 0.0, 1e-9), "undecided"),
        ("> 0", (0.02, 0.02, 0.02), "seen"),
        ("> 0", (0.02, math.nan, 0.02), "no result"),
        ("> 0", (math.nan, math.nan, math.nan), "no result"),
        ("> 0", (0.02, math.inf, 0.02), "no result"),
        ("> 0", (0.02,), "no result"),
    ],
)
def test_the_word_is_where_the_interval_lies(expect: str, difference: tuple[float, ...], word: str) -> None:
    assert verdict(expect, *difference).word == word


@pytest.mark.parametrize("looks", [1, 3])
def test_the_interval_is_the_paired_t_interval_of_scipy(looks: int) -> None:
    found = verdict("> 0", *FAR, looks=looks)
    level = 1 - 0.05 / looks
    low, high = stats.t.interval(level, 3, np.mean(FAR), stats.sem(FAR))
    assert (found.low, found.high, found.level) == pytest.approx((low, high, level))
    assert (found.n, found.mean) == (4, pytest.approx(np.mean(FAR)))
    assert (found.fraction, found.difference, found.directional) == (True, True, True)


def test_more_looks_can_turn_seen_into_undecided() -> None:
    barely = (0.012, 0.02, 0.03, 0.01)
    assert verdict("> 0", *barely).word == "seen"
    assert verdict("> 0", *barely, looks=5).word == "undecided"


def test_what_is_missing_is_named() -> None:
    assert verdict("> 0", 0.02, math.nan, 0.02).why.startswith("no number in seed 1;")
    assert "skipped, failed" in verdict("> 0", math.nan, math.nan).why
    assert verdict("> 0", 0.02).why == "one seed has no interval"
    assert "point" in verdict("> 0", 0.02, 0.02, 0.02).why
    claim = Claim(says="", effect="loss[sharing=shared]", expect="> 0")
    (found,) = judge(claim, EXPERIMENT, results(test_error=errors(*NEAR)))
    assert (found.word, found.labels) == ("no result", {})
    assert found.why.startswith("the results have no measure 'loss'")


# ---- open factors and guards

TIMED = experiment()
GUARD = "train_accuracy[sharing=shared] > 0.98 and train_accuracy[sharing=unshared] > 0.9"


def _timed(accuracy: dict[tuple[str, str], float]) -> Results:
    """An effect of 1, 2 and 3 points at three times; training accuracies of 0.99 except in seed 3 as given."""
    labels = {"sharing": ("shared", "unshared"), "t": ("5", "9", "13")}
    size = {"5": 0.01, "9": 0.02, "13": 0.03}
    error = values(lambda at, seed: 0.1 + (at["sharing"] == "unshared") * size[at["t"]] * (1 + 0.01 * seed), **labels)
    trained = values(lambda at, seed: accuracy.get((at["sharing"], at["t"]), 0.99) if seed == 3 else 0.99, **labels)
    return results(test_error=error, train_accuracy=trained)


def test_a_verdict_for_each_label_of_an_open_factor() -> None:
    found = judge(Claim(says="", effect=EFFECT, expect="> 0"), TIMED, _timed({}))
    assert [dict(each.labels) for each in found] == [{"t": "5"}, {"t": "9"}, {"t": "13"}]
    assert [each.mean for each in found] == pytest.approx([0.0102, 0.0204, 0.0306])
    assert {each.word for each in found} == {"seen"}


def test_a_guard_holds_for_each_condition_and_label_on_its_own() -> None:
    claim = Claim(says="", effect=EFFECT, expect="> 0", guard=GUARD)
    found = judge(claim, TIMED, _timed({("shared", "9"): 0.97, ("unshared", "13"): 0.97, ("unshared", "5"): 0.89}))
    assert [each.word for each in found] == ["under-trained", "under-trained", "seen"]
    checked = [(each.guard[0].holds, each.guard[1].holds) for each in found]
    assert checked == [(True, False), (False, True), (True, True)]
    assert (found[1].guard[0].worst, found[1].guard[0].seed) == (0.97, 3)
    assert found[1].guard[0].text == "train_accuracy[sharing=shared] > 0.98"


def test_a_guard_counts_at_every_label_of_a_range() -> None:
    effect = f"mean({EFFECT}, over=t)"
    claim = Claim(says="", effect=effect, expect="> 0", guard="train_accuracy[sharing=shared, t=5..9] > 0.98")
    assert judge(claim, TIMED, _timed({("shared", "9"): 0.97}))[0].word == "under-trained"
    assert judge(claim, TIMED, _timed({("shared", "13"): 0.97}))[0].word == "seen"


def test_a_guard_may_bound_from_above() -> None:
    claim = Claim(says="", effect=EFFECT, expect="> 0", guard="train_accuracy[sharing=shared] < 0.995")
    found = judge(claim, TIMED, _timed({("shared", "9"): 0.996}))
    assert [each.word for each in found] == ["seen", "under-trained", "seen"]
    assert found[1].guard[0].worst == 0.996


def test_nets_that_learnt_nothing_are_not_equal_by_construction() -> None:
    made = results(test_error=errors(0, 0, 0, 0, 0, common=0.9), train_accuracy=errors(0, 0, 0, 0, 0))
    claim = Claim(says="", effect=EFFECT, expect="> 0", guard="train_accuracy[sharing=shared] > 0.98")
    assert judge(claim, EXPERIMENT, made)[0].word == "under-trained"


def test_a_guard_without_a_value_gives_no_result() -> None:
    made = _timed({("shared", "9"): math.nan})
    claim = Claim(says="", effect=EFFECT, expect="> 0", guard=GUARD)
    found = judge(claim, TIMED, made)
    assert [each.word for each in found] == ["seen", "no result", "seen"]
    assert found[1].why == "the guard has no value: train_accuracy[sharing=shared] > 0.98"


def test_the_binomial_error_is_the_largest_of_the_test_errors() -> None:
    made = results(test_error=errors(0.1, 0.1, 0.1, 0.1, 0.1, common=0.2))
    claim = Claim(says="", effect=EFFECT, expect="> 0")
    assert judge(claim, EXPERIMENT, made)[0].binomial == pytest.approx(math.sqrt(0.3 * 0.7 / 4000))
    assert judge(claim, EXPERIMENT, replace(made, facts={}))[0].binomial is None
    loss = Claim(says="", effect="loss[sharing=unshared] - loss[sharing=shared]", expect="> 0")
    assert judge(loss, EXPERIMENT, results(loss=errors(*FAR, 0.1)))[0].binomial is None


def test_units() -> None:
    def fraction_and_difference(effect: str) -> tuple[bool, bool]:
        claim = Claim(says="", effect=effect, expect="> 0")
        made = results(test_error=errors(*NEAR, 0.02), loss=errors(*NEAR, 0.02), parameters=errors(*NEAR, 0.02))
        found = judge(claim, EXPERIMENT, made)[0]
        return found.fraction, found.difference

    assert fraction_and_difference(EFFECT) == (True, True)
    assert fraction_and_difference("test_error") == (True, False)
    assert fraction_and_difference("1 - test_error") == (True, False)
    assert fraction_and_difference("2 * test_error") == (True, False)
    assert fraction_and_difference("test_error[sharing=shared] / test_error[sharing=unshared]") == (False, False)
    assert fraction_and_difference("loss[sharing=shared] - loss[sharing=unshared]") == (False, True)
    assert fraction_and_difference("parameters") == (False, False)


# ---- simulation


@pytest.mark.parametrize(("n", "looks"), [(3, 1), (5, 1), (5, 3)])
def test_without_an_effect_false_verdicts_are_as_frequent_as_said(n: int, looks: int) -> None:
    times, rng = 4000, np.random.default_rng(n)
    labels = tuple(map(str, range(times)))
    array = 0.1 + 0.01 * rng.standard_normal((times, n))
    made = results(seeds=n, test_error=Values({"net": labels}, array), chance=Values({}, np.full(n, 0.1)))
    found = judge(Claim(says="", effect="test_error - chance", expect="> 0"), EXPERIMENT, made, looks)
    rate, error = 0.05 / looks, math.sqrt(0.05 / looks * (1 - 0.05 / looks) / times)
    words = [each.word for each in found]
    assert words.count("seen") + words.count("opposite") == pytest.approx(times * rate, abs=3 * times * error)
    seen_error = math.sqrt(times * rate / 2)
    assert chance_seen(found) == pytest.approx(times * rate / 2)
    assert words.count("seen") == pytest.approx(chance_seen(found), abs=3 * seen_error)


def test_parity_at_its_bound_is_rarely_seen() -> None:
    times, n, rng = 4000, 5, np.random.default_rng(0)
    array = 0.1 + 0.01 + 0.004 * rng.standard_normal((times, n))
    net = Values({"net": tuple(map(str, range(times)))}, array)
    made = results(seeds=n, test_error=net, chance=Values({}, np.full(n, 0.1)))
    found = judge(Claim(says="", effect="test_error - chance", expect="within 0.01"), EXPERIMENT, made)
    words = [each.word for each in found]
    assert words.count("seen") <= 0.025 * times + 3 * math.sqrt(0.025 * times)
    assert chance_seen(found) == 0


def test_chance_counts_only_what_could_be_seen() -> None:
    found = [
        verdict("> 0", *NEAR),
        verdict("> 0", *FAR, looks=5),
        verdict("within 0.01", *NEAR),
        verdict("> 0", 0, 0, 0),
    ]
    assert chance_seen(found) == pytest.approx(0.025 + 0.025 / 5)
