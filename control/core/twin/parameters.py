"""The numbers that make one twin line: a frozen dataclass for each machine, units in the names.

They are data: limits and set-points come from the plant file, physics from the line's twin file. Whatever they come
from, what no machine could be is refused, with the name of the parameter and what it would have to be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from itertools import pairwise
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


# What is divided by, or would make a machine nothing; all else may be 0, and nothing but what has limits negative
ABOVE_ZERO = frozenset(
    {
        *("ramp_per_s", "travel_m", "head_speed_m_s", "lane_pitch_m", "bias_time_s", "lanes", "width_m", "width_mm"),
        *("density_g_cm3", "solids_percent", "viscosity_mpa_s", "flow_ml_per_rpm", "pump_lag_s", "bolt_lag_s"),
        *("bolt_reach_m", "slow_noise_s", "fast_noise_s", "restart_reach_m", "splice_reach_m", "pressure_kpa"),
        *("filter_dp_kpa", "rho_0_g_cm3", "rho_max_g_cm3", "gamma_n_mm", "force_lag_s", "press_distance_m"),
        *("roll_length_m", "stop_s", "start_s"),
    }
)
UP_TO = {"_rel": 1.0, "_share": 1.0, "_percent": 100.0, "_per_k": 1.0, "slip": 1.0, "springback": 1.0}  # by how it ends
SIGNED = frozenset({"set_point", "low", "high", "machine_low", "machine_high", "temperature_degc", "dryer_degc"})


class ParameterError(ValueError):
    """A parameter is missing, unknown, of the wrong type or out of its range; the text names it."""


def _within_range(parameters: Any) -> None:
    """Refuse a number that its name, which carries the unit, does not allow."""
    for field in fields(parameters):
        value, name = getattr(parameters, field.name), field.name
        if not isinstance(value, int | float):
            continue
        most = next((bound for ending, bound in UP_TO.items() if name.endswith(ending)), math.inf)
        least_told = "above 0" if name in ABOVE_ZERO else "0 or more"
        low_enough = name in SIGNED or (value > 0 if name in ABOVE_ZERO else value >= 0)
        if not (math.isfinite(value) and low_enough and value <= most):
            told = f"{least_told} and at most {most:g}" if most < math.inf else least_told
            raise ParameterError(f"{name} must be {'finite' if name in SIGNED else told}, not {value!r}")


def _in_order(named: Mapping[str, float], where: str) -> None:
    """Refuse numbers that do not rise in the order they are named."""
    values = list(named.values())
    if any(later < earlier for earlier, later in pairwise(values)):
        told = ", ".join(f"{name} {value:g}" for name, value in named.items())
        raise ParameterError(f"{where}: these must rise: {told}")


@dataclass(frozen=True, slots=True)
class Actuator:
    """A parameter the machine lets others set, in the tag's own unit."""

    tag: str
    set_point: float
    low: float  # instrument range: outside it a command is refused
    high: float
    machine_low: float  # mechanical range: outside it a command is clamped
    machine_high: float
    ramp_per_s: float

    def __post_init__(self) -> None:
        _within_range(self)
        names = ("low", "machine_low", "set_point", "machine_high", "high")
        _in_order({name: getattr(self, name) for name in names}, self.tag)


@dataclass(frozen=True, slots=True)
class GaugeParameters:
    """A gauge head that crosses the web and back, and the piece of foil below it."""

    distance_m: float  # die or nip to gauge, along the web
    travel_m: float  # width the head crosses
    head_speed_m_s: float
    lane_pitch_m: float
    noise_rel: float  # standard deviation of one lane value, relative
    bias_rel: float  # standard deviation of the slow bias, relative
    bias_time_s: float  # correlation time of that bias
    wild_share: float  # share of values that are wild
    wild_rel: float  # standard deviation of a wild value, relative
    missing_share: float  # share of values that never come

    def __post_init__(self) -> None:
        _within_range(self)


