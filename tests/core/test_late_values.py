"""A value corrects the model at its own metre: late, it is no news about now; the order of arrival does not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.core.loop import Machine, State, run
from control.core.types import MeasuredBy, Quality
from control.core.vm.metrology import Doubt
from tests.core.tiny_line import STREAMS, TAGS, TinyLine, measured

WEIGHT = 0.3


@pytest.fixture(scope="module")
def by_lab(machine):
    """The same coater where only the laboratory measures."""
    return Machine("coater", TAGS, tuple(replace(s, feedback=MeasuredBy.LAB) for s in STREAMS), machine.estimator)


@pytest.fixture(scope="module")
def trace():
    """Half an hour in which the pump is set 2 % higher at 900 s."""
    line = TinyLine(41, disturbed=False)
    for second in range(1800):
        if second == 900:
            line.setting["pump"] *= 1.02
        line.step()
    return line.trace()


def fed(machine, trace, values, state=None):
    lab = measured([(at_s, 1, web_m, 0, value) for at_s, web_m, value in values], MeasuredBy.LAB)
    return run(machine, state or State(), trace, np.zeros(len(trace), bool), lab)


def test_a_lab_value_of_half_an_hour_ago_corrects_by_how_far_the_model_was_off_there(by_lab, trace):
    """The sample was cut before the pump moved; the loading of now would make it look 2 % too light."""
    base = fed(by_lab, trace, [(400.0, 400.0, 20.0)]).judged.predicted[0]
    found = fed(by_lab, trace, [(400.0, 400.0, base + 0.05)])
    assert found.judged.predicted[0] == pytest.approx(base)
    assert found.state.streams["loading/1"].bias == pytest.approx(WEIGHT * 0.05)


def test_what_comes_in_another_order_leaves_the_same_bias(by_lab, trace):
    base = {m: fed(by_lab, trace, [(m, m, 20.0)]).judged.predicted[0] for m in (300.0, 600.0, 1200.0)}
    off = {300.0: 0.04, 600.0: -0.03, 1200.0: 0.05}
    samples = [(m, m, base[m] + off[m]) for m in off]
    in_turn, out_of_turn = State(), State()
    for one in samples:
        in_turn = fed(by_lab, trace, [one], in_turn).state
    for one in (samples[0], samples[2], samples[1]):
        out_of_turn = fed(by_lab, trace, [one], out_of_turn).state
    expected = in_turn.streams["loading/1"].bias
    assert out_of_turn.streams["loading/1"].bias == pytest.approx(expected, abs=1e-6)
    assert out_of_turn.streams["loading/1"].error_at_s == in_turn.streams["loading/1"].error_at_s


def test_a_wild_value_out_of_its_turn_is_doubted_and_moves_nothing(by_lab, trace):
    before = fed(by_lab, trace, [(1200.0, 1200.0, 20.4)]).state
    found = fed(by_lab, trace, [(600.0, 600.0, 26.0)], before)
    assert found.state == before
    assert (found.judged.quality[0], found.judged.doubt[0]) == (Quality.DOUBTFUL, Doubt.ALONE)
    assert found.judged.dqiy[0] > 1


@pytest.mark.parametrize(("at_s", "value"), [(1300.0, 20.45), (600.0, 20.05)], ids=["in its turn", "out of its turn"])
def test_a_gauge_that_is_lying_is_doubted_whenever_its_value_comes(machine, trace, at_s, value):
    state = run(machine, State(), trace, np.zeros(len(trace), bool), measured([(1200.0, 1, 1200.0, 0, 20.4)])).state
    stream = state.streams["loading/1"]
    lying = replace(state, streams={**state.streams, "loading/1": replace(stream, gauge_lab=(6.0, 0.0))})
    found = run(machine, lying, trace, np.zeros(len(trace), bool), measured([(at_s, 1, at_s, 0, value)]))
    assert (found.judged.quality[0], found.judged.doubt[0]) == (Quality.DOUBTFUL, Doubt.GAUGE_LAB)
    assert found.judged.dqiy[0] == pytest.approx(6.0 / 5.0)
    assert found.state.streams["loading/1"].bias == stream.bias


def test_a_value_known_at_the_instant_of_a_prediction_is_not_in_it(by_lab, trace):
    """A gauge at the die itself would else be foretold with its own value."""
    lab = measured([(1799.0, 1, 1500.0, 0, 20.3)], MeasuredBy.LAB)
    new = trace.at_s >= 1799.0
    with_it, without = (run(by_lab, State(), trace, new, values) for values in (lab, measured([(1.0, 9, 0.0, 0, 1.0)])))
    assert with_it.state.streams["loading/1"].bias != 0
    assert with_it.predictions.value[0, 0] == without.predictions.value[0, 0]
