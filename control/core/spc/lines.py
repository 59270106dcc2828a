"""Where the lines of a chart lie, point by point: the sample size behind a point may change them."""

from __future__ import annotations

from dataclasses import dataclass

from control.core.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """All (k,), in the unit of what is plotted."""

    lower: FloatArray
    centre: FloatArray
    upper: FloatArray