@dataclass(frozen=True, slots=True)
class CameraParameters:
    """A camera that counts flaws of the surface on each lane."""

    distance_m: float  # nip to camera, along the web
    every_m: float  # web that one count is of
    lane_width_m: float
    per_m2: float  # flaws
    spread_rel: float  # standard deviation of the rate from count to count, relative

    def __post_init__(self) -> None:
        _within_range(self)


@dataclass(frozen=True, slots=True)
class LabParameters:
    """Samples cut at the end of every roll."""

    noise_rel: float
    delay_low_s: float
    delay_high_s: float

    def __post_init__(self) -> None:
        _within_range(self)
        _in_order({"delay_low_s": self.delay_low_s, "delay_high_s": self.delay_high_s}, "lab")


@dataclass(frozen=True, slots=True)
class CoaterParameters:
    """A two-sided slot-die coater: each side one pump, one filter and one die with a bolt per lane."""

    key: str
    lanes: int
    tags: tuple[str, ...]
    actuators: tuple[Actuator, ...]
    noise: Mapping[str, float]  # standard deviation of a tag's reading, in the tag's unit
    gauge: GaugeParameters
    lab: LabParameters
    density_g_cm3: float
    solids_percent: float
    temperature_degc: float
    viscosity_mpa_s: float
    flow_ml_per_rpm: float
    width_m: float  # coated width, all lanes together
    pump_lag_s: float
    bolt_lag_s: float
    bolt_zero_um: float  # the bolts' position at which the die is even
    bolt_gain_per_um: float  # relative loading of the bolt's own lane, before the mean is taken out
    bolt_reach_m: float  # w of the neighbour influence
    viscosity_per_k: float  # relative fall per kelvin
    density_per_k: float  # relative fall per kelvin
    slip: float  # relative flow lost per relative fall of viscosity
    pressure_kpa: float  # pump pressure at nominal flow and viscosity
    filter_dp_kpa: float
    filter_dp_per_clog: float  # relative rise of the pressure drop per relative loss of flow
    solids_noise_rel: float
    density_noise_rel: float
    speed_noise_rel: float
    flow_noise_rel: float
    lane_noise_rel: float
    slow_noise_s: float  # correlation time of slurry noise
    fast_noise_s: float  # correlation time of speed, flow and lane noise
    dryer_degc: float
    tension_n: float
    restart_rel: float  # excess of loading at a restart
    restart_reach_m: float
    splice_rel: float  # loss of loading at a splice
    splice_reach_m: float

    def __post_init__(self) -> None:
        _within_range(self)
        _lanes_under(self.gauge, self.lanes)


@dataclass(frozen=True, slots=True)
class PressParameters:
    """A roll press under controlled line force."""

    key: str
    lanes: int
    tags: tuple[str, ...]
    actuators: tuple[Actuator, ...]
    noise: Mapping[str, float]  # standard deviation of a tag's reading, in the tag's unit
    gauge: GaugeParameters
    lab: LabParameters
    rho_0_g_cm3: float  # of the coating as dried
    rho_max_g_cm3: float
    gamma_n_mm: float  # resistance to compaction
    gamma_per_k: float  # relative fall per kelvin of roll temperature
    temperature_degc: float  # of the rolls, nominal
    loading_share: float  # relative extra line force on a lane per relative extra loading
    profile_per_um: float  # relative line force a lane loses per um of extra gap
    springback: float
    stretch_um_per_n_mm: float  # F/M of the gap form
    foil_um: float
    width_mm: float
    hardness_noise_rel: float
    crown_noise_um: float
    slow_noise_s: float
    torque_nm: float
    tension_n: float
    force_lag_s: float
    camera: CameraParameters | None = None

    def __post_init__(self) -> None:
        _within_range(self)
        _lanes_under(self.gauge, self.lanes)
        _in_order({"rho_0_g_cm3": self.rho_0_g_cm3, "rho_max_g_cm3": self.rho_max_g_cm3}, self.key)


