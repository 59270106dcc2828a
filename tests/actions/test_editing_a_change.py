"""Other values in place of what was proposed: a new change of that person, past the same gates."""

from datetime import timedelta

import pytest

from control.actions import changes, loops, proposing
from control.actions.errors import Conflict, Expired, Invalid, NoPermission, NotFound, Refused, Stale, Unsound
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.types import MeasuredBy, Quality
from control.models import AuditEntry, Change, Loop
from tests.factories import BOLTS, NOW, SETTINGS, Plant, hand, offered, plant, point, snapshot

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def line() -> Plant:
    made = plant()
    snapshot(made)
    return made


def edit(line: Plant, change: Change, who: str = "operator", now=NOW, **values: float) -> Change:
    return changes.edit(change.pk, actor=line.person(who), version=change.version, values=values, now=now)


def test_an_edit_is_a_new_proposal_of_the_person_in_place_of_the_other(line):
    change = offered(line, pump_top=60.3)
    mine = edit(line, change, pump_top=60.2)
    change.refresh_from_db()
    assert (change.state, change.superseded_by) == (State.SUPERSEDED, mine)
    assert (mine.author, mine.state, mine.undoes) == (line.person("operator"), State.PENDING_OPERATOR, None)
    row = mine.moves.get()
    assert (row.from_value, row.to_value) == (60.0, 60.2)
    assert sum(part["amount"] for part in row.contributions) == pytest.approx(0.2)


def test_its_author_does_not_approve_it_and_another_does(line):
    mine = edit(line, offered(line, pump_top=60.3), pump_top=60.2)
    with pytest.raises(NoPermission, match="Author and approver"):
        changes.approve(mine.pk, by=hand(line.person("operator")), version=mine.version, now=NOW)
    done = changes.approve(mine.pk, by=hand(line.person("operator2")), version=mine.version, now=NOW)
    assert done.state == State.APPROVED


def test_what_it_will_do_is_reckoned_by_the_gains_the_proposal_was_solved_with(line):
    change = offered(line, pump_top=60.3)
    stands = change.evidence["expected"][0]["do_nothing"]
    mine = edit(line, change, pump_top=60.15)
    for item, gains in zip(mine.evidence["expected"], SETTINGS["gains"], strict=True):
        assert item["after"] == pytest.approx(stands + gains[0] * 0.15)


def test_a_larger_move_needs_a_supervisor_and_a_smaller_one_does_not_any_more(line):
    change = offered(line, pump_top=60.3)
    larger = edit(line, change, pump_top=61.2)
    assert (larger.needs, larger.state) == ("supervisor", State.PENDING_SUPERVISOR)
    smaller = edit(line, larger, "supervisor", pump_top=60.1)
    assert (smaller.needs, smaller.author) == ("operator", line.person("supervisor"))


def test_what_nobody_may_approve_is_not_proposed_and_the_range_is_told(line):
    with pytest.raises(Invalid) as refused:
        edit(line, offered(line, pump_top=60.3), pump_top=65.0)
    assert refused.value.code == "beyond_everybody"
    assert refused.value.difference == {
        "pump_top": {"to": 65.0, "low": pytest.approx(58.2), "high": pytest.approx(61.8)}
    }


def test_what_was_moved_in_the_shift_narrows_what_is_left(line):
    earlier = offered(line, pump_top=60.3)
    Change.objects.filter(pk=earlier.pk).update(state=State.EFFECTIVE, decided_at=NOW - 5 * MINUTE, size_percent=4.0)
    earlier.moves.update(from_value=57.6)  # 2.7 rpm of the 3 of a supervisor's shift
    snapshot(line, NOW + MINUTE)
    with pytest.raises(Invalid) as refused:
        edit(line, offered(line, NOW + MINUTE, pump_top=60.2), now=NOW + MINUTE, pump_top=61.0)
    assert refused.value.difference["pump_top"]["high"] == pytest.approx(60.3)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"pump_top": 60.3}, "same_values"),
        ({}, "same_values"),
        ({"pump_top": 60.0}, "no_move"),
        ({"solids": 60.0}, "not_its_moves"),
        ({"pump_top": float("nan")}, "not_its_moves"),
        ({"pump_top": float("inf")}, "not_its_moves"),
    ],
)
def test_values_that_mean_nothing_are_refused_and_the_change_stays(line, values, code):
    change = offered(line, pump_top=60.3)
    with pytest.raises(Invalid) as refused:
        edit(line, change, **values)
    assert refused.value.code == code
    change.refresh_from_db()
    assert change.state == State.PENDING_OPERATOR


def test_moves_that_must_cancel_still_do(line):
    change = offered(line, pump_top=60.3, bolt_top_1=502.0, bolt_top_2=498.0)
    with pytest.raises(Invalid) as refused:
        edit(line, change, bolt_top_1=504.0)
    assert (refused.value.code, refused.value.difference["sum_zero"]["is"]) == ("not_together", pytest.approx(2.0))
    mine = edit(line, change, bolt_top_1=504.0, bolt_top_2=496.0)
    assert {row.tag.key: row.to_value for row in mine.moves.all()} == {
        "pump_top": 60.3, "bolt_top_1": 504.0, "bolt_top_2": 496.0,
    }  # fmt: skip


