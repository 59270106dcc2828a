"""The mode of a loop on its page: the ladder, what automatic mode still wants, the stretches so far, HOLD."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from control.actions import figures, standing
from control.actions.authority import Right
from control.actions.modes import INTO_AUTO
from control.core.modes import Mode
from control.core.promotion import conditions, unmet
from control.models import Loop
from control.queries import loops as queries
from dashboards import permissions, wording
from dashboards.views.overview import held_over


@dataclass(frozen=True, slots=True)
class Rung:
    """One mode of the ladder."""

    mode: Mode
    words: str
    means: str
    requested: bool
    actual: bool


def ladder(request: HttpRequest, loop: Loop) -> dict[str, Any]:
    line = loop.equipment.line
    found = conditions(standing.standing(loop, permissions.now()), figures.of(line.pk))
    held = held_over(request, line)
    return {
        **held,
        "holds": [hold for hold in held["holds"] if hold.loop_id in (None, loop.pk)],
        "loop_held": any(hold.loop_id == loop.pk for hold in held["holds"]),
        "rungs": [_rung(loop, mode) for mode in reversed(Mode)],
        "askable": [(mode.value, wording.MODES[mode]) for mode in Mode if not mode.decides],
        "conditions": [(one, wording.condition(one)) for one in found],
        "unmet": len(unmet(found)),
        "spells": queries.spells(loop),
        "may_set_mode": permissions.may(request, Right.SET_MODE, line),
        "into_auto": wording.meaning(INTO_AUTO),
        "key": uuid.uuid4().hex,
    }


def _rung(loop: Loop, mode: Mode) -> Rung:
    here = {"requested": loop.requested_mode == mode, "actual": loop.actual_mode == mode}
    return Rung(mode, str(wording.MODES[mode]), str(wording.MODES_MEAN[mode]), **here)
