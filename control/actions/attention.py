"""What is put before people, and when: at most so much that they can attend to it. What is urgent always comes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet

from control import events
from control.actions import figures
from control.actions.authority import NOBODY
from control.core.attention import SHIFT_S, Budget
from control.core.modes import Mode
from control.models import Change, Signal
from control.queries.signals import unshelved

URGENT = 1  # the priority that waits for nothing
SHIFT = timedelta(seconds=SHIFT_S)


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls of the last eight hours, and how many they may be."""

    calls: int
    budget: float
    operators: int

    @property
    def each_ten_minutes(self) -> float:
        """Calls per operator and ten minutes."""
        return self.calls * 600.0 / (SHIFT_S * self.operators)


def rate(line_id: int, now: datetime) -> Rate:
    told = figures.of(line_id)
    return Rate(len(_calls(line_id, now, Signal.objects.all())), _budget(line_id).of_a_shift, told.operators)


def room(line_id: int, now: datetime) -> bool:
    """Whether one more recommendation may come before people now."""
    return _left(line_id, now) >= 1.0


def call_waiting(now: datetime) -> None:
    """Put before people what had to wait and may come now."""
    waiting = Signal.objects.filter(closed_at__isnull=True, called_at__isnull=True, joins__isnull=True)
    call(waiting.values_list("line", flat=True).distinct(), now)


def call(line_ids: Iterable[int], now: datetime) -> None:
    """Put the signals of these lines before people: the urgent ones, and of the others as many as there is room for."""
    for line_id in line_ids:
        waiting = list(_waiting(line_id, now).values_list("pk", "priority"))
        if waiting and (chosen := _chosen(waiting, _left(line_id, now), _budget(line_id).reserve)):
            Signal.objects.filter(pk__in=chosen, called_at__isnull=True).update(called_at=now)
            events.publish("signal", line_id=line_id)


def _waiting(line_id: int, now: datetime) -> QuerySet[Signal]:
    rows = Signal.objects.filter(line=line_id, closed_at__isnull=True, called_at__isnull=True, joins__isnull=True)
    return unshelved(rows, now).order_by("priority", "pk")


def _chosen(waiting: list[tuple[int, int]], left: float, reserve: float) -> list[int]:
    chosen = []
    for pk, priority in waiting:
        if priority > URGENT and left < 1.0 + reserve:
            break
        chosen.append(pk)
        left -= priority > URGENT
    return chosen


def _left(line_id: int, now: datetime) -> float:
    """What the urgent takes is not counted: it must not keep back what would mend it."""
    calls = _calls(line_id, now, Signal.objects.filter(priority__gt=URGENT))
    return _budget(line_id).left([at.timestamp() for at in calls], now.timestamp())


def _budget(line_id: int) -> Budget:
    told = figures.of(line_id)
    return Budget(told.call_every_s, told.operators, told.call_burst)


def _calls(line_id: int, now: datetime, signals: QuerySet[Signal]) -> list[datetime]:
    """When people were called: by these signals, and by recommendations that took no other's place and ask somebody."""
    signals = signals.filter(line=line_id, called_at__gt=now - SHIFT, called_at__lte=now)
    offered = Change.objects.filter(
        line=line_id, author=None, supersedes=None, proposed_at__gt=now - SHIFT, proposed_at__lte=now
    ).exclude(needs=NOBODY)
    asking = offered.exclude(evidence__versions__mode=Mode.AUTO.value)
    return [*signals.values_list("called_at", flat=True), *asking.values_list("proposed_at", flat=True)]  # type: ignore[list-item]
