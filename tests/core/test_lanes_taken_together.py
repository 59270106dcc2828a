"""A lane that leaves the others is seen while each is inside its own limits."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from control.core import charting
from control.core.loop import ChartConfig, Machine, State, StreamConfig, StreamState
from control.core.machine import Averaged, Together
from control.core.spc import mewma
from control.core.spc.hotelling import Reference
from control.core.spc.rules import BEYOND
from control.core.together import AGE_S, Line, observations
from control.core.types import Measured, MeasuredBy, Quality, Rule

LANES, SIGMA = 4, 0.1
KEYS = tuple(f"loading/{lane + 1}" for lane in range(LANES))
COVARIANCE = SIGMA**2 * (0.9 + 0.1 * np.eye(LANES))
TOGETHER = Together(KEYS[1:], Reference.of(np.full(LANES, 20.0), COVARIANCE, 5_000))
PLAIN = ChartConfig(20.0, SIGMA, BEYOND)
LINE = Machine(
    "coater",
    (),
    tuple(StreamConfig(key, chart=replace(PLAIN, together=None if i else TOGETHER)) for i, key in enumerate(KEYS)),
)


AVERAGED = Averaged(KEYS[1:], TOGETHER.reference, 0.1, mewma.upper_line(LANES, 0.1))
SLOW = Machine(
    "coater",
    (),
    tuple(StreamConfig(key, chart=replace(PLAIN, averaged=None if i else AVERAGED)) for i, key in enumerate(KEYS)),
)


def crossings(values, every_s=10.0) -> Measured:
    """``values`` (n, lanes): one crossing after the other, lane 1 last."""
    n, lanes = values.shape
    stream = np.tile(np.arange(lanes)[::-1], n)
    return Measured(
        at_s=(np.arange(n)[:, None] * every_s + np.arange(lanes)).ravel(),
        roll=np.ones(n * lanes, np.int64),
        web_m=np.zeros(n * lanes),
        stream=stream,
        value=values[:, ::-1].ravel(),
        quality=np.zeros(n * lanes, np.int64),
        by=np.full(n * lanes, int(MeasuredBy.GAUGE)),
    )


def judged(told, states=None, line=LINE, stage=None):
    states = states or {i: StreamState() for i in range(LANES)}
    stage = np.zeros(len(told), np.int64) if stage is None else stage
    rules, charts = charting.judge(line, states, told, told.quality, told.value * np.nan, stage)
    return rules, states | {index: replace(states[index], chart=chart) for index, (chart, _) in charts.items()}


def part(told, chosen):
    return Measured(
        **{name: getattr(told, name)[chosen] for name in Measured.__slots__ if getattr(told, name) is not None}
    )


def test_lanes_that_move_together_are_in_control_and_one_that_leaves_is_not():
    rules, _ = judged(crossings(np.array([[20.2] * 4, [19.8] * 4, [20.15, 19.95, 19.95, 19.95], [20.0] * 4])))
    assert list(np.flatnonzero(rules)) == [11]
    assert rules[11] == Rule.MULTIVARIATE


def test_lanes_are_told_apart_as_often_as_alpha_says():
    values = np.random.default_rng(91).multivariate_normal(np.full(LANES, 20.0), COVARIANCE, 20_000)
    rules, _ = judged(crossings(values))
    assert np.mean(rules[LANES - 1 :: LANES] & Rule.MULTIVARIATE > 0) == pytest.approx(0.0027, rel=0.35)
    assert not (rules.reshape(-1, LANES)[:, :-1] & Rule.MULTIVARIATE).any()


@pytest.mark.parametrize("line", [LINE, SLOW], ids=["T2", "MEWMA"])
@pytest.mark.parametrize("step", [1, 3, 4, 7])
def test_in_whatever_portions_the_lanes_come_the_verdicts_are_the_same(step, line):
    values = np.random.default_rng(92).multivariate_normal(np.full(LANES, 20.0), 3 * COVARIANCE, 60)
    told = crossings(values)
    whole, after = judged(told, line=line)
    rules, states = [], None
    for begin in range(0, len(told), step):
        bits, states = judged(part(told, slice(begin, begin + step)), states, line)
        states = through_json(states)
        rules.extend(bits)
    assert (np.array(rules) & Rule.MULTIVARIATE).any()
    assert rules == list(whole)
    assert states == after


def through_json(states):
    told = State(streams={str(i): one for i, one in states.items()}).to_json()
    return {int(i): one for i, one in State.from_json(told).streams.items()}


def test_a_small_lasting_parting_is_seen_by_the_average_of_the_lanes_and_not_by_each_crossing():
    n = 2_000
    values = np.random.default_rng(94).multivariate_normal(np.full(LANES, 20.0), COVARIANCE, 2 * n)
    values[n:, 0] += 0.4 * SIGMA
    rules = [judged(crossings(values), line=line)[0][LANES - 1 :: LANES] for line in (LINE, SLOW)]
    at_once, slowly = (told & int(Rule.MULTIVARIATE) > 0 for told in rules)
    assert slowly[:n].mean() < 0.03
    assert slowly[n:].mean() > 0.8
    assert at_once[n:].mean() < 0.1


def test_the_average_of_the_lanes_is_that_of_their_observations_alone():
    values = np.random.default_rng(95).multivariate_normal(np.full(LANES, 20.0), 2 * COVARIANCE, 300)
    rules, states = judged(crossings(values), line=SLOW)
    alone = mewma.judge(values, AVERAGED.reference, AVERAGED.weight, AVERAGED.h)
    assert list(rules[LANES - 1 :: LANES] & int(Rule.MULTIVARIATE) > 0) == list(alone.beyond)
    assert states[0].chart.several.lanes == alone.standing


def averaging(**changed):
    """The line whose first lane is averaged otherwise than ``SLOW``."""
    others = changed.get("others", AVERAGED.others)
    usual = Reference.of(
        changed.pop("mean", np.full(1 + len(others), 20.0)), changed.pop("covariance", COVARIANCE), 5_000
    )
    told = replace(AVERAGED, reference=usual, **changed)
    first, *rest = SLOW.streams
    return replace(SLOW, streams=(replace(first, chart=replace(first.chart, averaged=told)), *rest))


CROSSED = np.random.default_rng(96).multivariate_normal(np.full(LANES, 20.0), COVARIANCE, 60)


@pytest.mark.parametrize(
    "before",
    [
        {"others": KEYS[1:3], "covariance": COVARIANCE[:3, :3]},
        {"others": (KEYS[2], KEYS[1], KEYS[3])},
        {"covariance": 2 * COVARIANCE},
        {"mean": np.full(LANES, 20.1)},
        {"weight": 0.2},
    ],
    ids=["a lane fewer", "other lanes", "covariance", "mean", "weight"],
)
def test_the_average_of_other_lanes_or_of_another_reference_begins_anew(before):
    told = crossings(CROSSED)
    _, states = judged(part(told, slice(0, 120)), line=averaging(**before))
    rules, after = judged(part(told, slice(120, 240)), through_json(states), SLOW)
    begun = {i: replace(one, chart=replace(one.chart, several=None)) for i, one in states.items()}
    afresh, expected = judged(part(told, slice(120, 240)), begun, SLOW)
    assert after[0].chart.several == expected[0].chart.several
    assert list(rules & int(Rule.MULTIVARIATE)) == list(afresh & int(Rule.MULTIVARIATE))


def test_the_same_lanes_drawn_again_go_on():
    told = crossings(CROSSED)
    _, states = judged(part(told, slice(0, 120)), line=SLOW)
    _, after = judged(part(told, slice(120, 240)), states, averaging())
    assert after[0].chart.several == judged(told, line=SLOW)[1][0].chart.several


def test_a_state_stored_before_averages_had_a_design_begins_them_anew():
    _, states = judged(crossings(CROSSED), line=SLOW)
    stored = json.loads(State(streams={"a": states[0]}).to_json())
    several = stored["streams"]["a"]["chart"]["several"]
    stored["streams"]["a"]["chart"]["several"] = several[:2]
    assert State.from_json(json.dumps(stored)).streams["a"].chart.several.design == ""


def test_a_new_stage_begins_the_average_of_the_lanes_afresh():
    told = crossings(np.tile([20.3, 20.0, 20.0, 20.0], (9, 1)))
    _, states = judged(told, line=SLOW, stage=np.repeat([0, 1], [5 * LANES, 4 * LANES]))
    assert states[0].chart.several.lanes.taken == 4


def test_a_lane_not_read_lately_makes_no_observation():
    own = Line(np.array([5.0, 100.0, 200.0]), np.array([1.0, 2.0, 3.0]))
    other = Line(np.array([100.0 - AGE_S, 150.0]), np.array([7.0, 8.0]))
    found = observations(own, [other, Line(np.empty(0), np.empty(0))])
    assert np.array_equal(found[:, :2], [[1.0, np.nan], [2.0, 7.0], [3.0, 8.0]], equal_nan=True)
    assert np.isnan(found[:, 2]).all()


def test_a_doubted_value_of_another_lane_is_not_held_against_this_one():
    told = crossings(np.array([[20.0] * 4, [20.15, 19.95, 19.95, 19.95]]))
    doubted = told.quality.copy()
    doubted[4:7] = int(Quality.DOUBTFUL)
    rules, _ = judged(replace(told, quality=doubted))
    alone, _ = judged(told)
    assert alone[7] == Rule.MULTIVARIATE
    assert rules[7] == judged(crossings(np.array([[20.0] * 4, [20.15, 20.0, 20.0, 20.0]])))[0][7]


def test_a_machine_without_the_other_lanes_is_refused():
    with pytest.raises(ValueError, match="loading/4"):
        Machine("coater", (), LINE.streams[:3])
