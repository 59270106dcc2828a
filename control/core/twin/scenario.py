"""What happens to a line and when, read from a plain table; repeated rounds are seeded, so a run can be run again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from zlib import crc32

import numpy as np

DRIFTS = (
    "solids_step",
    "temperature_drift",
    "pump_wear",
    "filter_clog",
    "die_drift",
    "crown_drift",
    "hardness_step",
)
RESETS = ("filter_change", "pump_service")
LINE_EVENTS = ("splice", "line_stop", "remote_off")
HANDS = ("hand_move",)
FAULTS = ("gauge_bias", "gauge_bad", "sensor_stuck", "tags_missing", "tags_nan")
KINDS = frozenset((*DRIFTS, *RESETS, *LINE_EVENTS, *HANDS, *FAULTS))
SIDED = frozenset(("pump_wear", "filter_clog", "die_drift", *RESETS))
TWO_WAY = frozenset(("solids_step", "temperature_drift", "die_drift", "crown_drift", "hardness_step", *HANDS))


class ScenarioError(ValueError):
    """A scenario asks for something that cannot happen; the text says what."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens.

    ``size`` is relative (0.008 is 0.8 %), in kelvin for temperature_drift and in um for crown_drift. A drift grows
    to its size over ``duration_s``; a stop or fault lasts that long. A hand moves the set-points ``tags`` by its size.
    """

    kind: str
    at_s: float = 0.0  # seconds since the scenario began
    size: float = 0.0
    duration_s: float = 0.0
    side: str = ""
    lane: int = 0
    equipment: str = ""
    tags: tuple[str, ...] = ()
    line: str = ""  # only this line; empty for every line

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Event:
        known = {field.name for field in fields(cls)}
        for name in table:
            if name not in known:
                raise ScenarioError(f"{name} is not a field of an event")
        values = dict(table)
        try:
            values.update({name: float(table[name]) for name in ("at_s", "size", "duration_s") if name in table})
            values["tags"] = tuple(str(tag) for tag in table.get("tags", ()))
            event = cls(**values)
        except (TypeError, ValueError) as error:
            raise ScenarioError(f"event {dict(table)!r}: {error}") from None
        return event._checked()

    def _checked(self) -> Event:
        if not all(isinstance(name, str) for name in (self.kind, self.side, self.equipment, self.line)):
            raise ScenarioError("kind, side, equipment and line of an event are texts")
        if self.kind not in KINDS:
            raise ScenarioError(f"{self.kind!r} is not a kind of event; known are {', '.join(sorted(KINDS))}")
        if not (np.isfinite([self.at_s, self.size, self.duration_s]).all() and min(self.at_s, self.duration_s) >= 0):
            raise ScenarioError(f"{self.kind}: numbers must be finite, times not negative")
        if self.kind in SIDED and self.side not in ("top", "bottom"):
            raise ScenarioError(f"{self.kind}: side must be top or bottom")
        if self.kind in (*FAULTS, *HANDS) and not self.equipment:
            raise ScenarioError(f"{self.kind}: equipment is missing")
        return self


@dataclass(frozen=True, slots=True)
class Scenario:
    """Events of one round and how rounds after the first differ from it.

    With ``repeat_s`` the list begins again after so many seconds: later rounds move each event by up to
    ``jitter_s``, scale it by up to ``spread`` and turn two-way drifts to either side.
    """

    events: tuple[Event, ...] = ()
    seed: int = 0
    repeat_s: float = 0.0
    jitter_s: float = 0.0
    spread: float = 0.0

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Scenario:
        unknown = set(table) - {"seed", "repeat_s", "jitter_s", "spread", "event"}
        if unknown:
            raise ScenarioError(f"{', '.join(sorted(unknown))}: not a field of a scenario")
        scenario = cls(
            events=tuple(Event.from_dict(event) for event in table.get("event", ())),
            seed=int(table.get("seed", 0)),
            repeat_s=float(table.get("repeat_s", 0.0)),
            jitter_s=float(table.get("jitter_s", 0.0)),
            spread=float(table.get("spread", 0.0)),
        )
        last = max((event.at_s for event in scenario.events), default=0.0)
        if scenario.repeat_s and scenario.repeat_s <= last:
            raise ScenarioError(f"repeat_s {scenario.repeat_s} ends before the last event at {last}")
        return scenario

    def for_line(self, line: str) -> Scenario:
        """The events that concern one line, with a seed of its own."""
        events = tuple(event for event in self.events if event.line in ("", line))
        return replace(self, events=events, seed=self.seed ^ crc32(line.encode()))


class Schedule:
    """A scenario unrolled in time, one round at a time."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._rounds: dict[int, tuple[Event, ...]] = {}

    def due(self, from_s: float, to_s: float) -> list[Event]:
        """Events in the half-open interval [from_s, to_s) since the scenario began, in order of time."""
        repeat_s = self.scenario.repeat_s
        rounds = range(int(from_s // repeat_s), int(to_s // repeat_s) + 1) if repeat_s else (0,)
        return [event for number in rounds for event in self._round(number) if from_s <= event.at_s < to_s]

    def _round(self, number: int) -> tuple[Event, ...]:
        if number not in self._rounds:
            events = self.scenario.events if number == 0 else _vary(self.scenario, number)
            kept = {known: self._rounds[known] for known in self._rounds if known >= number - 1}
            self._rounds = kept | {number: tuple(sorted(events, key=lambda event: event.at_s))}
        return self._rounds[number]


def _vary(scenario: Scenario, number: int) -> list[Event]:
    rng = np.random.default_rng([scenario.seed, number])
    varied = []
    for event in scenario.events:
        shift, scale, turn = rng.uniform(-1, 1, size=3)
        sign = -1.0 if event.kind in TWO_WAY and turn < 0 else 1.0
        at_s = min(max(event.at_s + shift * scenario.jitter_s, 0.0), scenario.repeat_s - 1e-6)
        size = event.size * (1 + scale * scenario.spread) * sign
        varied.append(replace(event, at_s=number * scenario.repeat_s + at_s, size=size))
    return varied
