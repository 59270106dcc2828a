"""One solve is one bundle; a part of it is approved alone only where the solver marked it."""

from datetime import timedelta

import pytest

from control.actions import changes, sizing, writing
from control.actions.errors import Invalid, NoPermission
from control.actions.foretelling import expected
from control.core.lifecycle import State
from control.core.vm.estimator import content_hash
from control.dispatcher import Dispatcher
from control.models import AuditEntry, Change, SetPointMove, Signature
from tests.factories import NOW, SETTINGS, Plant, hand, offered, plant, snapshot
from tests.machine import Machine, Time

pytestmark = pytest.mark.django_db
PUMP, BOLTS = 0, 1
MINUTE = timedelta(minutes=1)
STANDS = {"pump_top": 60.0, "bolt_top_1": 500.0}


@pytest.fixture
def line() -> Plant:
    made = plant()
    snapshot(made)
    return made


@pytest.fixture
def change(line) -> Change:
    """0.5 % of the pump, and 0.8 % of two bolts."""
    return offered(line, pump_top=60.3, bolt_top_1=504.0, bolt_top_2=496.0)


def approve(line: Plant, change: Change, *parts: int, who: str = "operator") -> Change:
    by = hand(line.person(who))
    return changes.approve(change.pk, by=by, version=change.version, now=NOW, parts=parts)


def test_only_the_part_that_was_approved_is_made_and_the_rest_is_kept_as_left_out(line, change):
    done = approve(line, change, PUMP)
    assert (done.state, done.parts) == (State.APPROVED, [PUMP])
    assert [row.tag.key for row in done.moves.all()] == ["pump_top"]
    left = SetPointMove.everything.filter(change=change, left_out=True).values_list("tag__key", "to_value")
    assert dict(left) == {"bolt_top_1": 504.0, "bolt_top_2": 496.0}
    told = AuditEntry.objects.get(action="change.approve").new
    assert told["left_out"] == [line.tags["bolt_top_1"].pk, line.tags["bolt_top_2"].pk]


def test_the_machine_is_asked_for_nothing_else(line, change):
    approve(line, change, BOLTS)
    time = Time()
    machine = Machine(time)
    Dispatcher(
        line.line.pk, "holder", machine.connect, clock=time.now, sleep=time.sleep, timer=time.timer
    ).run_once()  # fmt: skip
    change.refresh_from_db()
    assert (change.state, [command.values for command in machine.sent]) == (
        State.APPLIED, [{"bolt_top_1": 504.0, "bolt_top_2": 496.0}],
    )  # fmt: skip
    assert machine.set_points["pump_top"] == 60.0
    assert not SetPointMove.everything.filter(left_out=True, read_back__isnull=False).exists()


def test_what_was_seen_stays_as_it_was_and_what_is_expected_is_of_the_part(line, change):
    seen = content_hash(change.evidence)
    approve(line, change, PUMP)
    change.refresh_from_db()
    assert content_hash(change.evidence) == seen
    for item, whole, gains in zip(expected(change), change.evidence["expected"], SETTINGS["gains"], strict=True):
        assert item["after"] == pytest.approx(whole["do_nothing"] + gains[0] * 0.3)
        assert item["do_nothing"] == whole["do_nothing"]


def test_the_signature_is_of_the_part(line, change):
    approve(line, change, PUMP)
    row = Signature.objects.get(object_id=str(change.pk))
    moves = [{"tag": "pump_top", "from": 60.0, "to": 60.3}]
    signed = {"change": change.pk, "version": change.version, "moves": moves, "evidence": content_hash(change.evidence)}
    assert row.content_sha256 == content_hash(signed | {"left_out": ["bolt_top_1", "bolt_top_2"]})


def test_only_what_is_made_counts_against_the_authority_and_as_size(line, change):
    assert approve(line, change, PUMP).size_percent == pytest.approx(0.5)
    again = [SetPointMove(tag=line.tags[key], from_value=base, to_value=base * 1.005) for key, base in STANDS.items()]
    needed = [sizing.weigh([row], line.recipe, NOW + MINUTE) for row in again]
    assert [one.shift_percent for one in needed] == pytest.approx([1.0, 0.5])


def test_all_the_parts_are_the_whole(line, change):
    done = approve(line, change, PUMP, BOLTS)
    assert (done.parts, done.moves.count()) == (None, 3)


@pytest.mark.parametrize("parts", [(), (2,), (0, 2)])
def test_a_part_that_is_none_is_refused_and_nothing_is_left_out(line, change, parts):
    with pytest.raises(Invalid, match="solved for by themselves"):
        approve(line, change, *parts)
    change.refresh_from_db()
    assert (change.state, change.moves.count()) == (State.PENDING_OPERATOR, 3)


def test_what_goes_together_has_no_parts(line):
    whole = offered(line, bolt_top_1=504.0, bolt_top_2=496.0)
    with pytest.raises(Invalid):
        approve(line, whole, PUMP)


def test_a_refused_signature_leaves_nothing_out(line):
    change = offered(line, pump_top=61.2, bolt_top_1=504.0, bolt_top_2=496.0)
    with pytest.raises(NoPermission):
        approve(line, change, PUMP)
    assert change.moves.count() == 3


def test_who_asked_for_a_supervisor_gets_one_for_each_part(line):
    change = offered(line, pump_top=61.2, bolt_top_1=504.0, bolt_top_2=496.0)
    with pytest.raises(NoPermission, match="needs: supervisor"):
        approve(line, change, BOLTS)
    assert approve(line, change, BOLTS, who="supervisor").state == State.APPROVED


def test_undoing_takes_back_what_was_made(line, change):
    approve(line, change, PUMP)
    Change.objects.update(state=State.VERIFYING, applied_at=NOW)
    snapshot(line, NOW + MINUTE, pump_top=60.3)
    back = changes.undo(change.pk, actor=line.person("operator"), now=NOW + MINUTE)
    assert [(row.tag.key, row.to_value) for row in back.moves.all()] == [("pump_top", 60.0)]


def test_a_part_is_still_a_part_in_a_proposal_with_other_values(line, change):
    mine = changes.edit(
        change.pk, actor=line.person("operator"), version=change.version, values={"pump_top": 60.2}, now=NOW
    )  # fmt: skip
    done = approve(line, mine, PUMP, who="operator2")
    assert [(row.tag.key, row.to_value) for row in done.moves.all()] == [("pump_top", 60.2)]


def test_an_order_carries_only_what_is_made(line, change):
    done = approve(line, change, PUMP)
    assert writing.order_of(done, list(done.moves.select_related("tag"))).values == {"pump_top": 60.3}
