"""The interval is drawn from the newest errors made in use, and what it held is counted."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core.loop import State, run
from control.core.vm import calibration
from control.core.vm.calibration import COVERAGE, FEWEST, KEPT, STEPS, Calibration, Stated, rolling_width
from tests.core.tiny_line import STREAMS, TinyLine, joined


def fresh() -> Calibration:
    return Calibration.unpacked("", COVERAGE, 1.0, "")


def followed(errors) -> tuple[Calibration, list[bool]]:
    """Errors taken one after the other, and whether each lay inside what was stated for it."""
    kept, inside = fresh(), []
    for error in errors:
        inside.append(abs(error) <= kept.width)
        kept.score(float(error), Stated(0.0, kept.width))
    return kept, inside


def test_the_width_of_training_holds_until_there_are_some_scores():
    kept, _ = followed([3.0] * (FEWEST - 1))
    assert kept.width == 1.0
    kept.score(3.0, Stated(0.0, 1.0))
    assert kept.width == 3.0


@pytest.mark.parametrize(("n", "level", "rank"), [(99, 0.9, 90), (250, 0.9, 226), (20, 0.9, 19), (20, 0.99, 20)])
def test_the_width_is_the_conformal_rank_of_the_scores(n, level, rank):
    assert rolling_width([float(i) for i in range(1, n + 1)], level) == rank


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
def test_nine_of_ten_errors_lie_inside_whatever_training_thought_of_their_size(scale):
    shares = []
    for seed in range(10):
        _, inside = followed(scale * np.random.default_rng(seed).standard_t(5, 2000))
        shares.append(np.mean(inside[100:]))
    assert abs(np.median(shares) - 0.90) < 0.01
    assert max(abs(np.array(shares) - 0.90)) < 0.03


def test_errors_that_double_are_followed_within_the_set():
    rng = np.random.default_rng(1)
    _, inside = followed(np.concatenate([rng.normal(0, 0.5, 1000), rng.normal(0, 1.0, 1000)]))
    assert abs(np.mean(inside[1250:]) - 0.90) < 0.03


def test_the_coverage_told_is_the_share_of_the_kept_scores_that_were_inside():
    kept, inside = followed(np.random.default_rng(2).normal(0, 0.6, 700))
    share, n = calibration.coverage(kept.packed()["scores"])
    assert (n, share) == (KEPT, pytest.approx(np.mean(inside[-KEPT:])))
    assert calibration.coverage("")[1] == 0


@settings(max_examples=30)
@given(st.lists(st.floats(-50, 50), max_size=80), st.integers(0, 80))
def test_being_stored_between_two_errors_makes_no_difference(errors, at):
    through = fresh()
    for i, error in enumerate(errors):
        if i == at:
            told = json.loads(json.dumps(through.packed()))
            through = Calibration.unpacked(told["scores"], told["level"], told["width"], told["trail"])
        through.score(error, through.before(i - 3.5, Stated(0.0, 1.0)))
        through.step(float(i), error / 7)
    straight = fresh()
    for i, error in enumerate(errors):
        straight.score(error, straight.before(i - 3.5, Stated(0.0, 1.0)))
        straight.step(float(i), error / 7)
    assert through == straight


def test_memory_is_bounded_whatever_comes():
    kept = fresh()
    for i in range(5 * KEPT):
        kept.score(1e9, Stated(0.0, 1.0))
        kept.step(float(i), 1.0)
    assert (len(kept.scores), len(kept.sizes), len(kept.stated)) == (KEPT, KEPT, STEPS)
    assert np.isfinite(kept.width)


def test_what_was_stated_for_a_metre_is_what_held_before_it_passed_the_die():
    kept = fresh()
    for at_s in (10.0, 20.0, 30.0):
        kept.step(at_s, at_s / 10)
    assert [kept.before(at_s, Stated(9.0, 1.0)).bias for at_s in (10.5, 20.0, 20.5, 99.0)] == [1.0, 1.0, 2.0, 3.0]
    assert kept.before(5.0, Stated(9.0, 1.0)).bias == 1.0  # older than the trail: the oldest that is known
    assert fresh().before(5.0, Stated(9.0, 1.0)).bias == 9.0
    assert [kept.after(at_s) for at_s in (5.0, 20.0, 30.5)] == [3, 2, 0]


def test_in_use_the_interval_holds_nine_of_ten_gauge_values(machine):
    shares = []
    for seed in (31, 32, 33):
        line = TinyLine(seed)
        for _ in range(2500):
            line.step()
        trace, gauge = line.trace(), joined([line.gauge(at_s) for at_s in range(2500)])
        found = run(machine, State(), trace, np.ones(len(trace), bool), gauge)
        row, told = found.judged.row, found.predictions
        paired = (row >= 0) & (found.judged.quality == 0) & (gauge.at_s > 300)
        low, high = told.low[row[paired], gauge.stream[paired]], told.high[row[paired], gauge.stream[paired]]
        shares.append(np.mean((gauge.value[paired] >= low) & (gauge.value[paired] <= high)))
        kept = [calibration.coverage(found.state.streams[stream.key].scores)[0] for stream in STREAMS]
        assert abs(np.mean(kept) - 0.90) < 0.04
    assert abs(np.mean(shares) - 0.90) < 0.03
