"""Every cell of the table of a version's life, written down once more by hand; and what a review shows."""

from itertools import product

import pytest

from control.core.bounded import Fault
from control.core.lifecycle import NotAllowed
from control.core.versions import OPEN, TRANSITIONS, State, Verb, after, difference

# state: {verb: state after}; what is not here is not possible
LIFE = {
    "draft": {"edit": "draft", "submit": "in_review", "discard": "rejected"},
    "in_review": {"approve": "approved", "rework": "draft", "reject": "rejected"},
    "approved": {"schedule": "scheduled", "activate": "active", "rework": "draft"},
    "scheduled": {"activate": "active", "recall": "approved"},
    "active": {"supersede": "superseded"},
    "superseded": {"retire": "retired"},
}


@pytest.mark.parametrize(("state", "verb"), list(product(State, Verb)), ids=lambda cell: cell.value)
def test_each_cell_of_the_table(state, verb):
    expected = LIFE.get(state.value, {}).get(verb.value)
    if expected is None:
        with pytest.raises(NotAllowed, match="not possible"):
            after(state, verb)
    else:
        assert after(state, verb) == expected


def test_nothing_comes_into_force_but_by_an_approval():
    before = {state for (state, verb) in TRANSITIONS if verb is Verb.ACTIVATE}
    assert {state for (state, verb), to in TRANSITIONS.items() if to in before and verb is not Verb.RECALL} == {
        State.IN_REVIEW, State.APPROVED,
    }  # fmt: skip
    assert {verb for (state, verb), to in TRANSITIONS.items() if to is State.APPROVED} == {Verb.APPROVE, Verb.RECALL}


def test_a_version_is_open_as_long_as_it_may_still_come_into_force():
    reach = {State.ACTIVE}
    while more := {state for (state, _), to in TRANSITIONS.items() if to in reach} - reach:
        reach |= more
    assert reach - {State.ACTIVE} == OPEN


def test_a_review_shows_old_new_change_percent_and_every_fault():
    wrong = [Fault("c", "above", 9.0), Fault("c", "not_whole"), Fault("whole", "odd")]
    rows = difference({"a": 4.0, "b": 1, "gone": "x"}, {"a": 5.0, "b": 1, "c": 10.5}, wrong)
    assert [(row.path, row.old, row.new, row.change, row.percent) for row in rows] == [
        ("a", 4.0, 5.0, 1.0, 25.0), ("c", None, 10.5, None, None), ("gone", "x", None, None, None),
        ("whole", None, None, None, None),
    ]  # fmt: skip
    assert rows[1].faults == tuple(wrong[:2])
    assert rows[3].faults == (wrong[2],)


def test_of_nil_there_is_no_percent():
    (row,) = difference({"a": 0.0}, {"a": 2.0}, [])
    assert (row.change, row.percent) == (2.0, None)
