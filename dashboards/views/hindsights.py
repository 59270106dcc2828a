"""What a recommendation that was not followed would have done, for its page."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from control.core.hindsight import Verdict
from dashboards import wording
from dashboards.views.outlooks import Card

MARKS = {Verdict.HELPED: "watch", Verdict.SAME: "passed", Verdict.HARMED: "passed"}


@dataclass(frozen=True, slots=True)
class Row:
    """One stream: its target, where it stood, and where it would have stood with the move."""

    stream: str
    target: float
    stood: float
    instead: float


@dataclass(frozen=True, slots=True)
class Told:
    sentence: str
    mark: str
    rows: list[Row]


def told(card: Card) -> Told | None:
    """Nothing before the foil made after the decision has been measured."""
    found = card.change.hindsight
    if not found:
        return None
    if not found.get("measured"):
        words = _("Too few streams were measured afterwards; what it would have done is not known.")
        return Told(words, "unknown", [])
    names = card.names
    rows = [
        Row(names.get(one["stream"], one["stream"]), one["target"], one["stood"], one["stood"] + one["forgone"])
        for one in found["streams"]
    ]
    verdict = Verdict(found["verdict"])
    return Told(f"{wording.HINDSIGHT[verdict]}. {_why(found['gain'])}", MARKS[verdict], rows)


def _why(gain: float) -> str:
    words = _("Nearer to the targets by %(gain)s standard deviations, all streams together; up to 1.6 is chance.")
    return words % {"gain": f"{gain:+.1f}"}
