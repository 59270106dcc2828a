"""How a change comes before a person. What people make of it: see control.actions.revising."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection

from control.actions import attention, audit, figures, situation, sizing
from control.actions._move import begin, move
from control.actions.audit import Actor
from control.actions.authority import LADDER, NOBODY
from control.actions.errors import Conflict
from control.core.foretold import lands
from control.core.lifecycle import UNDECIDED, UNWRITTEN, State, Verb
from control.core.modes import Mode
from control.core.policy import Level, Needed
from control.core.types import Proposal
from control.models import Change, Loop, Recipe, SetPointMove

# The newest change of each loop of the equipment %(id)s, as one JSON text: a pass asks it along with its other facts
BEFORE = """
(SELECT coalesce(json_agg(json_build_array(n.loop_id, n.state, date_part('epoch', n.state_since),
        n.author_id IS NOT NULL,
        (SELECT coalesce(json_agg(json_build_array(t.key, m.from_value, m.to_value, t.deadband)), '[]')
         FROM control_setpointmove m JOIN control_tag t ON t.id = m.tag_id
          WHERE m.change_id = n.id AND NOT m.left_out))), '[]')::text
 FROM control_loop held
 CROSS JOIN LATERAL (SELECT * FROM control_change WHERE loop_id = held.id ORDER BY id DESC LIMIT 1) AS n
 WHERE held.equipment_id = %(id)s)
"""
SAID_NO = (State.REJECTED, State.BLOCKED, State.WRITE_FAILED)


def propose(
    *, loop: Loop, proposal: Proposal, evidence: Mapping[str, Any], actor: Actor, now: datetime, reason: str = ""
) -> Change | None:
    """Put what the controller would do before a person; None where that is not wanted or says nothing new.

    Nothing is offered in off and shadow, under HOLD, from data that are no longer fresh, while a change is being
    written, against a person's own open proposal, again soon after a no, or while people have been called as often as
    they can attend to. ``evidence`` is whatever else
    the decider is to see.
    """
    if not news([(loop, proposal)], _asked(loop.equipment_id), now=now):
        return None
    loop = Loop.objects.select_related("equipment__line").get(pk=loop.pk)  # a pass takes a while
    if not Mode(loop.actual_mode).offers or situation.on_hold(loop):
        return None
    earlier = loop.changes.filter(state__in=UNDECIDED, author=None).first()  # a person's own is not taken away
    if earlier is None and not Mode(loop.actual_mode).decides and not attention.room(loop.equipment.line_id, now):
        return None  # people have had their share of calls: the next pass asks again
    told = {
        **evidence,
        "seen_at": _seen_at(proposal).isoformat(),
        "place": {"roll": proposal.roll, "web_m": proposal.web_m},
        "expected": [asdict(item) for item in proposal.expected],
        "gains": _gains(loop, proposal),
        "constraints": [*proposal.active_constraints, *(f"{tag}:not_fed" for tag in proposal.not_fed)],
    }
    try:
        recipe = situation.active_recipe(loop)
        return offer(
            loop, _rows(loop, proposal), recipe, told, earlier=earlier, actor=actor, now=now, reason=reason
        )  # fmt: skip
    except Conflict:  # someone decided the earlier one in this very moment
        return None


def news(found: Sequence[tuple[Loop, Proposal]], before: str, *, now: datetime) -> list[tuple[Loop, Proposal]]:
    """Those that are fresh, wanted by their loop's mode, and say more than the newest change of the loop did.

    ``before`` is what BEFORE told. No models: it is asked with every scan, as long as a loop wants to move.
    """
    wanted = [
        (loop, proposal)
        for loop, proposal in found
        if proposal.moves
        and Mode(loop.actual_mode).offers
        and now - _seen_at(proposal) <= situation.fresh_for(loop.equipment)
    ]
    newest = _newest(before) if wanted else {}
    return [
        (loop, proposal)
        for loop, proposal in wanted
        if loop.pk not in newest or _worth_saying(newest[loop.pk], loop, proposal, now)
    ]


def _seen_at(proposal: Proposal) -> datetime:
    return datetime.fromtimestamp(proposal.at_s, UTC)


def retract(reasons: Mapping[int, str], *, actor: Actor, now: datetime) -> int:
    """Withdraw what rests on the predictions of these loops and nobody has written yet; ``reasons`` by loop id.

    Its inputs went bad: it may be proposed again when all is well. The way back of an undoing stays. Returns how many.
    """
    unwritten = Change.objects.filter(loop__in=reasons, undoes=None, state__in=UNWRITTEN)
    retracted = 0
    for change in unwritten.select_related("decided_by"):
        with suppress(Conflict), audit.atomic():  # someone was first: the dispatcher asks again by itself
            move(change, Verb.WITHDRAW, actor=actor, now=now, reason=reasons[change.loop_id])
            retracted += 1
    return retracted


def _gains(loop: Loop, proposal: Proposal) -> dict[str, list[float]]:
    """Of each parameter that moves its gain on every expected stream, where the machine stands."""
    moved = {item.tag for item in proposal.moves}
    columns = zip(loop.settings["mvs"], zip(*proposal.gains, strict=True), strict=False)
    return {tag: list(column) for tag, column in columns if tag in moved}


def _rows(loop: Loop, proposal: Proposal) -> list[SetPointMove]:
    tags = {tag.key: tag for tag in loop.equipment.tags.select_related("equipment")}
    return [
        SetPointMove(
            tag=tags[item.tag],
            from_value=item.from_value,
            to_value=item.to_value,
            contributions=[asdict(share) for share in item.contributions],
            part=item.part,
        )
        for item in proposal.moves
    ]


@dataclass(frozen=True, slots=True)
class _Before:
    """The newest change of a loop; ``moves`` are tag key, from and to value, and the tag's deadband."""

    state: State
    since: datetime
    by_a_person: bool
    moves: tuple[tuple[str, float, float, float], ...]


