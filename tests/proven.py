"""A loop that has shown all that automatic mode asks for, for tests that then spoil one thing."""

from __future__ import annotations

from datetime import datetime, timedelta

from control.core.lifecycle import State
from control.core.types import MeasuredBy
from control.models import Change, Handshake, Intake, ModeSpell, RollValue
from tests.factories import NOW, SETTINGS, Plant, point

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def prove(line: Plant, now: datetime = NOW) -> None:
    """Fourteen days, fifty-nine decisions, every roll as foretold, and a machine that answers."""
    told = {"requested": "supervised", "actual": "supervised", "code": "asked"}
    ModeSpell.objects.create(loop=line.loop, since=now - 14 * DAY, **told)
    came_of = [(State.EFFECTIVE if n % 5 else State.INEFFECTIVE, now - (n + 1) * HOUR) for n in range(50)]
    turned_down = [(State.REJECTED, now - (n + 60) * HOUR) for n in range(9)]
    Change.objects.bulk_create(_decided(line, state, at) for state, at in (*came_of, *turned_down))
    for stream in SETTINGS["cvs"]:
        roll(line, stream, 1, now - 25 * HOUR, now - HOUR)
        point(line, stream, now, 20.0, by=MeasuredBy.PREDICTION)
    Handshake.objects.create(equipment=line.coater, heard_at=now - timedelta(seconds=3))
    Intake.objects.update_or_create(equipment=line.coater, defaults={"last_received_at": now})


def decided(line: Plant, state: State, at: datetime) -> Change:
    change = _decided(line, state, at)
    change.save()
    return change


def _decided(line: Plant, state: State, at: datetime) -> Change:
    return Change(
        loop=line.loop, line=line.line, state=state, proposed_at=at, expires_at=at, state_since=at, size_percent=0.3,
        needs="operator", evidence={}, decided_by=line.person("operator"), decided_at=at,
        applied_at=None if state == State.REJECTED else at,
    )  # fmt: skip


def roll(
    line: Plant,
    stream: str,
    number: int,
    begun: datetime,
    ended: datetime,
    *,
    measured: float = 20.0,
    model: str = "m1",
) -> RollValue:
    return RollValue.objects.create(
        equipment=line.coater, stream=line.streams[stream], roll=number, made_from=begun, made_to=ended, model=model,
        seq=1, first=20.0, first_low=19.9, first_high=20.1, first_n=100, first_at=ended, by=1, measured=measured,
        measured_n=10,
    )  # fmt: skip
