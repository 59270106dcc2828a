"""The figures that hold on a line."""

from __future__ import annotations

from control.core.figures import Figures

DEFAULT = Figures()


def of(line_id: int) -> Figures:
    """Those in force on the line; the house's as long as it has none of its own."""
    return DEFAULT
