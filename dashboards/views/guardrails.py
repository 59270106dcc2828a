"""What stands guard over a change, each passed or not, at this moment. The actions check all of it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from control.actions import situation, sizing
from control.actions.authority import NOBODY
from control.core.lifecycle import UNDECIDED
from control.core.modes import Mode
from control.models import Change
from dashboards import wording


@dataclass(frozen=True, slots=True)
class Guard:
    """One condition for a write: its words, and what it is where it fails."""

    words: str
    passed: bool
    detail: str = ""


def guardrails(change: Change, now: datetime) -> list[Guard]:
    """Empty once the change is decided: what was true then is in the audit."""
    if change.state not in UNDECIDED:
        return []
    loop, moves = change.loop, list(change.moves.all())
    now_is = situation.readings(loop.equipment, now)
    away = situation.moved_away(moves, now_is.values)
    needed = sizing.weigh(moves, situation.active_recipe(loop), now, besides=change.pk)
    why = str(wording.NEEDS.get(needed.reason, needed.reason))
    return [
        Guard(_("Not expired"), now < change.expires_at),
        Guard(_("No HOLD"), not situation.on_hold(loop)),
        Guard(_("The loop's mode lets apcweb write"), Mode(loop.actual_mode).writes, loop.get_actual_mode_display()),
        Guard(_("Machine data is fresh"), now_is.fresh(loop.equipment, now)),
        Guard(_("Set-points are as proposed"), not away, ", ".join(str(m.tag) for m in moves if m.tag.key in away)),
        Guard(_("Inside the machine's limits and somebody's authority"), sizing.role(needed) != NOBODY, why),
        Guard(
            _("Recipe, limits and models unchanged"), change.evidence["versions"] == situation.versions(loop)
        ),
    ]  # fmt: skip
