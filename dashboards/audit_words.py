"""Rows of the audit as their page tells them: things by their names, numbers short. The files keep what was stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from control.models import ActionCode, AuditEntry, CauseCode, Equipment, Line, Loop, Site, Stream, Tag
from control.queries import changes as queries
from dashboards import wording
from dashboards.names import Names

OBJECTS = {
    "apitoken": gettext_lazy("Token"),
    "change": gettext_lazy("Change"),
    "equipment": gettext_lazy("Machine"),
    "grant": gettext_lazy("Role"),
    "handover": gettext_lazy("Shift"),
    "hold": gettext_lazy("HOLD"),
    "line": gettext_lazy("Line"),
    "loop": gettext_lazy("Loop"),
    "processevent": gettext_lazy("Process event"),
    "request": gettext_lazy("Request"),
    "signal": gettext_lazy("Signal"),
    "site": gettext_lazy("Site"),
    "source": gettext_lazy("Data source"),
    "stream": gettext_lazy("Stream"),
    "tag": gettext_lazy("Tag"),
    "trainingrun": gettext_lazy("Training"),
    "user": gettext_lazy("Account"),
    "version": gettext_lazy("Version"),
    "webhook": gettext_lazy("Webhook"),
}
NAMED: dict[str, QuerySet[Any]] = {
    "equipment": Equipment.objects.all(),
    "line": Line.objects.all(),
    "loop": Loop.objects.all(),
    "site": Site.objects.all(),
    "stream": Stream.objects.select_related("lane__equipment", "characteristic"),
    "tag": Tag.objects.all(),
}
LARGE = 1e5  # from here no decimal is read
Named = dict[tuple[str, int | str], str]


@dataclass(frozen=True, slots=True)
class Shown:
    """One row: what it is about, (words, before, after) of each thing that was told, and why."""

    entry: AuditEntry
    thing: str
    told: list[tuple[str, str, str]]
    why: str


def shown(rows: Iterable[AuditEntry]) -> list[Shown]:
    rows, names_of = list(rows), cache(Names)
    named, reasons = _named(rows), {reason.key: str(reason) for reason in queries.all_reasons()}
    coded = {("cause", row.key): str(row) for row in CauseCode.objects.all()}
    coded |= {("action", row.key): str(row) for row in ActionCode.objects.all()}
    return [Shown(row, _thing(row, named), _told(row, named | coded), _why(row, names_of, reasons)) for row in rows]


def _named(rows: Iterable[AuditEntry]) -> Named:
    """What the things are called that the rows name by their number."""
    found: dict[str, set[int]] = {kind: set() for kind in NAMED}
    for row in rows:
        about = {row.object_type: int(row.object_id)} if row.object_id.isdecimal() else {}
        for kind, number in _mentioned([about, row.old, row.new]):
            found[kind].add(number)
    return {(kind, pk): str(thing) for kind, ids in found.items() for pk, thing in NAMED[kind].in_bulk(ids).items()}


def _mentioned(told: Any) -> Iterator[tuple[str, int]]:
    if isinstance(told, dict):
        yield from ((key, value) for key, value in told.items() if key in NAMED and type(value) is int)
    for one in told.values() if isinstance(told, dict) else told if isinstance(told, list) else ():
        yield from _mentioned(one)


def _thing(row: AuditEntry, named: Named) -> str:
    words = str(OBJECTS.get(row.object_type, row.object_type))
    number = int(row.object_id) if row.object_id.isdecimal() else 0
    return f"{words} {named.get((row.object_type, number), row.object_id)}"


def _told(row: AuditEntry, named: Named) -> list[tuple[str, str, str]]:
    if not isinstance(row.old or {}, dict) or not isinstance(row.new or {}, dict):
        return [("", _plain("", row.old, named), _plain("", row.new, named))]
    old, new = row.old or {}, row.new or {}
    pairs = {key: (_plain(key, old.get(key), named), _plain(key, new.get(key), named)) for key in {**old, **new}}
    return [(_words(key), before if before != after else "", after) for key, (before, after) in pairs.items()]


def _words(key: str) -> str:
    return str(OBJECTS.get(key) or wording.DIFFERENCES.get(key, key))


def _plain(key: str, value: Any, named: Named) -> str:
    """A value in one line; ``key`` is what it was told as."""
    if isinstance(value, dict):
        return ", ".join(f"{_words(key)}: {_plain(key, one, named)}" for key, one in value.items() if one is not None)
    if isinstance(value, list):
        return ", ".join(_plain(key, one, named) for one in value)
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= LARGE else f"{value:.5g}"
    return "" if value is None else named.get((key, value), str(value))


def _why(row: AuditEntry, names_of: Any, reasons: dict[str, str]) -> str:
    told = row.new if isinstance(row.new, dict) else {}
    if row.object_type == "processevent" and row.line_id and "equipment" in told:
        return str(names_of(row.line_id).event_note(told["equipment"], row.reason))
    return wording.why(row.reason, told, reasons)
