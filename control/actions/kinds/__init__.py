"""The kinds of version there are."""

from __future__ import annotations

from control.actions.kinds.estimators import ESTIMATORS
from control.actions.kinds.kind import Content, Kind
from control.actions.kinds.limits import LIMITS
from control.actions.kinds.loop import LOOP
from control.actions.kinds.recipe import RECIPE
from control.actions.kinds.tables import AUTHORITY, FIGURES

KINDS: dict[str, Kind] = {kind.key: kind for kind in (RECIPE, LIMITS, FIGURES, AUTHORITY, LOOP, ESTIMATORS)}

__all__ = ["ESTIMATORS", "FIGURES", "KINDS", "LIMITS", "LOOP", "RECIPE", "Content", "Kind"]
