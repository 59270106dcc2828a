"""The record nobody can alter. Rows are collected while a transaction works and chained as its very last act.

The head row is locked only then, so the chain never forks, and no other lock is ever waited for under it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import connection, models, transaction

from control.actions.errors import Refused
from control.models import AuditHead, Line

Actor = User | str  # a person, or the name of a part of the system
Object = models.Model | tuple[str, object]
START = "0" * 64
LARGEST_EXACT = 1e16  # from here PostgreSQL gives a whole float back as an integer


class Recorded(NamedTuple):
    """One row before it has a number and a hash."""

    at: datetime
    actor_id: int | None
    actor_name: str
    action: str
    object_type: str
    object_id: str
    line_id: int | None
    old: Any
    new: Any
    reason: str


_told: ContextVar[list[str] | None] = ContextVar("audit_told", default=None)
_collected: ContextVar[list[Recorded] | None] = ContextVar("audit_collected", default=None)


@contextmanager
def atomic() -> Iterator[None]:
    """A transaction whose last act is to chain what was recorded in it. One inside another joins the outer one."""
    outer = _collected.get()
    if outer is not None:
        yield from _inner(outer)
        return
    mine: list[Recorded] = []
    alone = transaction.get_autocommit()  # raises while the database is away: nothing may be left set then
    token = _collected.set(mine)
    try:
        with transaction.atomic():
            yield
            _append(mine, commit=alone)
    finally:
        _collected.reset(token)


def _inner(outer: list[Recorded]) -> Iterator[None]:
    kept = len(outer)
    try:
        with transaction.atomic():
            yield
    except BaseException:
        del outer[kept:]
        raise


def record(
    *,
    actor: Actor,
    action: str,
    obj: Object,
    now: datetime,
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    reason: str = "",
    line: Line | int | None = None,
) -> None:
    """Tell what is being done in the present ``audit.atomic()``; it is stored with it or not at all."""
    collected = _collected.get()
    if collected is None:
        raise RuntimeError("audit.record() outside audit.atomic()")
    kind, key = named(obj)
    person_id, name = (None, actor) if isinstance(actor, str) else (actor.pk, actor.get_username())
    line_id = line.pk if isinstance(line, Line) else line
    at, told = now.astimezone(UTC), (_storable(old), _storable(new))
    collected.append(Recorded(at, person_id, name, action, kind, key, line_id, *told, reason[:400]))


def named(obj: Object) -> tuple[str, str]:
    """What kind of thing it is, and which: as rows tell it."""
    kind, key = (obj._meta.model_name or "", obj.pk) if isinstance(obj, models.Model) else obj
    return kind, str(key)


@contextmanager
def attempt(
    *, actor: Actor, action: str, obj: Object, now: datetime, reason: str = "", line: Line | int | None = None
) -> Iterator[None]:
    """``atomic()`` for what a person asks: if it is refused, that alone is recorded, after everything was undone."""
    with refusals(actor=actor, action=action, obj=obj, now=now, reason=reason, line=line), atomic():
        yield


@contextmanager
def refusals(
    *, actor: Actor, action: str, obj: Object, now: datetime, reason: str = "", line: Line | int | None = None
) -> Iterator[None]:
    """Records that what a person asks was refused. No transaction is open, so long reckoning holds none up."""
    try:
        yield
    except Refused as refusal:
        with atomic():
            told = {"code": refusal.code, "detail": refusal.detail, **refusal.difference}
            record(actor=actor, action=f"{action}.refused", obj=obj, now=now, new=told, reason=reason, line=line)
        raise


APPEND = """
SELECT control_audit_append(%s::timestamptz[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
    %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[])
"""


@contextmanager
def telling() -> Iterator[list[str]]:
    """What is recorded meanwhile: the actions of the rows, as they are chained."""
    told: list[str] = []
    token = _told.set(told)
    try:
        yield told
    finally:
        _told.reset(token)


def told_before(action: str) -> None:
    """What is asked here again stands in the record since it was asked first."""
    if (told := _told.get()) is not None:
        told.append(action)


def _append(collected: list[Recorded], *, commit: bool) -> None:
    if collected:
        with connection.cursor() as cursor:
            cursor.execute(*appending(collected, commit=commit))
        for row in collected:
            told_before(row.action)


def appending(rows: list[Recorded], *, commit: bool) -> tuple[str, list[list[Any]]]:
    """One statement that chains the rows, and commits in the same message: the head is locked for no round trip."""
    told = [row._replace(old=_text(row.old), new=_text(row.new)) for row in rows]
    columns = [*map(list, zip(*told, strict=True)), [_hashed(row) for row in rows]]
    return APPEND + "; COMMIT" * commit, columns


def link(number: int, entry: Recorded, previous: str) -> str:
    """SHA-256 over the row's canonical JSON, which carries the hash of the row before."""
    return hashlib.sha256(f'[{number},{_hashed(entry)},"{previous}"]'.encode()).hexdigest()


def _hashed(entry: Recorded) -> str:
    """The row's canonical JSON without its brackets, its number and the hash of the row before."""
    at = entry.at.isoformat(timespec="microseconds")
    return canonical([at, *entry[1:]])[1:-1]


def _text(value: Any) -> str | None:
    return None if value is None else canonical(value)


# the one text of a value: keys sorted, no spaces, nothing escaped that need not be
canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def _storable(value: Any) -> Any:
    """The same value as PostgreSQL will give it back: no -0.0, no whole float beyond 1e16, keys as strings."""
    if isinstance(value, Mapping):
        return {str(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, float):
        return int(value) if abs(value) >= LARGEST_EXACT and value.is_integer() else value + 0.0
    if isinstance(value, str | int | None):
        return value
    return str(value)


@dataclass(frozen=True, slots=True)
class Break:
    """A row at which the chain does not hold."""

    number: int
    what: str


@dataclass(slots=True)
class Report:
    """What a verification found. ``number`` and ``hash`` are the root: the last row that the chain ends in.

    ``roots`` counts the earlier ones that lay on its way.
    """

    rows: int = 0
    number: int = 0
    hash: str = START
    roots: int = 0
    first: Break | None = None

    @property
    def ok(self) -> bool:
        return self.first is None

    def fault(self, number: int, what: str) -> None:
        self.first = self.first or Break(number, what)


ROWS = """
SELECT number, at, actor_id, actor_name, action, object_type, object_id, line_id, old, new, reason, previous_hash, hash,
    (SELECT max(number) FROM control_audithead), (SELECT max(hash) FROM control_audithead)
FROM control_auditentry ORDER BY number
"""
PAGE = 5000


def verify(signed: Mapping[int, Set[str]] = MappingProxyType({})) -> Report:
    """Walk the whole chain in constant memory. ``signed`` are earlier ends: the hashes of rows by their numbers."""
    report = Report()
    end, agreed = (0, START), 0
    for number, entry, previous, stored, head in _stored_rows():
        end = head
        _check(report, number, entry, previous, stored)
        if number in signed:
            if signed[number] != {stored}:
                report.fault(number, f"another chain than the one signed: it parted after row {agreed}")
            agreed, report.roots = number, report.roots + 1
        report.rows, report.number, report.hash = report.rows + 1, number, stored
    if not report.rows:
        end = AuditHead.objects.values_list("number", "hash").first() or (-1, "")
    if end != (report.number, report.hash):
        report.fault(report.number + 1, f"the chain should end at {end[0]} {end[1]}")
    if (newest := max(signed, default=0)) > report.number:
        report.fault(report.number + 1, f"missing: the chain was signed up to row {newest}")
    return report


def _check(report: Report, number: int, entry: Recorded, previous: str, stored: str) -> None:
    if number != report.number + 1:
        report.fault(report.number + 1, f"missing: the next row is {number}")
    elif previous != report.hash:
        report.fault(number, "does not carry the hash of the row before")
    if link(number, entry, previous) != stored:
        report.fault(number, "its content is not what was hashed")


def _stored_rows() -> Iterator[tuple[int, Recorded, str, str, tuple[int, str]]]:
    """Every row in order, with the head as the same database snapshot had it."""
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(ROWS)
        while page := cursor.fetchmany(PAGE):
            for number, *told, old, new, reason, previous, stored, head_number, head_hash in page:
                entry = Recorded._make((*told, _loaded(old), _loaded(new), reason))
                yield number, entry, previous, stored, (head_number or -1, head_hash or "")


def _loaded(text: str | None) -> Any:
    return None if text is None else json.loads(text)
