"""What the one machinery of versions has to know of a kind of content."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from control.actions.audit import Actor
from control.core.bounded import Fault
from control.models import Line, Version

Content = dict[str, Any]


def plainly(path: str, text: str) -> Any:
    """A cell of a CSV file: JSON, such as a number; what is none stays text, which may be a fault of its own."""
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text


def as_told(row: Any, content: Mapping[str, Any]) -> Content:
    return dict(content)


def nothing(version: Version, *, actor: Actor, now: datetime) -> None:
    """Where the version in force is read by whoever needs it, nothing follows it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of version.

    ``scope_of`` finds the row that the content is of, for a line and the row's id, None where the line has no such.
    ``usual`` is what holds while no version is in force. ``faults`` is everything wrong with a content.
    ``whole`` is a sound content as it is stored. ``shown`` gives a plain value a path, for reviews; ``value`` reads one
    cell of a CSV file.
    ``on_record``: what is usual can itself change, so the first draft puts it on record as a version to rest on.
    ``take_effect`` writes what follows the version, inside the transaction that puts it in force.
    ``by_supervisor``: only a supervisor reviews it. ``drawn``: an action of its own finds the content, nobody types it.
    """

    key: str
    scope_of: Callable[[Line, int], Any]
    usual: Callable[[Any], Content]
    faults: Callable[[Any, Mapping[str, Any]], list[Fault]]
    shown: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    value: Callable[[str, str], Any]
    whole: Callable[[Any, Mapping[str, Any]], Content] = as_told
    take_effect: Callable[..., None] = nothing
    by_supervisor: bool = False
    on_record: bool = False
    drawn: bool = False
