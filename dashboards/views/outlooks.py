"""A change with everything a page says of it besides its row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from control.actions.foretelling import expected
from control.models import Change, Equipment, Recipe, SetPointMove, Stream
from control.queries import overview as queries
from dashboards import wording
from dashboards.figures import Outlook, outlook
from dashboards.names import Names

StreamsOf = Callable[[Equipment], dict[str, Stream]]
SHOWN = 0.0005  # half of the last digit on the page


@dataclass(frozen=True, slots=True)
class Card:
    """A change as it is told: one sentence, the streams it touches, how sure, and the web's speed in m/s."""

    change: Change
    sentence: str
    outlooks: list[Outlook]
    confidence: str
    speed: float | None
    line_names: Names

    def signal(self, key: str) -> str:
        """What a tag is called, or a signal that is fed forward."""
        return self.line_names.signal(self.change.loop.equipment_id, key)

    @property
    def names(self) -> dict[str, str]:
        """What the streams of the expectation are called, by key."""
        keys = (item["stream"] for item in expected(self.change))
        return {key: seen.stream for key, seen in zip(keys, self.outlooks, strict=True)}

    @property
    def moves(self) -> list[SetPointMove]:
        return list(self.change.moves.all())

    @property
    def parts(self) -> list[tuple[str, list[float | None]]]:
        """Why: a row for each contribution, with its share of every move; shares too small to show are left out."""
        moves = [{part["name"]: part["amount"] for part in move.contributions} for move in self.moves]
        names = dict.fromkeys(name for amounts in moves for name in amounts)
        rows = [(name, [amounts.get(name) for amounts in moves]) for name in names]
        return [
            (wording.contribution(name, self.names, self.signal), row)
            for name, row in rows
            if any(abs(amount or 0.0) >= SHOWN for amount in row)
        ]


def cards(changes: Iterable[Change]) -> list[Card]:
    """Cards of some changes; plant facts are read once for all of them."""
    recipe_of, streams_of, speed_of, names_of = cache(_recipe), cache(_streams), cache(queries.web_speed), cache(Names)
    found = []
    for change in changes:
        machine, seen = change.loop.equipment, _outlooks(change, recipe_of(change.line_id), streams_of)
        told = (seen, confidence(seen), speed_of(machine), names_of(change.line_id))
        found.append(Card(change, wording.sentence(change, seen), *told))
    return found


def _recipe(line_id: int) -> Recipe | None:
    return Recipe.objects.filter(line_id=line_id, state="active").first()


def _streams(equipment: Equipment) -> dict[str, Stream]:
    rows = Stream.objects.filter(lane__equipment=equipment).select_related("lane__equipment", "characteristic")
    return {stream.key: stream for stream in rows}


def _outlooks(change: Change, recipe: Recipe | None, streams_of: StreamsOf) -> list[Outlook]:
    streams = streams_of(change.loop.equipment)
    return [_outlook(item, recipe, streams.get(item["stream"])) for item in expected(change)]


def _outlook(item: dict[str, Any], recipe: Recipe | None, stream: Stream | None) -> Outlook:
    spec = (recipe and stream and recipe.stream_spec(stream.lane.equipment.key, stream.key)) or {}
    name = str(stream) if stream else item["stream"]
    numbers = (item["target"], item["now"], item["do_nothing"], item["after"], item["half_width"])
    return outlook(name, *numbers, spec.get("lower"), spec.get("upper"))


def confidence(outlooks: list[Outlook]) -> str:
    """In a word: how the gain expected compares with the width of the interval it is known by."""
    gains = [abs(one.do_nothing - one.target) - abs(one.after - one.target) for one in outlooks]
    widths = [one.half_width for one in outlooks]
    best = max((gain / width for gain, width in zip(gains, widths, strict=True) if width > 0), default=0.0)
    return wording.confidence(best)
