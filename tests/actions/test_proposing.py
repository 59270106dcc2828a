"""When a proposal of the controller comes before a person, and when it is kept from him."""

from dataclasses import replace
from datetime import timedelta

import pytest

from control.actions import changes, loops
from control.core.lifecycle import State
from control.core.modes import Mode
from control.models import Change, Equipment, Loop
from tests.factories import NOW, Plant, offered, plant, proposal, reason_code, snapshot

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def line() -> Plant:
    made = plant()
    snapshot(made)
    return made


def propose(line: Plant, now=NOW, believed: float = 19.88, **to: float) -> Change | None:
    line.loop.refresh_from_db()
    said = proposal(now, now=believed, **to)
    return changes.propose(loop=line.loop, proposal=said, evidence={}, actor="controller", now=now)


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW])
def test_off_and_shadow_offer_nothing(line, mode):
    Loop.objects.update(actual_mode=mode)
    assert propose(line) is None
    assert not Change.objects.exists()


def test_hold_offers_nothing(line):
    loops.hold(line.line, actor=line.person("operator"), now=NOW)
    assert propose(line) is None


def test_data_from_the_past_offer_nothing(line):
    old = proposal(NOW - timedelta(seconds=11))
    assert changes.propose(loop=line.loop, proposal=old, evidence={}, actor="controller", now=NOW) is None


def test_what_the_decider_sees_is_frozen_with_the_change(line):
    evidence = {"inputs": {"solids": {"value": 65.0, "quality": 0}}}
    change = changes.propose(loop=line.loop, proposal=proposal(), evidence=evidence, actor="controller", now=NOW)
    assert change.evidence["inputs"] == evidence["inputs"]
    assert change.evidence["place"] == {"roll": 7, "web_m": 1000.0}
    assert [item["stream"] for item in change.evidence["expected"]] == line.loop.settings["cvs"]
    assert change.evidence["versions"]["recipe"] == "nmc v1"
    assert change.evidence["dead_time_s"] == 120.0  # 60 m at 30 m/min
    assert change.moves.get().contributions[0]["name"] == "feedback"


@pytest.mark.parametrize(
    ("speed", "minutes"), [(30.0, 9), (60.0, 7), (1.0, 15), (0.0, 15)], ids=["30", "60", "creeping", "stopped"]
)
def test_it_lives_twice_the_dead_time_and_five_minutes_but_never_more_than_fifteen(line, speed, minutes):
    snapshot(line, NOW + timedelta(seconds=1), line_speed=speed)
    change = offered(line, NOW + timedelta(seconds=1))
    assert change.expires_at - change.proposed_at == minutes * MINUTE


def test_the_size_is_percent_of_the_recipe_set_point(line):
    assert offered(line, pump_top=60.3).size_percent == pytest.approx(0.5)


def test_the_largest_move_of_a_bundle_counts(line):
    change = offered(line, pump_top=60.3, bolt_top_1=510.0, bolt_top_2=490.0)
    assert change.size_percent == pytest.approx(2.0)
    assert change.needs == "supervisor"


def test_a_proposal_that_does_better_supersedes_the_open_one_and_the_link_stays(line):
    old = offered(line, pump_top=60.3)
    new = propose(line, NOW + MINUTE, believed=19.7, pump_top=60.6)
    old.refresh_from_db()
    assert (old.state, new.supersedes, old.superseded_by) == (State.SUPERSEDED, old, new)


def test_the_open_change_stays_as_long_as_it_would_still_do(line):
    old = offered(line, pump_top=60.3)
    assert propose(line, NOW + MINUTE, believed=19.85, pump_top=60.45) is None
    old.refresh_from_db()
    assert old.state == State.PENDING_OPERATOR


def test_a_small_move_is_not_replaced_for_its_noise(line):
    offered(line, pump_top=60.06)
    assert propose(line, NOW + MINUTE, believed=19.93, pump_top=60.1) is None


def test_when_nothing_can_do_much_better_the_open_change_stays(line):
    offered(line, pump_top=60.3)
    assert propose(line, NOW + MINUTE, believed=19.4, pump_top=60.33) is None


def test_an_open_change_is_weighed_by_the_gains_the_new_proposal_was_solved_with(line):
    offered(line, pump_top=60.3)
    new = proposal(NOW + MINUTE, now=19.85, pump_top=60.45)
    weaker = replace(new, gains=tuple((row[0] / 2, *row[1:]) for row in new.gains))
    told = {"loop": line.loop, "evidence": {}, "actor": "controller", "now": NOW + MINUTE}
    assert changes.propose(proposal=new, **told) is None
    assert changes.propose(proposal=weaker, **told) is not None


@pytest.mark.parametrize("state", [State.APPROVED, State.WRITING, State.UNCONFIRMED])
def test_what_is_on_its_way_to_the_machine_is_not_superseded(line, state):
    change = offered(line)
    Change.objects.filter(pk=change.pk).update(state=state)
    assert propose(line, NOW + MINUTE, pump_top=59.0) is None


def test_a_no_holds_for_ten_minutes_against_the_same_proposal(line):
    reason_code()
    change = offered(line)
    told = {"actor": line.person("operator"), "version": change.version, "code": "wrong_direction"}
    changes.reject(change.pk, now=NOW, **told)
    assert propose(line, NOW + 9 * MINUTE) is None
    assert propose(line, NOW + 9 * MINUTE, believed=20.3, pump_top=59.4) is not None


def test_after_ten_minutes_it_may_be_said_again(line):
    reason_code()
    change = offered(line)
    told = {"actor": line.person("operator"), "version": change.version, "code": "wrong_direction"}
    changes.reject(change.pk, now=NOW, **told)
    assert propose(line, NOW + 10 * MINUTE) is not None


def test_the_controller_does_not_push_aside_what_a_person_proposed(line):
    change = offered(line)
    Change.objects.filter(pk=change.pk).update(author=line.person("operator"))
    assert propose(line, NOW + MINUTE, pump_top=59.0) is None


def test_in_automatic_mode_a_small_move_counts_down(line):
    Loop.objects.update(actual_mode=Mode.AUTO)
    change = propose(line, pump_top=60.3)
    assert change.state == State.VETO


def test_in_automatic_mode_a_larger_move_still_asks_the_operator(line):
    Loop.objects.update(actual_mode=Mode.AUTO)
    assert propose(line, pump_top=60.5).state == State.PENDING_OPERATOR


def test_a_machine_without_a_speed_tag_gets_the_longest_life(line):
    Equipment.objects.update(web={})
    line.loop.refresh_from_db()
    assert offered(line).evidence["dead_time_s"] is None
