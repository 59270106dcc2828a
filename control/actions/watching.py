"""Whether a loop may stay in the mode it is in: looked at in every pass, and by the clock where nothing comes.

``note`` costs nothing where no loop decides by itself. ``watch`` also ends and lifts a shadow that silence brought.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from control.actions import figures, situation
from control.actions._facts import LATELY, Seen, bad_on_end
from control.actions._window import Fresh
from control.actions.machines import Built
from control.actions.modes import LIFTED, demote, fell_silent, lift
from control.actions.sizing import COUNTED, SHIFT
from control.core.demotion import Facts, Trigger, causes, worst
from control.core.figures import Figures
from control.core.modes import Mode
from control.core.outcome import Pass
from control.core.process_events import Event
from control.models import Loop, ModeSpell, SetPointMove, Snapshot, Stream

ACTOR = "watch"
AT_CAP = 0.9  # of what automatic mode may move at once


def note(built: Built, fresh: Fresh, found: Pass, told: Iterable[Event], now: datetime) -> None:
    """What a pass found that takes a loop of the machine out of automatic mode; inside its transaction."""
    if not built.deciding or found.state.at_s is None:
        return
    figured, events = figures.of(built.line_id), [*told, *(seen.event for seen in found.noticed)]
    late_scans = (now.timestamp() - found.state.at_s) / situation.scan_s(built.cycle_s)
    for config in built.machine.loops:
        if config.key not in built.deciding:
            continue
        loop = built.loops[config.key]
        if late_scans > figured.very_stale_scans:  # of a backlog, which says nothing about now
            facts = Facts(silent_scans=figured.very_stale_scans)
        else:
            facts = Seen(built, fresh, found, config, loop).facts(events, figured, now)
        _act(loop.pk, facts, figured, now)


def watch(now: datetime) -> None:
    """What no pass can notice, because nothing comes; every two seconds or so."""
    lines: dict[int, Figures] = {}
    for row in _watched():
        figured = lines.get(row.line_id) or lines.setdefault(row.line_id, figures.of(row.line_id))
        if row.actual == Mode.SHADOW:
            _lift(row, figured, now)
        else:
            _act(row.loop_id, _deciding(row, now) if row.actual == Mode.AUTO else _speaking(row, now), figured, now)


def _deciding(row: _Row, now: datetime) -> Facts:
    """Of a loop in automatic mode."""
    authority = figures.table(row.line_id)
    return Facts(
        silent_scans=row.arrivals.silent_s(now) / situation.scan_s(row.cycle_s),
        unheard_s=float("inf") if row.heard_at is None else (now - row.heard_at).total_seconds(),
        same_way=_same_way(row.loop_id, authority.auto.move, now),
        same_way_most=authority.auto_same_way,
        held="HOLD" if situation.on_hold(_loop(row.loop_id)) else "",
    )


def _speaking(row: _Row, now: datetime) -> Facts:
    """Of one that people decide for: it only falls silent."""
    missing = row.arrivals.missing_s(now) / situation.scan_s(row.cycle_s)
    return Facts(silent_scans=missing, bad_scans=_bad_since_down(row, now))


def _act(loop_id: int, facts: Facts, figured: Figures, now: datetime) -> None:
    """As far down as the worst cause says; of a loop that is as far down already nothing is written."""
    cause = worst(causes(facts, figured))
    if cause is not None:
        demote(Loop(pk=loop_id), cause.trigger.to, actor=ACTOR, code=cause.trigger, detail=cause.detail, now=now)


class _Row(NamedTuple):
    """A loop that ``watch`` looks at."""

    loop_id: int
    line_id: int
    actual: str
    cycle_s: float
    heard_at: datetime | None
    arrivals: situation.Arrivals
    reasons: list[dict[str, str]]
    since: datetime | None


COLUMNS = (
    *("pk", "equipment__line_id", "actual_mode", "requested_mode", "equipment__cycle_s", "mode_reasons", "mode_since"),
    "equipment__handshake__heard_at",
    *(f"equipment__{name}" for name in situation.ARRIVALS),
)


def _watched() -> Iterator[_Row]:
    """Loops that decide, or should speak; those that fell silent."""
    for pk, line_id, actual, requested, cycle_s, reasons, since, heard_at, *arrivals in Loop.objects.exclude(
        actual_mode=Mode.OFF
    ).values_list(*COLUMNS):
        in_shadow = actual == Mode.SHADOW
        if not in_shadow or (Mode(requested).offers and fell_silent(Loop(mode_reasons=reasons))):
            yield _Row(pk, line_id, actual, cycle_s, heard_at, situation.Arrivals(*arrivals), reasons, since)


def _loop(loop_id: int) -> Loop:
    return Loop.objects.select_related("equipment").get(pk=loop_id)


def _bad_since_down(row: _Row, now: datetime) -> int:
    """A loop that bad inputs have just brought down goes further if they stay: scans on end."""
    code = row.reasons[0].get("code") if row.reasons and isinstance(row.reasons[0], dict) else ""
    if code != Trigger.BAD_INPUT or row.since is None or now - row.since > LATELY:
        return 0
    return bad_on_end(_streams(row.loop_id), now)


def _streams(loop_id: int) -> list[int]:
    loop = _loop(loop_id)
    rows = Stream.objects.filter(lane__equipment=loop.equipment_id).select_related("lane", "characteristic")
    return [stream.pk for stream in rows if stream.key in loop.settings["cvs"]]


def _lift(row: _Row, figured: Figures, now: datetime) -> None:
    """Back from silence once enough good scans have come, and not again for a while."""
    loop = _loop(row.loop_id)
    wanted_s = (figured.good_scans + 2) * situation.scan_s(row.cycle_s)
    begin = max(now - timedelta(seconds=wanted_s), row.since or now)
    came = Snapshot.objects.filter(equipment=loop.equipment_id, at__gt=begin, at__lte=now + situation.CLOCK_SKEW)
    if came.count() < figured.good_scans or bad_on_end(_streams(row.loop_id), now):
        return
    lately = ModeSpell.objects.filter(loop=loop, code=LIFTED, since__gt=now - timedelta(seconds=figured.calm_s))
    if not lately.exists():
        lift(loop, actor=ACTOR, now=now)


def _same_way(loop_id: int, cap: float, now: datetime) -> int:
    """How many of a parameter's newest moves on end went one way, each about as far as ``cap`` (%)."""
    made = SetPointMove.objects.filter(
        change__loop=loop_id, change__state__in=COUNTED, change__decided_at__gt=now - SHIFT
    ).order_by("-change__decided_at")
    of_tag: dict[int, list[tuple[float, float]]] = {}
    for move in made.select_related("change"):
        share = move.change.size_percent / cap if cap else 1.0
        of_tag.setdefault(move.tag_id, []).append((move.to_value - move.from_value, share))
    return max((_run(moves) for moves in of_tag.values()), default=0)


def _run(moves: list[tuple[float, float]]) -> int:
    """``moves`` the newest first: signed size, and the share of the cap."""
    n = 0
    for delta, share in moves:
        if delta * moves[0][0] <= 0 or share < AT_CAP:
            break
        n += 1
    return n
