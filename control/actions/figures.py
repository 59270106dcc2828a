"""The figures and the table of authority that hold on a line: those of its versions in force, else the usual ones."""

from __future__ import annotations

from typing import Any

from control.core.figures import Figures, Shares
from control.core.policy import Authority
from control.models import Version, VersionState


def of(line_id: int) -> Figures:
    """Read anew at every call: a figure binds from the moment its version is in force."""
    return Figures.of(_in_force("figures", line_id))


def table(line_id: int) -> Authority:
    return Shares.of(_in_force("authority", line_id)).table


def _in_force(kind: str, line_id: int) -> dict[str, Any]:
    rows = Version.objects.filter(kind=kind, scope=line_id, state=VersionState.ACTIVE)
    content: dict[str, Any] = rows.values_list("content", flat=True).first() or {}
    return content
