"""Puts changes before the people of a running installation in an engineer's name, so that there are many of them.

What a person proposed the controller neither replaces nor takes back. Run with the site's environment: a line of
JSON comes in for each change that is wanted, a line goes out with its id, or with null where there is no room for one.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta

import django
from django.db import Error, connection

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - after the settings
from django.db.models import F  # noqa: E402

from control.actions import changes, leases, situation  # noqa: E402
from control.core.lifecycle import UNDECIDED, State  # noqa: E402
from control.core.types import Expected, Move, Proposal  # noqa: E402
from control.models import Change, Loop, Signal  # noqa: E402

AN_EARLIER_SHIFT = timedelta(hours=9)
AT_WORK = [*UNDECIDED, State.APPROVED, State.WRITING, State.UNCONFIRMED]


def offer(line: str, loop: str, tag: str, step: float) -> int | None:
    """The open change of a loop: a step of one parameter back to its recipe's value, or away from it."""
    now = leases.database_now()
    found = Loop.objects.select_related("equipment__line").get(key=loop, equipment__line__key=line)
    put_behind(found.equipment.line_id, now)
    recipe = situation.active_recipe(found)
    stands = situation.readings(found.equipment, now).values.get(tag)
    if recipe is None or stands is None:
        return None
    usual = recipe.content["set_points"][f"{found.equipment.key}.{tag}"]
    change = changes.propose(
        loop=found, proposal=proposal(found, tag, stands, step if stands <= usual else -step, now),
        evidence={}, actor=User.objects.get(username="engineer"), now=now,
    )  # fmt: skip
    ours = found.changes.filter(state__in=UNDECIDED).exclude(author=None)
    return change.pk if change else ours.values_list("pk", flat=True).first()


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
