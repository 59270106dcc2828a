"""Puts changes before the people of a running installation in a colleague's name, so that there are many of them.

The first of a loop is a step of one parameter; from then on each is the way back of the one before, which needs no
prediction and which the controller leaves alone. Run with the site's environment: a line of JSON comes in for each
change that is wanted, a line goes out with its id, or with null where there is no room for one.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from datetime import datetime, timedelta

import django
from django.db import Error, connection

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - after the settings
from django.db.models import F  # noqa: E402

from control.actions import changes, leases, situation  # noqa: E402
from control.actions.errors import Refused  # noqa: E402
from control.core.lifecycle import UNDECIDED, State  # noqa: E402
from control.core.types import Expected, Move, Proposal  # noqa: E402
from control.models import Change, Grant, Loop, Signal  # noqa: E402

AN_EARLIER_SHIFT = timedelta(hours=9)
UNDOABLE = [State.APPLIED, State.VERIFYING, State.EFFECTIVE, State.INEFFECTIVE]
AT_WORK = [*UNDECIDED, State.APPROVED, State.WRITING, State.UNCONFIRMED]


def offer(line: str, loop: str, tag: str, step: float) -> int | None:
    """The open change of a loop that a person proposed, or a new one."""
    now = leases.database_now()
    found = Loop.objects.select_related("equipment__line__area__site").get(key=loop, equipment__line__key=line)
    put_behind(found.equipment.line_id, now)
    change = (
        found.changes.filter(state__in=UNDECIDED).exclude(author=None).first()
        or way_back(found, now)
        or proposed(found, tag, step, now)
    )
    return change.pk if change else None


def way_back(loop: Loop, now: datetime) -> Change | None:
    last = loop.changes.filter(state__in=UNDOABLE, needs="operator").order_by("-pk").first()
    with suppress(Refused):  # it is too late, or the newest snapshot does not show it yet
        return changes.undo(last.pk, actor=colleague(loop), now=now) if last else None
    return None


def colleague(loop: Loop) -> User:
    """Another operator, who may propose; whoever approves is somebody else."""
    person, _ = User.objects.get_or_create(username="colleague", defaults={"password": "!"})
    site, since = loop.equipment.line.area.site, leases.database_now() - AN_EARLIER_SHIFT
    Grant.objects.get_or_create(user=person, role="operator", site=site, defaults={"valid_from": since})
    return person


def proposed(loop: Loop, tag: str, step: float, now: datetime) -> Change | None:
    stands = situation.readings(loop.equipment, now).values.get(tag)
    if stands is None:
        return None
    told = proposal(loop, tag, stands, step, now)
    return changes.propose(loop=loop, proposal=told, evidence={}, actor=colleague(loop), now=now)


def proposal(loop: Loop, tag: str, stands: float, step: float, now: datetime) -> Proposal:
    """It promises so much that no open change of the controller serves as well."""
    stream, gains = loop.settings["cvs"][0], loop.settings["gains"][0]
    expected = Expected(stream, target=20.0, now=-80.0, do_nothing=-80.0, after=20.0, half_width=0.1)
    move = Move(tag, stands, stands + step, ())
    return Proposal(loop.key, now.timestamp(), 1, 10.0, (move,), (expected,), (), (tuple(gains),))


def put_behind(line_id: int, now: datetime) -> None:
    """What came before belongs to an earlier shift: it counts in no sum, and called nobody in this one."""
    ended = Change.objects.filter(line=line_id, proposed_at__gt=now - AN_EARLIER_SHIFT).exclude(state__in=AT_WORK)
    ended.update(**{name: F(name) - AN_EARLIER_SHIFT for name in ("proposed_at", "decided_at", "state_since")})
    called = Signal.objects.filter(line=line_id, called_at__gt=now - AN_EARLIER_SHIFT)
    called.update(called_at=F("called_at") - AN_EARLIER_SHIFT)


def main() -> None:
    for asked in sys.stdin:
        try:
            answer = offer(**json.loads(asked))
        except Error:  # the database is away just now
            connection.close()
            answer = None
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
