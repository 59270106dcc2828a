"""A web that runs back: what is measured there moves nothing, the loop is silent with a reason, and both recover."""

from __future__ import annotations

import numpy as np
import pytest

from control.core.loop import State
from control.core.policy import Reason
from control.core.types import Quality
from control.core.vm.metrology import Doubt
from tests.core.tiny_line import TinyLine, live, machine, measured, trained


@pytest.fixture(scope="module")
def coater():
    return machine(trained())


def run_on(line, coater, state, seconds):
    notes = []
    for _ in range(seconds):
        found = live(line, coater, state)
        state = found.state
        notes += [note.reason for note in found.notes]
    return state, notes


def test_a_loop_is_silent_until_the_web_is_again_where_it_was(coater):
    line = TinyLine(seed=3)
    state, _ = run_on(line, coater, State(), 120)
    line.web_m -= 8.0
    state, notes = run_on(line, coater, state, 7)
    assert set(notes) == {Reason.WEB_REVERSED}
    _, notes = run_on(line, coater, state, 40)
    assert Reason.WEB_REVERSED not in notes[2:]
    assert Reason.INPUT_DOUBTFUL not in notes[-5:]


def test_a_trembling_encoder_silences_nothing(coater):
    line = TinyLine(seed=3)
    state, _ = run_on(line, coater, State(), 120)
    line.web_m -= 0.4
    _, notes = run_on(line, coater, state, 5)
    assert Reason.WEB_REVERSED not in notes


def test_what_is_measured_where_the_web_ran_back_is_shown_as_doubtful_and_moves_no_bias(coater):
    line = TinyLine(seed=3)
    state, _ = run_on(line, coater, State(), 120)
    line.web_m -= 8.0
    state, _ = run_on(line, coater, state, 40)
    values = measured([(159.0, 1, 115.0, 0, 20.1), (159.0, 1, 130.0, 1, 20.1)])
    found = live(line, coater, state, gauge=values)
    assert list(found.judged.row >= 0) == [False, True]
    assert list(found.judged.quality) == [Quality.DOUBTFUL, Quality.GOOD]
    assert found.judged.doubt[0] == Doubt.REVERSED
    assert np.isnan(found.judged.predicted[0])
    assert found.state.streams["loading/1"].bias == state.streams["loading/1"].bias
    assert found.state.streams["loading/2"].bias != state.streams["loading/2"].bias
