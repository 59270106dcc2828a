"""How a line is run where nothing is predicted: now and then somebody looks at the gauge and trims the set-points."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from django.db.models import Avg

from control.connectors.base import WriteCommand
from control.core.types import FloatArray, MeasuredBy, Quality
from control.demo.lines import DemoLine
from control.models import Loop, Measurement, Recipe, Stream, VersionState

LOOKED_AT = timedelta(minutes=5)  # of gauge values


def trim(line: DemoLine) -> None:
    """Take each loop that stands outside its deadband back to target, typed in at the machine."""
    recipe = Recipe.objects.get(line=line.line, state=VersionState.ACTIVE)
    for loop in Loop.objects.filter(equipment__line=line.line).select_related("equipment"):
        off = _off_target(loop, recipe, line)
        if not np.abs(off).max() > loop.settings["deadband"]:
            continue
        moves = np.linalg.lstsq(np.array(loop.settings["gains"]), -off, rcond=None)[0]
        machine = line.links[loop.equipment.key]
        now_is = machine.read_back(loop.settings["mvs"])
        values = {tag: (now_is[tag].value or 0.0) + float(move) for tag, move in zip(now_is, moves, strict=True)}
        machine.write(WriteCommand(f"by hand {loop.equipment.key}/{loop.key} {line.now:%H:%M}", 0, values))


def _off_target(loop: Loop, recipe: Recipe, line: DemoLine) -> FloatArray:
    """How far each stream of a loop has stood off its target on average, (cvs,); NaN where nothing was measured."""
    seen = Measurement.objects.filter(
        equipment=loop.equipment, at__gt=line.now - LOOKED_AT, by=MeasuredBy.GAUGE, quality=Quality.GOOD
    )
    means = dict(seen.order_by().values("stream").annotate(mean=Avg("value")).values_list("stream", "mean"))
    streams = Stream.objects.filter(pk__in=means).select_related("lane", "characteristic")
    by_key = {stream.key: means[stream.pk] for stream in streams}
    off = []
    for cv in loop.settings["cvs"]:
        spec = recipe.stream_spec(loop.equipment.key, cv) or {}
        off.append(by_key.get(cv, np.nan) - (spec.get("target") or np.nan))
    return np.array(off)
