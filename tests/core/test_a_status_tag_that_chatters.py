"""A status tag tells of an event at most once a minute of machine time, however often it changes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core import interventions
from control.core.loop import Machine, State, run
from control.core.process_events import SPACING_S, Event, Kind, Noticed, Watched
from control.core.types import Measured
from tests.core.tiny_line import TAGS, TinyLine

ROOM = TAGS.index("room")
WATCHED = (Watched("room", Kind.FILTER_CHANGE), Watched("solids", Kind.BATCH_CHANGE))
SECONDS = 150


def told(machine: Machine, room, together: int) -> list[tuple[str, float]]:
    """Tag and second of each event, from passes over so many seconds at once; the state goes through JSON."""
    on = Machine(machine.key, machine.tags, machine.streams, machine.estimator, watched=WATCHED)
    line, state, found = TinyLine(1), State(), []
    solids = None
    for second in range(SECONDS):
        line.step()
        solids = line.rows[-1][TAGS.index("solids")] if solids is None else solids
        line.rows[-1][ROOM], line.rows[-1][TAGS.index("solids")] = room(second), solids + (second >= 33)
        if (second + 1) % together == 0:
            trace = line.trace(last=200)
            done = run(on, state, trace, trace.at_s > second - together, Measured.none())
            state = State.from_json(done.state.to_json())
            found += [(one.tag, one.event.at_s) for one in done.noticed]
    return found


def test_a_tag_that_changes_every_second_tells_once_a_minute_and_silences_no_other(machine):
    expected = [("room", 1.0), ("solids", 33.0), ("room", 61.0), ("room", 121.0)]
    assert told(machine, lambda second: float(second % 2), together=1) == expected
    assert told(machine, lambda second: float(second % 2), together=50) == expected


def test_changes_a_minute_apart_are_all_told(machine):
    found = told(machine, lambda second: float(second >= 20) + float(second >= 20 + SPACING_S), together=1)
    assert [at_s for tag, at_s in found if tag == "room"] == [20.0, 20.0 + SPACING_S]


def test_a_state_stored_before_there_was_a_spacing_is_read():
    stored = json.loads(replace(State(), watched={"room": 1.0}).to_json())
    del stored["told_s"]
    assert State.from_json(json.dumps(stored)).told_s == {}


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.0, 1e4)), max_size=40), st.integers(0, 40))
def test_however_it_is_cut_into_passes_no_two_are_close_and_none_far_from_the_last_is_lost(changes, cut):
    noticed = sorted(
        (Noticed(Event(Kind.SPLICE, at_s), tag, 0.0, 1.0) for tag, at_s in changes), key=lambda one: one.event.at_s
    )
    whole, last_s = interventions.spaced(noticed, {})
    first, between = interventions.spaced(noticed[:cut], {})
    second, after = interventions.spaced(noticed[cut:], between)
    assert (first + second, after) == (whole, last_s)
    for tag in "ab":
        kept = np.array([one.event.at_s for one in whole if one.tag == tag])
        assert (np.diff(kept) >= SPACING_S).all()
        for one in noticed:
            assert one.tag != tag or ((one.event.at_s - kept >= 0) & (one.event.at_s - kept < SPACING_S)).any()
