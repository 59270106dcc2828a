"""What a person may make of a change, as its page offers it: other values, the way back, taking back one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from control.actions import authority, situation, sizing
from control.actions.authority import LADDER, Right
from control.actions.errors import Invalid
from control.actions.revising import undoable_until
from control.actions.sizing import Reach
from control.core.lifecycle import OPEN, UNDECIDED, State
from control.core.modes import Mode
from control.models import Change, SetPointMove
from dashboards import permissions

WITHDRAWABLE = UNDECIDED | {State.APPROVED}


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter in the form for other values, with what binds them."""

    move: SetPointMove
    reach: Reach

    @property
    def name(self) -> str:
        return _name(self.move)

    @property
    def shown(self) -> str:
        return _shown(self.move)


def offered(request: HttpRequest, change: Change) -> dict[str, Any]:
    now = permissions.now()
    proposes = permissions.may(request, Right.PROPOSE, change.line)
    edits = proposes and change.state in UNDECIDED and Mode(change.loop.actual_mode).writes
    return {
        "fields": _fields(change, now) if edits else [],
        "may_withdraw": change.state in WITHDRAWABLE and _may_withdraw(request, change, now),
        "undo_until": _undo_until(change, now) if proposes else None,
        "links": _links(change),
    }


def values(change: Change, form: Mapping[str, str]) -> dict[str, float]:
    """The values that were typed over; what was left as it was shown keeps all its decimals."""
    found = {}
    for move in change.moves.all():
        text = form.get(_name(move), "").strip()
        if text and text != _shown(move):
            found[move.tag.key] = _number(text)
    return found


def _fields(change: Change, now: datetime) -> list[Field]:
    moves = list(change.moves.select_related("tag__equipment"))
    reach = sizing.reaches(moves, situation.active_recipe(change.loop), now, besides=change.pk)
    return [Field(move, reach[move.tag_id]) for move in moves]


def _may_withdraw(request: HttpRequest, change: Change, now: datetime) -> bool:
    """One's own; a supervisor also what another person proposed, and what is approved and not yet written."""
    if not permissions.may(request, Right.DECIDE, change.line):
        return False
    if change.author_id == request.user.pk:
        return True
    held = authority.roles(request.user, change.line, now)
    return (change.author_id is not None or change.state == State.APPROVED) and authority.decides(held, LADDER[-1])


def _undo_until(change: Change, now: datetime) -> datetime | None:
    """Nothing where the way back is open already, or the time for it is over."""
    until = undoable_until(change)
    if until is None or now > until or change.undone_by.filter(state__in=OPEN).exists():
        return None
    return until


def _links(change: Change) -> list[tuple[str, int]]:
    """The changes it has to do with: whose place it took, which took its place, and the way back."""
    edited = change.supersedes_id and change.author_id and not change.undoes_id
    after = getattr(change, "superseded_by", None)
    found = [
        (_("Other values for change %(n)s") if edited else _("In place of change %(n)s"), change.supersedes_id),
        (_("Change %(n)s took its place"), after and after.pk),
        (_("Takes change %(n)s back"), change.undoes_id),
        *((_("Change %(n)s takes it back"), pk) for pk in change.undone_by.order_by("pk").values_list("pk", flat=True)),
    ]
    return [(words % {"n": pk}, pk) for words, pk in found if pk]


def _name(move: SetPointMove) -> str:
    return f"to-{move.tag.key}"


def _shown(move: SetPointMove) -> str:
    return f"{move.to_value:.3f}"


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise Invalid("no_number", "A value is not a number.") from None
