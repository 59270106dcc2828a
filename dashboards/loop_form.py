"""The settings of a loop as its page shows them, and the settings a sent form asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from control.actions.kinds.loop import FILED
from control.models import Loop, Recipe, Stream, Tag

NUMBERS = ("dead_time_m", "ewma_weight", "drift_weight", "wander_per_m", "move_weight", "nominal_weight", "bend_um")
BAND = ("approvals_per_shift", "noise", "decision_s")
UNSET = (*BAND, "drift_weight", "wander_per_m", "bend_um")  # what a loop need not have


@dataclass(frozen=True, slots=True)
class Moved:
    """A parameter at the head of the table; ``shares``: it only shares out between lanes."""

    tag: Tag
    set_point: float | None
    shares: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A stream and its row of the table: field name and number of each gain, and the weight."""

    number: int
    stream: Stream
    target: float | None
    gains: list[tuple[str, str]]
    weight: str

    @property
    def weight_name(self) -> str:
        return f"weight-{self.number}"


def table(loop: Loop, streams: Mapping[str, Stream], recipe: Recipe | None) -> dict[str, Any]:
    told, equipment = loop.settings, loop.equipment
    tags = {tag.key: tag for tag in equipment.tags.all()}
    shares = {*told.get("sum_zero", ()), *told.get("cross_direction", ())}
    weights = told.get("cv_weights") or [1.0] * len(told["cvs"])
    return {
        "columns": [
            Moved(tags[key], recipe.set_point(equipment.key, key) if recipe else None, key in shares)
            for key in told["mvs"]
        ],
        "rows": [
            Held(
                number=i,
                stream=streams[key],
                target=((recipe.stream_spec(equipment.key, key) if recipe else None) or {}).get("target"),
                gains=[(f"gain-{i}-{j}", repr(gain)) for j, gain in enumerate(told["gains"][i])],
                weight=repr(weights[i]),
            )
            for i, key in enumerate(told["cvs"])
        ],
    }


def numbers(settings: Mapping[str, Any]) -> dict[str, str]:
    """Every plain number of the settings as it is typed; empty where there is none."""
    names = ("deadband", *BAND, *NUMBERS)
    return {name: "" if settings.get(name) is None else repr(settings[name]) for name in names}


def asked(loop: Loop, form: QueryDict) -> dict[str, Any]:
    """The loop's settings with what the form changes. ValueError, with words, for what is no number."""
    settings = {key: value for key, value in loop.settings.items() if key != FILED}
    for name in NUMBERS:
        if name in form:
            settings[name] = _number(form[name])
    settings |= _band(form)
    settings["estimator"] = form.get("estimator", settings.get("estimator", "ewma"))
    cvs, mvs = len(settings["cvs"]), len(settings["mvs"])
    settings["gains"] = [[_number(form.get(f"gain-{i}-{j}", "")) for j in range(mvs)] for i in range(cvs)]
    weights = [_number(form.get(f"weight-{i}", "")) for i in range(cvs)]
    settings["cv_weights"] = [] if len(set(weights)) == 1 else weights
    return {key: value for key, value in settings.items() if value is not None or key in UNSET}


def _band(form: QueryDict) -> dict[str, float | None]:
    """Either a deadband, or approvals with what foretells them."""
    if form.get("band") == "approvals":
        return {name: _number(form.get(name, "")) for name in BAND}
    return {"deadband": _number(form.get("deadband", "")), **dict.fromkeys(BAND)}


def _number(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        raise ValueError(_("“%(text)s” is not a number.") % {"text": text[:40]}) from None