@dataclass(frozen=True, slots=True)
class LineParameters:
    """A coater and the press its web runs into."""

    key: str
    coater: CoaterParameters
    press: PressParameters
    press_distance_m: float  # die to nip, along the web
    roll_length_m: float
    stop_s: float  # from full speed to standstill
    start_s: float  # from standstill to full speed

    def __post_init__(self) -> None:
        _within_range(self)
        if self.coater.lanes != self.press.lanes:
            raise ParameterError(f"{self.coater.lanes} lanes are coated and {self.press.lanes} pressed")


def _lanes_under(gauge: GaugeParameters, lanes: int) -> None:
    """Refuse lanes whose middles lie further apart than the gauge crosses."""
    span_m = (lanes - 1) * gauge.lane_pitch_m
    if span_m >= gauge.travel_m:
        raise ParameterError(f"{lanes} lanes with lane_pitch_m {gauge.lane_pitch_m:g} need travel_m above {span_m:g}")


def line_parameters(plant: Mapping[str, Any], twin: Mapping[str, Any]) -> LineParameters:
    """Build one line from its plant file and its twin file, both as read by ``tomllib``."""
    machines = {machine["kind"]: machine for machine in plant["equipment"]}
    for kind in ("coater", "press"):
        if kind not in machines:
            raise ParameterError(f"the plant file has no equipment of kind {kind}")
    ramps = _table(twin, "ramp_per_s")
    own = {name: value for name, value in twin.items() if not isinstance(value, Mapping)}
    return _build(
        LineParameters,
        "twin",
        own,
        key=str(plant["line"]["key"]),
        coater=_machine(CoaterParameters, machines["coater"], _table(twin, "coater"), ramps),
        press=_machine(PressParameters, machines["press"], _table(twin, "press"), ramps),
    )


def _machine(cls: type[T], equipment: Mapping[str, Any], twin: Mapping[str, Any], ramps: Mapping[str, Any]) -> T:
    where = str(equipment["key"])
    gauge = dict(_table(twin, "gauge"), distance_m=float(equipment["gauge_distance_m"]))
    return _build(
        cls,
        where,
        {name: value for name, value in twin.items() if not isinstance(value, Mapping)},
        key=where,
        lanes=len({lane["number"] for lane in equipment["lanes"]}),
        tags=tuple(tag["key"] for tag in equipment["tags"]),
        actuators=tuple(_actuator(tag, ramps) for tag in equipment["tags"] if tag["kind"] == "parameter"),
        noise={str(tag): float(sigma) for tag, sigma in _table(twin, "noise").items()},
        gauge=_build(GaugeParameters, f"{where}.gauge", gauge),
        lab=_build(LabParameters, f"{where}.lab", _table(twin, "lab")),
        **({"camera": _build(CameraParameters, f"{where}.camera", twin["camera"])} if "camera" in twin else {}),
    )


def _actuator(tag: Mapping[str, Any], ramps: Mapping[str, Any]) -> Actuator:
    unit = tag["unit"]
    if unit not in ramps:
        raise ParameterError(f"ramp_per_s has no entry for the unit {unit} of {tag['key']}")
    limits = {name: float(tag[name]) for name in ("set_point", "low", "high", "machine_low", "machine_high")}
    return Actuator(tag=str(tag["key"]), ramp_per_s=float(ramps[unit]), **limits)


def _table(source: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = source.get(name)
    if not isinstance(table, Mapping):
        raise ParameterError(f"the table {name} is missing")
    return table


def _build(cls: type[T], where: str, table: Mapping[str, Any], **given: Any) -> T:
    """A dataclass from a table of numbers, refusing what it does not know and what it lacks."""
    declared = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    for name in table:
        if name not in declared:
            raise ParameterError(f"{where}: {name} is not a parameter")
    hints = get_type_hints(cls)
    values = {name: _number(f"{where}.{name}", value, hints[name]) for name, value in table.items()} | given
    for name, field in declared.items():
        if name not in values and field.default is MISSING:
            raise ParameterError(f"{where}: {name} is missing")
    try:
        return cls(**values)
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from None


def _number(where: str, value: Any, kind: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ParameterError(f"{where}: a number is needed, not {value!r}")
    return int(value) if kind is int else float(value)