def _newest(told: str) -> dict[int, _Before]:
    return {
        pk: _Before(State(state), datetime.fromtimestamp(since_s, UTC), by_a_person, tuple(map(tuple, moves)))
        for pk, state, since_s, by_a_person, moves in json.loads(told)
    }


def _asked(equipment_id: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {BEFORE}", {"id": equipment_id})
        return str(cursor.fetchone()[0])


def _worth_saying(before: _Before, loop: Loop, proposal: Proposal, now: datetime) -> bool:
    if before.state in UNDECIDED:
        return not before.by_a_person and not _still_serves(before, loop, proposal)
    if before.state in (State.APPROVED, State.WRITING, State.UNCONFIRMED):
        return False
    if before.state in SAID_NO and now - before.since < _rest(loop):
        return not _still_serves(before, loop, proposal)
    return True


def _rest(loop: Loop) -> timedelta:
    """How long a "no" holds against the same proposal."""
    return timedelta(seconds=figures.of(loop.equipment.line_id).rest_s)


def _still_serves(before: _Before, loop: Loop, proposal: Proposal) -> bool:
    """Whether the earlier moves, made now, would do about as well as the new ones: then there is nothing new to say.

    They must start from where the machine stands, and leave no stream further off its target than the deadband, or
    half a deadband further than the new moves would, by the gains that hold there.
    """
    settings = loop.settings
    stands = {item.tag: item.from_value for item in proposal.moves}
    steps = {}
    for tag, from_value, to_value, deadband in before.moves:
        if abs(stands.get(tag, from_value) - from_value) > deadband + situation.ROUNDING:
            return False
        steps[tag] = to_value - from_value
    best = max(abs(item.after - item.target) for item in proposal.expected)
    allowed = max(settings["deadband"], best + settings["deadband"] / 2)
    for item, gains in zip(proposal.expected, proposal.gains, strict=True):
        stands_then = lands(
            item.do_nothing, ((gain, steps.get(mv, 0.0)) for mv, gain in zip(settings["mvs"], gains, strict=True))
        )
        if abs(stands_then - item.target) > allowed:
            return False
    return True


def offer(
    loop: Loop,
    rows: list[SetPointMove],
    recipe: Recipe | None,
    told: Mapping[str, Any],
    *,
    earlier: Change | None,
    actor: Actor,
    now: datetime,
    reason: str,
    undoes: Change | None = None,
    until: datetime | None = None,
) -> Change:
    """A new change before whoever may decide on it, in place of ``earlier``; it lives no longer than ``until``."""
    needed = sizing.weigh(rows, recipe, now)
    now_is = situation.readings(loop.equipment, now)
    dead = situation.dead_time(loop, now_is)
    life = situation.time_to_live(dead, figures.of(loop.equipment.line_id))
    change = Change(
        loop=loop,
        line_id=loop.equipment.line_id,
        proposed_at=now,
        expires_at=min(now + life, until or now + life),
        author=None if isinstance(actor, str) else actor,
        size_percent=max(sizing.percent(row.tag, row.to_value - row.from_value, recipe) for row in rows),
        needs=sizing.role(needed),
        evidence={
            **told,
            "versions": situation.versions(loop),
            "dead_time_s": dead and dead.total_seconds(),
            "life_s": life.total_seconds(),
        },
        undoes=undoes,
    )
    try:
        with audit.atomic():
            if earlier and earlier.state in UNDECIDED:
                move(earlier, Verb.SUPERSEDE, actor=actor, now=now)
                change.supersedes = earlier
            begin(change, rows, actor=actor, now=now, reason=reason)
            _put_before_someone(change, needed, actor=actor, now=now)
    except IntegrityError as error:
        if "change_one_open" not in str(error):
            raise
        raise Conflict("another_open", "Another change of this loop was proposed in the same moment.") from None
    return change


def _put_before_someone(change: Change, needed: Needed, *, actor: Actor, now: datetime) -> None:
    by_itself = Mode(change.loop.actual_mode).decides and change.author is None
    if change.needs == NOBODY:
        move(change, Verb.BLOCK, actor=actor, now=now, reason=needed.reason)
    elif by_itself and needed.level is Level.AUTO:
        move(change, Verb.COUNT_DOWN, actor=actor, now=now)
    elif change.needs == LADDER[0]:
        move(change, Verb.OFFER, actor=actor, now=now)
    else:
        move(change, Verb.ESCALATE, actor=actor, now=now, reason=needed.reason)
