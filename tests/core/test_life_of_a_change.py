"""Every cell of the table of a change's life, written down once more by hand."""

from itertools import product

import pytest

from control.core.lifecycle import ENDED, OPEN, UNDECIDED, NotAllowed, State, Verb, after

# state: {verb: state after}; what is not here is not possible
LIFE = {
    "proposed": {
        "offer": "pending_operator", "escalate": "pending_supervisor", "count_down": "veto", "reject": "rejected",
        "expire": "expired", "supersede": "superseded", "withdraw": "withdrawn", "block": "blocked",
    },
    "pending_operator": {
        "escalate": "pending_supervisor", "approve": "approved", "reject": "rejected", "expire": "expired",
        "supersede": "superseded", "withdraw": "withdrawn", "follow": "applied",
    },
    "pending_supervisor": {
        "approve": "approved", "reject": "rejected", "expire": "expired", "supersede": "superseded",
        "withdraw": "withdrawn", "follow": "applied",
    },
    "veto": {
        "approve": "approved", "reject": "rejected", "expire": "expired", "supersede": "superseded",
        "withdraw": "withdrawn", "block": "blocked",
    },
    "approved": {
        "take": "writing", "expire": "expired", "supersede": "superseded", "withdraw": "withdrawn", "block": "blocked",
    },
    "writing": {"confirm": "applied", "fail": "write_failed", "lose": "unconfirmed"},
    "unconfirmed": {"confirm": "applied", "fail": "write_failed"},
    "applied": {"watch": "verifying", "revert": "reverted"},
    "verifying": {"worked": "effective", "did_not_work": "ineffective", "revert": "reverted"},
    "effective": {"revert": "reverted"},
    "ineffective": {"revert": "reverted"},
}  # fmt: skip
GOES_ON_UNDER_HOLD = {
    "reject", "expire", "withdraw", "confirm", "fail", "lose", "follow", "watch", "worked", "did_not_work",
}  # fmt: skip
CELLS = list(product(State, Verb))


@pytest.mark.parametrize(("state", "verb"), CELLS, ids=lambda cell: cell.value)
def test_each_cell_of_the_table(state, verb):
    expected = LIFE.get(state.value, {}).get(verb.value)
    if expected is None:
        with pytest.raises(NotAllowed, match="not possible"):
            after(state, verb)
    else:
        assert after(state, verb) == expected


@pytest.mark.parametrize(("state", "verb"), CELLS, ids=lambda cell: cell.value)
def test_each_cell_of_the_table_under_hold(state, verb):
    expected = LIFE.get(state.value, {}).get(verb.value)
    if expected is None or verb.value not in GOES_ON_UNDER_HOLD:
        with pytest.raises(NotAllowed):
            after(state, verb, hold=True)
    else:
        assert after(state, verb, hold=True) == expected


def test_a_state_is_open_just_as_long_as_a_write_may_still_come_of_it():
    assert {"proposed", "pending_operator", "pending_supervisor", "veto"} == UNDECIDED
    assert UNDECIDED | {"approved", "writing", "unconfirmed"} == OPEN
    assert set(State) - OPEN - {"applied", "verifying"} == ENDED


def test_nothing_but_undoing_leaves_a_state_that_has_ended():
    assert {verb for state, verbs in LIFE.items() if State(state) in ENDED for verb in verbs} == {"revert"}
