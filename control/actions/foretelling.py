"""What is expected of a change: as it was proposed, or by the moves that are left of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from control.core.foretold import all_land
from control.models import Change, Loop, SetPointMove


def expected(change: Change) -> list[dict[str, Any]]:
    """One entry a stream, as :class:`control.core.types.Expected` has them."""
    if change.parts is None:
        return list(change.evidence.get("expected", ()))
    return with_moves(change.loop, change.evidence, change.moves.all())


def with_moves(loop: Loop, evidence: Mapping[str, Any], rows: Iterable[SetPointMove]) -> list[dict[str, Any]]:
    """The expectation in ``evidence``, had it been these moves: by the gains that the proposal was solved with."""
    told, gains = evidence["expected"], gains_of(loop, evidence)
    columns = [(gains[row.tag.key], row.to_value - row.from_value) for row in rows]
    after = all_land([item["do_nothing"] for item in told], columns)
    return [{**item, "after": value} for item, value in zip(told, after, strict=True)]


def gains_of(loop: Loop, evidence: Mapping[str, Any]) -> Mapping[str, Sequence[float]]:
    """By parameter, its gain on each expected stream; one proposed before that was stored with it has the loop's."""
    settings = loop.settings
    return evidence.get("gains") or dict(zip(settings["mvs"], zip(*settings["gains"], strict=True), strict=True))
