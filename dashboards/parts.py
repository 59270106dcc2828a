"""The parts of a change that may be approved alone, as its page shows them, and what was left out of it."""

from __future__ import annotations

from dataclasses import dataclass

from control.actions.foretelling import with_moves
from control.models import Change, SetPointMove
from dashboards import wording
from dashboards.views.outlooks import Card


@dataclass(frozen=True, slots=True)
class Part:
    """Moves that go together."""

    number: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Row:
    """Where one stream goes without a move, with each part alone, and with all of it."""

    stream: str
    target: float
    do_nothing: float
    alone: list[float]
    all: float


def parts(change: Change) -> list[Part]:
    """Nothing where all goes together."""
    found = [Part(number, wording.several_sentence(moves)) for number, moves in _by_part(change).items()]
    return found if len(found) > 1 else []


def rows(card: Card) -> list[Row]:
    """What each part would do, by the gains it was solved with."""
    change = card.change
    alone = [with_moves(change.loop, change.evidence, moves) for moves in _by_part(change).values()]
    return [
        Row(seen.stream, seen.target, seen.do_nothing, [told[i]["after"] for told in alone], seen.after)
        for i, seen in enumerate(card.outlooks)
    ]


def left_out(change: Change) -> list[SetPointMove]:
    if change.parts is None:
        return []
    return list(SetPointMove.everything.filter(change=change, left_out=True).select_related("tag").order_by("id"))


def _by_part(change: Change) -> dict[int, list[SetPointMove]]:
    found: dict[int, list[SetPointMove]] = {}
    for move in change.moves.all():
        found.setdefault(move.part, []).append(move)
    return dict(sorted(found.items()))
