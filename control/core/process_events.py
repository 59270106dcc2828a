"""What happens to a line that is no drift, such as a new batch or filter, and what each kind does to what is known.

An event has a place: the foil at the die at its instant. Foil made before belongs to the line as it was, foil made
after to the line as it is, however late either is measured and however late the event is told.

    level        the disturbance a of a loop: FREEZE holds it, RESET forgets it, the next value then counts in full
    drift        how fast it grows: FREEZE holds it while the level moves to its new place, RESET takes it to zero
    uncertainty  P of the level is raised to at least so many R: the next value counts u / (1 + u)
    bias         of the model: KEEP, or RELEARN from the first values measured of foil made after; until there are
                 enough of them the predictions of such foil are doubtful, and a loop that lives on them is silent
    stage        whether runs, EWMA and CUSUM of the charts start anew with the first foil made after

While the window of the inputs holds foil of both sides, its mean belongs to neither: it teaches no loop and no loop
speaks. A jump that the tags show (solids of a new batch) is then taken over with the first clean value; one they do
not show (a filter, a pump) has to be measured first.

An event that is told late, up to ``LATE_S``, acts on the loops at once and on a stream by the foil: what was judged
stays judged, the next value made after it opens the new stage. One told later still is history: every estimate has
long forgotten the line before it. One told ahead of the foil waits for it.

A status tag tells of an event at most every ``SPACING_S`` of machine time: what it does in between belongs to the same
intervention, or is a contact that chatters, and would only hold the loops and begin the charts anew without end.

Raising P at a known moment is the intervention of M. West, J. Harrison, Bayesian Forecasting and Dynamic Models,
Springer 1997, chapter 11.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

LATE_S = 3600.0
SPACING_S = 60.0  # at least so long between two events that one status tag tells of
RELEARNED = 2  # values measured after an event, from which the bias is known again


class Kind(StrEnum):
    """Stored and translated; never renamed."""

    MAINTENANCE = "maintenance"
    PUMP_SERVICE = "pump_service"
    FILTER_CHANGE = "filter_change"
    BATCH_CHANGE = "batch_change"
    PRODUCT_CHANGE = "product_change"
    SPLICE = "splice"
    ROLL_CHANGE = "roll_change"


class Effect(StrEnum):
    """What becomes of something that was learned."""

    FREEZE = "freeze"
    RESET = "reset"


class Bias(StrEnum):
    """What becomes of a model's bias."""

    KEEP = "keep"
    RELEARN = "relearn"


@dataclass(frozen=True, slots=True)
class Treatment:
    """A row of the table. ``uncertainty`` in R of one value; endless where the level is forgotten anyway."""

    level: Effect
    drift: Effect
    uncertainty: float
    bias: Bias
    breaks_stage: bool


_ANEW = Treatment(Effect.RESET, Effect.RESET, float("inf"), Bias.RELEARN, breaks_stage=True)
_UNSEEN_JUMP = Treatment(Effect.FREEZE, Effect.RESET, 9.0, Bias.RELEARN, breaks_stage=True)
_SAME_SLURRY = Treatment(Effect.FREEZE, Effect.FREEZE, 0.0, Bias.KEEP, breaks_stage=False)
TABLE: dict[Kind, Treatment] = {
    Kind.MAINTENANCE: _ANEW,
    Kind.PRODUCT_CHANGE: _ANEW,
    Kind.PUMP_SERVICE: _UNSEEN_JUMP,
    Kind.FILTER_CHANGE: _UNSEEN_JUMP,
    Kind.BATCH_CHANGE: Treatment(Effect.FREEZE, Effect.FREEZE, 9.0, Bias.KEEP, breaks_stage=True),
    Kind.SPLICE: _SAME_SLURRY,
    Kind.ROLL_CHANGE: _SAME_SLURRY,
}
BREAKING = frozenset(kind for kind, treatment in TABLE.items() if treatment.breaks_stage)


class Event(NamedTuple):
    """``at_s``: epoch seconds at the die of the first foil after it. ``side``: ``top``, ``bottom``, or "" for all.

    A tuple, because states keep events and are stored as JSON.
    """

    kind: Kind
    at_s: float
    side: str = ""

    @property
    def treatment(self) -> Treatment:
        return TABLE[self.kind]

    def concerns(self, side: str) -> bool:
        """Whether a stream of that side (``both`` where sides are one) is touched."""
        return not self.side or side in (self.side, "both")


@dataclass(frozen=True, slots=True)
class Watched:
    """A status tag whose every change of value is an event."""

    tag: str
    kind: Kind
    side: str = ""


class Noticed(NamedTuple):
    """A status tag that changed its value, and the event it tells of."""

    event: Event
    tag: str
    before: float
    after: float