def test_a_lip_is_not_bent_further_than_the_loop_allows(line):
    Loop.objects.update(settings={**SETTINGS, "neighbours": [list(BOLTS)], "bend_um": 6.0})
    line.loop.refresh_from_db()
    change = offered(line, bolt_top_1=502.0, bolt_top_2=498.0)
    with pytest.raises(Invalid) as refused:
        edit(line, change, bolt_top_1=503.0, bolt_top_2=497.0)
    assert refused.value.difference == {"bolt_top_2:bend": {"seen": 6.0, "is": pytest.approx(9.0)}}


def test_it_lives_as_long_as_the_one_it_replaces_and_can_be_approved_to_the_end(line):
    change = offered(line, pump_top=60.3)
    snapshot(line, NOW + 6 * MINUTE)
    mine = edit(line, change, now=NOW + 6 * MINUTE, pump_top=60.2)
    assert mine.expires_at == change.expires_at
    last = change.expires_at - timedelta(seconds=1)
    snapshot(line, last)
    changes.approve(mine.pk, by=hand(line.person("operator2"), last), version=mine.version, now=last)


def test_a_change_that_is_not_current_is_not_edited_and_ends(line):
    change = offered(line, pump_top=60.3)
    snapshot(line, NOW + MINUTE, pump_top=61.0)
    with pytest.raises(Stale):
        edit(line, change, now=NOW + MINUTE, pump_top=60.2)
    change.refresh_from_db()
    assert change.state == State.SUPERSEDED


def test_an_expired_change_is_not_edited(line):
    change = offered(line, pump_top=60.3)
    with pytest.raises(Expired):
        edit(line, change, now=NOW + 10 * MINUTE, pump_top=60.2)


def test_a_change_that_others_have_moved_is_not_edited(line):
    change = offered(line, pump_top=60.3)
    with pytest.raises(Conflict, match="already"):
        changes.edit(
            change.pk, actor=line.person("operator"), version=change.version - 1, values={"pump_top": 60.2}, now=NOW
        )  # fmt: skip


def test_under_hold_nothing_is_edited(line):
    change = offered(line, pump_top=60.3)
    loops.hold(line.line, actor=line.person("operator"), now=NOW)
    with pytest.raises(Conflict, match="HOLD"):
        edit(line, change, pump_top=60.2)


def test_advice_is_not_edited_for_the_operator_types_what_he_likes(line):
    change = offered(line, pump_top=60.3)
    Loop.objects.update(actual_mode=Mode.ADVISORY)
    with pytest.raises(Refused, match="types it at the machine"):
        edit(line, change, pump_top=60.2)


@pytest.mark.parametrize(
    ("who", "refusal"), [("viewer", NoPermission), ("engineer", NoPermission), ("outsider", NotFound)]
)
def test_only_who_may_propose_edits_and_the_attempt_is_recorded(line, who, refusal):
    change = offered(line, pump_top=60.3)
    with pytest.raises(refusal):
        edit(line, change, who, pump_top=60.2)
    assert AuditEntry.objects.filter(action="change.edit.refused").count() == 1


def test_it_rests_on_the_same_predictions_and_goes_when_they_go(line):
    mine = edit(line, offered(line, pump_top=60.3), pump_top=60.2)
    point(line, "loading/1-top", NOW, 19.9, by=MeasuredBy.PREDICTION, quality=Quality.DOUBTFUL)
    with pytest.raises(Unsound):
        changes.approve(mine.pk, by=hand(line.person("operator2")), version=mine.version, now=NOW)
    mine.refresh_from_db()
    assert mine.state == State.WITHDRAWN


def test_when_inputs_go_bad_it_is_withdrawn_like_the_controllers_own(line):
    mine = edit(line, offered(line, pump_top=60.3), pump_top=60.2)
    assert proposing.retract({line.loop.pk: "input_missing"}, actor="pipeline", now=NOW) == 1
    mine.refresh_from_db()
    assert mine.state == State.WITHDRAWN


def test_in_automatic_mode_an_edit_ends_the_countdown_and_asks_a_person(line):
    Loop.objects.update(actual_mode=Mode.AUTO)
    line.loop.refresh_from_db()
    change = offered(line, pump_top=60.3)
    assert change.state == State.VETO
    assert edit(line, change, pump_top=60.2).state == State.PENDING_OPERATOR


def test_its_author_takes_it_back(line):
    mine = edit(line, offered(line, pump_top=60.3), pump_top=60.2)
    told = {"version": mine.version, "now": NOW, "reason": ""}
    with pytest.raises(NoPermission):
        changes.withdraw(mine.pk, actor=line.person("operator2"), **told)
    assert changes.withdraw(mine.pk, actor=line.person("operator"), **told).state == State.WITHDRAWN
