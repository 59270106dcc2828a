"""DQIy: what is not fit to be learned from is doubted with a reason, and moves nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from control.core.loop import Machine, State, StreamConfig, run
from control.core.types import MeasuredBy, Quality
from control.core.vm import metrology
from control.core.vm.metrology import Doubt, Triple
from tests.core.tiny_line import TAGS, TARGET, TinyLine, joined, measured

PRESS = tuple(StreamConfig(f"{kind}/{lane}") for kind in ("thickness", "density") for lane in (1, 2))
SIGMA = np.array([0.2, 0.2, 0.005, 0.005])
FOIL = 40.0  # mg/cm2, both sides
THICKNESS, DENSITY = 117.65, 3.4


@pytest.fixture(scope="module")
def settled(machine):
    line = TinyLine(21)
    for _ in range(400):
        line.step()
    trace, gauge = line.trace(), joined([line.gauge(at_s) for at_s in range(400)])
    return trace, run(machine, State(), trace, np.ones(len(trace), bool), gauge).state


def judged(machine, settled, values, by=MeasuredBy.GAUGE, **more):
    trace, state = settled
    told = replace(measured(values, by), **more)
    return run(machine, state, trace, np.zeros(len(trace), bool), told)


@pytest.mark.parametrize("value", [0.0, -20.0, 9.0, 31.0, 2000.0])
def test_two_values_that_are_another_quantity_are_not_believed_because_they_agree(machine, settled, value):
    found = judged(machine, settled, [(401.0, 1, 341.0, 2, value), (405.0, 1, 345.0, 2, value)])
    assert list(found.judged.quality) == [Quality.DOUBTFUL] * 2
    assert list(found.judged.doubt) == [Doubt.RANGE] * 2
    assert found.state == settled[1]


def test_a_wild_value_says_that_nobody_else_saw_it_and_by_how_much(machine, settled):
    found = judged(machine, settled, [(401.0, 1, 341.0, 2, 22.0)])
    assert found.judged.doubt[0] == Doubt.ALONE
    assert found.judged.dqiy[0] > 1


@pytest.mark.parametrize("together", [True, False])
def test_a_wild_value_that_is_sent_twice_does_not_bear_witness_for_itself(machine, settled, together):
    (trace, state), new = settled, np.zeros(len(settled[0]), bool)
    twice = [measured([(at_s, 1, 341.0, 2, 22.0)]) for at_s in (401.0, 401.5)]
    portions, quality = [joined(twice)] if together else twice, []
    for told in portions:
        found = run(machine, state, trace, new, told)
        state, quality = found.state, [*quality, *found.judged.quality]
    assert quality == [Quality.DOUBTFUL] * 2
    assert state.streams["loading/3"].bias == settled[1].streams["loading/3"].bias
    another = run(machine, state, trace, new, measured([(405.0, 1, 345.0, 2, 22.0)]))
    assert another.judged.quality[0] == Quality.GOOD


def test_a_good_value_has_an_index_below_one_and_no_doubt(machine, settled):
    found = judged(machine, settled, [(401.0, 1, 341.0, 2, TARGET)])
    assert (found.judged.doubt[0], found.judged.quality[0]) == (Doubt.NONE, Quality.GOOD)
    assert 0 <= found.judged.dqiy[0] < 1


def press(*values):
    """(stream, web_m, value) of a press."""
    return measured([(1.0, 1, web_m, stream, value) for stream, web_m, value in values])


@pytest.mark.parametrize(
    ("thickness", "density", "loading", "lies"),
    [
        (THICKNESS, DENSITY, FOIL, False),
        (THICKNESS * 1.01, DENSITY / 1.01, FOIL, False),  # pressed less: both move, the mass stays
        (THICKNESS * 1.03, DENSITY, FOIL, True),
        (THICKNESS, DENSITY * 0.97, FOIL, True),
        (THICKNESS, DENSITY, FOIL * 1.03, True),
    ],
)
def test_a_gauge_that_breaks_the_identity_is_lying(thickness, density, loading, lies):
    streams = press((0, 50.0, thickness), (1, 50.0, density), (2, 50.0, loading))
    ratio = metrology.contradictions([Triple(0, 1, 2)], streams, np.array([0.2, 0.005, 0.05]))
    assert (ratio > 1).tolist() == [lies] * 3


def test_the_identity_holds_only_for_one_metre_of_one_lane():
    triples = [Triple(0, 2, None, FOIL, 0.0), Triple(1, 3, None, FOIL, 0.0)]
    apart = press((0, 50.0, THICKNESS * 1.1), (2, 51.0, DENSITY), (3, 50.0, DENSITY))
    assert not metrology.contradictions(triples, apart, SIGMA).any()
    both = press((0, 50.0, THICKNESS * 1.1), (2, 50.0, DENSITY), (1, 50.0, THICKNESS), (3, 50.0, DENSITY))
    assert (metrology.contradictions(triples, both, SIGMA) > 1).tolist() == [True, True, False, False]


def test_a_loading_that_was_not_measured_here_may_be_off_by_twice_its_tolerance():
    """1.5 % of tolerance: 2.5 % more foil is no lie, 5 % is."""
    triples, tolerance = [Triple(0, 2, None, FOIL, 0.015)], (1.025, 1.05)
    ratios = [
        metrology.contradictions(triples, press((0, 5.0, THICKNESS * more), (2, 5.0, DENSITY)), SIGMA).max()
        for more in tolerance
    ]
    assert ratios[0] < 1 < ratios[1]


def test_without_an_estimator_nobody_knows_how_noisy_the_gauges_are_and_none_is_called_a_liar():
    machine = Machine("press", TAGS, PRESS, incoming={"1": (FOIL, 0.015), "2": (FOIL, 0.015)})
    line = TinyLine(22)
    line.step()
    told = press((0, 0.5, THICKNESS * 1.2), (2, 0.5, DENSITY))
    found = run(machine, State(), line.trace(), np.array([True]), told)
    assert list(found.judged.doubt) == [Doubt.NONE] * 2


@pytest.mark.parametrize(("shift", "samples"), [(1.0, 10.4), (2.0, 4.0)])
def test_a_slow_bias_of_the_gauge_is_found_as_soon_as_the_literature_says(shift, samples):
    """Average run length of CUSUM(0.5, 5); the first of the two states starts at 0."""
    rng, lengths = np.random.default_rng(5), []
    for _ in range(2000):
        held, n = (0.0, 0.0), 0
        while max(held) <= metrology.LIMIT:
            held, n = metrology.gauge_to_lab(held, rng.normal(shift)), n + 1
        lengths.append(n)
    assert np.mean(lengths) == pytest.approx(samples, rel=0.04)


def test_a_gauge_that_lab_samples_contradict_is_doubted_until_they_agree_again(machine, settled):
    trace, state = settled
    sigma = float(machine.estimator.residual_sigma[2])

    def after_samples(state, off, samples):
        lab = measured([(402.0 + i, 1, 300.0 + i, 2, TARGET) for i in range(samples)], MeasuredBy.LAB)
        lab = replace(lab, beside=np.full(samples, TARGET + off * sigma))
        return run(machine, state, trace, np.zeros(len(trace), bool), lab).state

    lying = after_samples(state, 2.0, 6)
    value = measured([(450.0, 1, 341.0, 2, TARGET)])
    found = run(machine, lying, trace, np.zeros(len(trace), bool), value)
    assert (found.judged.quality[0], found.judged.doubt[0]) == (Quality.DOUBTFUL, Doubt.GAUGE_LAB)
    assert found.state.streams["loading/3"].bias == state.streams["loading/3"].bias
    mended = after_samples(lying, 0.0, 3)
    found = run(machine, mended, trace, np.zeros(len(trace), bool), value)
    assert found.judged.quality[0] == Quality.GOOD


def test_a_lab_sample_without_a_gauge_value_of_its_metre_says_nothing_of_the_gauge(machine, settled):
    found = judged(machine, settled, [(402.0, 1, 300.0, 2, 19.5)], MeasuredBy.LAB, beside=np.array([np.nan]))
    assert found.state.streams["loading/3"].gauge_lab == (0.0, 0.0)
