"""What a loop has shown so far, from what is stored: the figures that its conditions for automatic mode ask for."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from control.actions import figures, situation
from control.core.demotion import Trigger
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.promotion import Standing
from control.core.types import Quality, Rule
from control.models import Change, Handshake, Loop, ModeSpell, Recipe, RollValue, Signal, Stream, VersionState

DAY = timedelta(days=1)
NEVER_S = float("inf")
EVIDENT = (State.EFFECTIVE, State.INEFFECTIVE)


def standing(loop: Loop, now: datetime) -> Standing:
    figured = figures.of(loop.equipment.line_id)
    approvals = _approvals(loop, figured.decisions)
    effects = _effects(loop, figured.decisions)
    return Standing(
        supervised_days=_supervised(loop, now) / DAY,
        decisions=_decided(loop).count(),
        accepted=sum(approvals) / max(len(approvals), 1),
        effective=sum(effects) / max(len(effects), 1),
        vm_hours=_in_contract_s(loop, now) / 3600.0,
        bad_inputs=len(_bad_inputs(loop, now)),
        recipes=Recipe.objects.filter(line=loop.equipment.line_id, state=VersionState.ACTIVE).count(),
        unheard_s=unheard_s(loop, now),
        priority_1=_priority_1(loop),
        holds=int(situation.on_hold(loop)),
        calm_s=_calm_s(loop, now),
    )


def unheard_s(loop: Loop, now: datetime) -> float:
    """Seconds since the machine was last read and ready to be written to."""
    heard = Handshake.objects.filter(equipment=loop.equipment_id).values_list("heard_at", flat=True).first()
    return NEVER_S if heard is None else max((now - heard).total_seconds(), 0.0)


def _supervised(loop: Loop, now: datetime) -> timedelta:
    """How long the loop has been in a mode that writes, all spells together."""
    spells = ModeSpell.objects.filter(loop=loop, actual__in=(Mode.SUPERVISED, Mode.AUTO))
    return sum((min(until or now, now) - since for since, until in spells.values_list("since", "until")), timedelta())


def _decided(loop: Loop) -> QuerySet[Change]:
    """What the controller proposed and a person approved or rejected."""
    return Change.objects.filter(loop=loop, author=None, decided_by__isnull=False)


def _approvals(loop: Loop, newest: int) -> list[bool]:
    states = _decided(loop).order_by("-decided_at").values_list("state", flat=True)[:newest]
    return [state != State.REJECTED for state in states]


def _effects(loop: Loop, newest: int) -> list[bool]:
    judged = Change.objects.filter(loop=loop, state__in=EVIDENT).order_by("-applied_at")
    return [state == State.EFFECTIVE for state in judged.values_list("state", flat=True)[:newest]]


def _in_contract_s(loop: Loop, now: datetime) -> float:
    """Seconds of foil up to now of which the model in force foretold every roll within its own 90 % interval.

    The contract is what the model itself states: a roll's measured mean lies between the mean ends of its intervals.
    """
    rolls = RollValue.objects.filter(stream__in=_streams(loop), measured__isnull=False)
    newest = rolls.order_by("-made_to").values_list("model", flat=True).first()
    if newest is None:
        return 0.0
    outside = Q(measured__lt=F("first_low")) | Q(measured__gt=F("first_high")) | ~Q(model=newest)
    broken = rolls.filter(outside).order_by("-made_to").values_list("made_to", flat=True).first()
    begun = rolls.order_by("made_from").values_list("made_from", flat=True).first()
    return max((now - (broken or begun or now)).total_seconds(), 0.0)


def _bad_inputs(loop: Loop, now: datetime) -> list[str]:
    """The loop's streams that have no good and fresh prediction."""
    newest = situation.newest_predictions(loop, now)
    fresh = situation.fresh_for(loop.equipment)
    good = {key for key, (at, quality) in newest.items() if quality == Quality.GOOD and now - at <= fresh}
    return [key for key in loop.settings["cvs"] if key not in good]


def _priority_1(loop: Loop) -> int:
    """Streams of the loop out of specification with nobody's answer yet, and writes of its line nobody knows about."""
    out = Signal.objects.filter(stream__in=_streams(loop), rule=Rule.OUT_OF_SPEC, closed_at__isnull=True)
    lost = Change.objects.filter(line=loop.equipment.line_id, state=State.UNCONFIRMED)
    return out.count() + lost.count()


def _calm_s(loop: Loop, now: datetime) -> float:
    """Seconds since the loop last left automatic mode or fell silent by itself."""
    downs = ModeSpell.objects.filter(loop=loop, code__in=list(Trigger)).order_by("-since")
    since = downs.values_list("since", flat=True).first()
    return NEVER_S if since is None else (now - since).total_seconds()


def _streams(loop: Loop) -> list[int]:
    rows = Stream.objects.filter(lane__equipment=loop.equipment_id).select_related("lane", "characteristic")
    return [stream.pk for stream in rows if stream.key in loop.settings["cvs"]]
