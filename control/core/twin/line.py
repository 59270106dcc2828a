"""A whole line: one web through a coater and then a press, stepped as fast as the caller likes.

Nothing here reads a clock: the caller gives each step its length and the instant it is stamped with. The same
parameters, scenario and seed give the same scans, and a restored line goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from control.core.exchange import Ack, Reading, Scan, WriteCommand
from control.core.twin.camera import Camera
from control.core.twin.coater import Coater
from control.core.twin.disturbances import SIDES, Disturbances
from control.core.twin.foil import Rolls
from control.core.twin.ledger import Entry, Ledger, refuse
from control.core.twin.parameters import LineParameters
from control.core.twin.press import Press
from control.core.twin.scenario import DRIFTS, FAULTS, HANDS, RESETS, Event, Scenario, ScenarioError, Schedule
from control.core.twin.station import Station
from control.core.types import Quality

SNAPSHOT_VERSION = 1
SLOWEST_MEASURED = 0.2  # share of full speed below which the gauges park
OWN_OF_CAMERA = 1  # beside the seed of the line
SAMPLE_MARGIN_M = 30.0  # foil kept beyond the gauge, for the sample before the end of a roll


class UnknownEquipment(KeyError):
    """The line has no equipment of that key."""


class Line:
    """``step`` gives one scan for each equipment, the coater's first."""

    def __init__(self, parameters: LineParameters, scenario: Scenario, seed: int, first_roll: int = 1) -> None:
        p = self.parameters = parameters
        self.rng = np.random.default_rng(seed)
        self.schedule = Schedule(scenario.for_line(p.key))
        self.disturbances = Disturbances(p.coater.lanes)
        for event in self.schedule.scenario.events:
            self.check(event)
        self.rolls = Rolls(first_roll, p.roll_length_m)
        self.ledger = Ledger()
        self.unlogged: list[Entry] = []
        self.now_s = self.scenario_s = 0.0  # seconds of process, and of scenario, so far
        self.encoder_m = 0.0  # through the die since the line was built
        self.running = 1.0  # share of full speed
        self.stop_left_s = self.local_left_s = 0.0  # of a line stop; of local mode, in which no write is taken
        self._build_machines()
        if p.press.camera is not None:
            streams = [f"surface_flaws/{lane}" for lane in range(1, p.press.lanes + 1)]
            own = np.random.default_rng([seed, OWN_OF_CAMERA])
            self.press_station.camera = Camera(p.press.camera, streams, own)

    def _build_machines(self) -> None:
        """Both machines at their set-points, with even foil all along the line."""
        p, lanes = self.parameters, range(1, self.parameters.coater.lanes + 1)
        coater_points = {actuator.tag: actuator.set_point for actuator in p.coater.actuators}
        press_points = {actuator.tag: actuator.set_point for actuator in p.press.actuators}
        self.coater = Coater(p.coater, coater_points)
        self.press = Press(p.press, press_points)
        still, level = np.random.default_rng(0), self.disturbances.level
        loading = self.coater.nominal()
        pressed = Press(p.press, press_points).step(1.0, press_points, level, loading.sum(axis=0), still)
        reach_m = max(p.press_distance_m, p.coater.gauge.distance_m + SAMPLE_MARGIN_M)
        streams = [[f"loading/{lane}-{side}" for lane in lanes] for side in SIDES]
        self.coater_station = Station(p.coater, streams, 0.0, reach_m, self.rolls, loading)
        reach_m = p.press.gauge.distance_m + SAMPLE_MARGIN_M
        streams = [[f"{name}/{lane}" for lane in lanes] for name in ("thickness", "density")]
        self.press_station = Station(p.press, streams, p.press_distance_m, reach_m, self.rolls, pressed)
        self.stations = {station.key: station for station in (self.coater_station, self.press_station)}

    def step(self, dt_s: float, at: float) -> tuple[Scan, ...]:
        """``dt_s`` seconds of process, ending at the instant ``at`` (epoch seconds)."""
        self._happen(dt_s)
        start_m = self.encoder_m
        self._make(dt_s)
        if self.encoder_m - self.rolls.start_m >= self.parameters.roll_length_m:
            self._splice()
        status = self._status() | self.disturbances.count
        span_m, moving = (start_m, self.encoder_m), self.running > SLOWEST_MEASURED
        seen = ((self.coater_station, self.coater.seen), (self.press_station, self.press.seen))
        return tuple(
            station.scan(tags | status, dt_s, self.now_s, at, span_m, moving, self.rng) for station, tags in seen
        )

    def _happen(self, dt_s: float) -> None:
        """Let time pass for everything that happens to the line."""
        for event in self.schedule.due(self.scenario_s, self.scenario_s + dt_s):
            self.disturb(event)
        self.now_s += dt_s
        self.scenario_s += dt_s
        self.disturbances.step(dt_s)
        self.local_left_s = max(self.local_left_s - dt_s, 0.0)
        self._drive(dt_s)

    def _make(self, dt_s: float) -> None:
        """Coat, move the web, and press what has reached the nip."""
        coater, press, level = self.coater_station, self.press_station, self.disturbances.level
        for station in (coater, press):
            station.actuators.step(dt_s)
        loading = self.coater.step(dt_s, coater.actuators.actual, level, self.running, self.rng)
        self.encoder_m += self.coater.seen["line_speed"] * dt_s / 60
        coater.foil.lay(self.encoder_m, loading)
        at_nip_m = self.encoder_m - press.offset_m
        incoming = coater.foil.at(at_nip_m).sum(axis=0)
        press.foil.lay(at_nip_m, self.press.step(dt_s, press.actuators.actual, level, incoming, self.rng))

    def _drive(self, dt_s: float) -> None:
        """Bring the line to a stop, hold it, and bring it back; the pumps follow the web."""
        p = self.parameters
        if self.stop_left_s > 0:
            self.stop_left_s = max(self.stop_left_s - dt_s, 0.0)
            self.running = max(self.running - dt_s / p.stop_s, 0.0)
        elif self.running < 1:
            self.running = min(self.running + dt_s / p.start_s, 1.0)

    def _splice(self) -> None:
        self.rolls.begin(self.encoder_m)
        self.coater.splice_m = 0.0

    def _status(self) -> dict[str, float]:
        state = 1.0 if self.running >= 1 else 0.0 if self.running <= 0 else 2.0
        speed = self.coater.seen["line_speed"]
        return {"line_state": state, "remote_mode": float(self.local_left_s <= 0), "press_speed": speed}

    def check(self, event: Event) -> None:
        """Raise ScenarioError if this line has nothing the event could act on."""
        if event.kind in (*DRIFTS, *RESETS):
            self.disturbances.check(event)
        elif event.kind in (*FAULTS, *HANDS):
            machines = {machine.key: machine for machine in (self.parameters.coater, self.parameters.press)}
            if event.equipment not in machines:
                raise ScenarioError(f"{event.kind}: this line has no equipment {event.equipment!r}")
            for tag in event.tags:
                if tag not in machines[event.equipment].tags:
                    raise ScenarioError(f"{event.kind}: {event.equipment} has no tag {tag!r}")
                if event.kind in HANDS and tag not in {one.tag for one in machines[event.equipment].actuators}:
                    raise ScenarioError(f"{event.kind}: nobody can set {tag!r} of {event.equipment}")

    def disturb(self, event: Event) -> None:
        """Make the event happen now, whatever its own time says."""
        self.check(event)
        if event.kind in (*DRIFTS, *RESETS):
            self.disturbances.start(event)
        elif event.kind in FAULTS:
            self.stations[event.equipment].sensors.faults.start(event)
        elif event.kind in HANDS:
            self._turn(event)
        elif event.kind == "splice":
            self._splice()
        elif event.kind == "line_stop":
            self.stop_left_s = event.duration_s
        else:
            self.local_left_s = event.duration_s

    def _turn(self, event: Event) -> None:
        """Somebody at the machine sets its parameters; that asks for no command."""
        actuators = self.stations[event.equipment].actuators
        actuators.set({tag: actuators.set_points[tag] * (1 + event.size) for tag in event.tags})

    def write(self, equipment: str, command: WriteCommand, at: float) -> Ack:
        """Take a command's set-points, or refuse it. A repeated command is answered, not done again."""
        station = self._station(equipment)
        ack = self.ledger.answered(equipment, command, at)
        if ack is None:
            ack = self._decide(station, command, at)
            self.unlogged.append(self.ledger.record(equipment, command, ack))
        return ack

    def _decide(self, station: Station, command: WriteCommand, at: float) -> Ack:
        if self.ledger.stale(command):
            detail = f"fence {command.fence} is older than {self.ledger.fence}"
            return refuse(command, "stale_fence", detail, at)
        if self.local_left_s > 0:
            return refuse(command, "remote_off", "the machine is in local mode", at)
        refusal = station.actuators.refusal(command.values, station.sensors.tags)
        if refusal is not None:
            return refuse(command, *refusal, at)
        taken = station.actuators.set(command.values)
        code = "applied" if taken == dict(command.values) else "clamped"
        return Ack(command.command_id, command.fence, True, code, "", taken, at)

    def read_back(self, equipment: str, tags: Iterable[str], at: float) -> dict[str, Reading]:
        """Set-points as the machine holds them; a tag that has none reads as missing."""
        set_points = self._station(equipment).actuators.set_points
        return {
            tag: Reading(set_points[tag], Quality.GOOD, at) if tag in set_points else Reading(None, Quality.MISSING, at)
            for tag in tags
        }

    def _station(self, equipment: str) -> Station:
        if equipment not in self.stations:
            raise UnknownEquipment(equipment)
        return self.stations[equipment]

    def take_unlogged(self) -> list[Entry]:
        """Decisions since the last call, for the machine's log."""
        entries, self.unlogged = self.unlogged, []
        return entries

    def replay_log(self, entries: Iterable[Entry]) -> None:
        """Take from the log what was decided after the snapshot was made."""
        for entry in entries:
            if entry.number <= self.ledger.number:
                continue
            self.ledger.replay(entry)
            if entry.ack.accepted and entry.equipment in self.stations:
                actuators = self.stations[entry.equipment].actuators
                actuators.set({tag: value for tag, value in entry.ack.values.items() if tag in actuators.limits})

    def restart_scenario(self) -> None:
        """Let the scenario begin again; what it did to the line so far stays."""
        self.scenario_s = 0.0

    def skip_sequence(self, count: int) -> None:
        """Leave numbers unused, so that none is given twice when the snapshot restored was not the latest."""
        for station in self.stations.values():
            station.sequence += count

    def snapshot(self) -> dict[str, Any]:
        """The whole state as JSON types."""
        return {
            "version": SNAPSHOT_VERSION,
            "line": self.parameters.key,
            "now_s": self.now_s,
            "scenario_s": self.scenario_s,
            "encoder_m": self.encoder_m,
            "running": self.running,
            "stop_left_s": self.stop_left_s,
            "local_left_s": self.local_left_s,
            "random": self.rng.bit_generator.state,
            "rolls": self.rolls.to_json(),
            "disturbances": self.disturbances.to_json(),
            "ledger": self.ledger.to_json(),
            "coater": self.coater.to_json(),
            "press": self.press.to_json(),
            "stations": {key: station.to_json() for key, station in self.stations.items()},
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take back the state of ``snapshot``."""
        if saved["version"] != SNAPSHOT_VERSION or saved["line"] != self.parameters.key:
            raise ValueError(f"not a snapshot of {self.parameters.key} in version {SNAPSHOT_VERSION}")
        for name in ("now_s", "scenario_s", "encoder_m", "running", "stop_left_s", "local_left_s"):
            setattr(self, name, float(saved[name]))
        self.rng.bit_generator.state = saved["random"]
        self.rolls.load(saved["rolls"])
        self.disturbances.load(saved["disturbances"])
        self.ledger.load(saved["ledger"])
        self.coater.load(saved["coater"])
        self.press.load(saved["press"])
        for key, station in self.stations.items():
            station.load(saved["stations"][key])
