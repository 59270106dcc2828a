"""A shift ends by the clock with its report; one person gives it and another accepts, or no loop stays in auto."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from control.actions import audit, shifts
from control.actions.errors import Conflict, Invalid, NoPermission, Refused
from control.actions.signing import Hand, signatures
from control.models import AuditEntry, Handover, Loop, Mode, Signature
from tests import factories
from tests.factories import Plant

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 11, 21, 5, tzinfo=UTC)  # 14:00 in Seoul
END = BEGIN + timedelta(hours=8)


@pytest.fixture
def plant() -> Plant:
    found = factories.plant()
    shifts.make_due(BEGIN)
    return found


@pytest.fixture
def ended(plant: Plant) -> Handover:
    shifts.make_due(END)
    return Handover.objects.get(ends_at=END)


def hand(plant: Plant, name: str, now: datetime = END, *, proved: bool = True) -> Hand:
    return Hand(plant.person(name), proved_at=now if proved else None)


def handed_over(row: Handover, plant: Plant, at: datetime = END + timedelta(minutes=5)) -> Handover:
    shifts.give(row, by=hand(plant, "operator", at), now=at)
    return shifts.accept(row, by=hand(plant, "operator2", at), now=at)


def test_a_shift_ends_when_the_next_one_begins_and_has_its_report_from_then_on(plant: Plant) -> None:
    assert shifts.make_due(END - timedelta(seconds=1)) == 0
    assert shifts.make_due(END) == 1
    assert shifts.make_due(END) == 0
    told = Handover.objects.order_by("starts_at").values_list("starts_at", "ends_at")
    assert list(told) == [(BEGIN, END), (END, END + timedelta(hours=8))]
    assert [row.report is None for row in Handover.objects.order_by("starts_at")] == [False, True]


def test_shifts_that_ended_while_nothing_ran_are_made_up_for(plant: Plant) -> None:
    assert shifts.make_due(END + timedelta(hours=17)) == 3
    assert Handover.objects.count() == 4


def test_after_weeks_of_silence_a_line_begins_anew(plant: Plant) -> None:
    assert shifts.make_due(END + timedelta(days=60)) == 1
    assert Handover.objects.get(report__isnull=True).starts_at == END + timedelta(days=60)


def test_both_sides_sign_what_was_in_the_report(ended: Handover, plant: Plant) -> None:
    shifts.note(ended, "Filter low on pump 2", actor=plant.person("operator"), now=END)
    row = handed_over(ended, plant)
    assert (row.given_by, row.accepted_by) == (plant.person("operator"), plant.person("operator2"))
    given, accepted = signatures(row)
    assert (given.meaning, accepted.meaning) == ("give_shift", "accept_shift")
    assert given.content_sha256 == accepted.content_sha256
    assert {"shift.end", "shift.note", "shift.give", "shift.accept"} <= set(
        AuditEntry.objects.values_list("action", flat=True)
    )
    assert audit.verify().ok


def test_a_session_alone_signs_no_shift(ended: Handover, plant: Plant) -> None:
    with pytest.raises(NoPermission, match="password"):
        shifts.give(ended, by=hand(plant, "operator", proved=False), now=END)
    ended.refresh_from_db()
    assert ended.given_by is None
    assert not Signature.objects.exists()


def test_who_gave_the_shift_does_not_accept_it(ended: Handover, plant: Plant) -> None:
    shifts.give(ended, by=hand(plant, "operator"), now=END)
    with pytest.raises(Refused) as refusal:
        shifts.accept(ended, by=hand(plant, "operator"), now=END)
    assert refusal.value.code == "own_shift"


@pytest.mark.parametrize(
    "told",
    [
        {"accepted_by": "operator", "accepted_at": END},
        {"accepted_by": "operator", "accepted_at": END, "given_by": "operator", "given_at": END},
        {"accepted_by": "operator", "accepted_at": END, "given_by": "operator2", "given_at": END + timedelta(1)},
        {"given_by": "operator"},
        {"given_by": "operator", "given_at": END, "report": None},
        {"ends_at": BEGIN},
    ],
    ids=["never given", "by the same", "before it was given", "without a time", "still running", "no length"],
)
def test_the_database_itself_wants_two_people_in_this_order(
    ended: Handover, plant: Plant, told: dict[str, Any]
) -> None:
    Handover.objects.filter(report__isnull=True).delete()
    fields = {name: plant.person(value) if name.endswith("_by") else value for name, value in told.items()}
    with pytest.raises(IntegrityError), transaction.atomic():
        Handover.objects.filter(pk=ended.pk).update(**fields)


def test_of_two_who_give_or_accept_the_second_reads_who_was_first(ended: Handover, plant: Plant) -> None:
    shifts.give(ended, by=hand(plant, "operator"), now=END)
    with pytest.raises(Conflict) as late:
        shifts.give(ended, by=hand(plant, "operator2"), now=END)
    assert late.value.difference["by"] == "operator@cathode-1"
    shifts.accept(ended, by=hand(plant, "supervisor"), now=END)
    with pytest.raises(Conflict) as later:
        shifts.accept(ended, by=hand(plant, "operator2"), now=END)
    assert (later.value.code, later.value.difference["by"]) == ("shift_accepted", "supervisor@cathode-1")


def test_what_nobody_gave_is_not_accepted(ended: Handover, plant: Plant) -> None:
    with pytest.raises(Conflict) as refusal:
        shifts.accept(ended, by=hand(plant, "operator"), now=END)
    assert refusal.value.code == "shift_not_given"


def test_a_crew_that_leaves_a_little_early_ends_its_shift_and_the_next_is_longer(plant: Plant) -> None:
    running, early = Handover.objects.get(), END - timedelta(minutes=10)
    with pytest.raises(Refused) as refusal:
        shifts.give(running, by=hand(plant, "operator"), now=END - timedelta(minutes=31))
    assert refusal.value.code == "shift_goes_on"
    row = shifts.give(running, by=hand(plant, "operator", early), now=early)
    assert (row.ends_at, row.report is None) == (early, False)
    following = Handover.objects.get(report__isnull=True)
    assert (following.starts_at, following.ends_at) == (early, END + timedelta(hours=8))


@pytest.mark.parametrize("name", ["viewer", "engineer", "auditor", "admin", "outsider", "root"])
def test_only_who_works_on_the_line_hands_it_over(ended: Handover, plant: Plant, name: str) -> None:
    for act in (shifts.give, shifts.accept):
        with pytest.raises(NoPermission):
            act(ended, by=hand(plant, name), now=END)
    with pytest.raises(NoPermission):
        shifts.note(ended, "x", actor=plant.person(name), now=END)
    assert AuditEntry.objects.filter(action__startswith="shift.", action__endswith=".refused").count() == 3


def test_notes_end_with_the_acceptance(ended: Handover, plant: Plant) -> None:
    with pytest.raises(Invalid):
        shifts.note(ended, "  ", actor=plant.person("operator"), now=END)
    handed_over(ended, plant)
    with pytest.raises(Conflict):
        shifts.note(ended, "one more", actor=plant.person("operator"), now=END)


def test_a_shift_nobody_accepts_within_half_an_hour_takes_automatic_mode_away(ended: Handover, plant: Plant) -> None:
    Loop.objects.update(requested_mode=Mode.AUTO, actual_mode=Mode.AUTO)
    shifts.give(ended, by=hand(plant, "operator"), now=END)
    shifts.watch(END + timedelta(minutes=29, seconds=59))
    assert Loop.objects.get().actual_mode == Mode.AUTO
    for _ in range(2):
        shifts.watch(END + timedelta(minutes=30))
    row = Loop.objects.get()
    assert (row.actual_mode, row.requested_mode) == (Mode.SUPERVISED, Mode.AUTO)
    assert row.mode_reasons[0]["code"] == "hand_over"
    assert AuditEntry.objects.filter(action="loop.mode").count() == 1


def test_an_accepted_shift_leaves_automatic_mode_alone(ended: Handover, plant: Plant) -> None:
    Loop.objects.update(actual_mode=Mode.AUTO)
    handed_over(ended, plant)
    shifts.watch(END + timedelta(hours=7))
    assert Loop.objects.get().actual_mode == Mode.AUTO


def test_a_line_without_automatic_mode_is_not_demoted(ended: Handover, plant: Plant) -> None:
    shifts.watch(END + timedelta(hours=1))
    assert Loop.objects.get().actual_mode == Mode.SUPERVISED
    assert not AuditEntry.objects.filter(action="loop.mode").exists()
    assert shifts.overdue(plant.line.pk, END + timedelta(hours=1)) == ended


def test_a_crew_follows_the_plants_clock_through_the_night_it_is_changed() -> None:
    found = factories.plant()
    found.site.time_zone = "Europe/Warsaw"
    found.site.save()
    night = datetime(2026, 10, 24, 20, tzinfo=UTC)  # 22:00 on the wall, three hours before it is put back
    shifts.make_due(night)
    shifts.make_due(night + timedelta(hours=8, minutes=59))
    assert Handover.objects.get().ends_at - night == timedelta(hours=9)
