"""Versions from files: CSV (``path,value``) or JSON, always into a draft, or refused with everything that is wrong.

What a file does not name stays as it is in force. A path of a CSV file is a key of the content,
a value is JSON: as a version is downloaded.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from django.contrib.auth.models import User

from control.actions import audit, versions
from control.actions.authority import Right, require
from control.actions.kinds import Kind
from control.core.bounded import Fault
from control.models import Line, Version

MOST_BYTES = 1_000_000
MOST_PATHS = 2000
HEADER = ["path", "value"]
Media = Literal["csv", "json"]


def imported(
    kind: str, line: Line, scope: int, data: bytes, media: Media, *, actor: User, now: datetime, reason: str
) -> Version:
    """A draft from a file. Nothing is stored unless all of it is sound."""
    with audit.refusals(actor=actor, action="version.import", obj=line, line=line, now=now, reason=reason):
        require(actor, Right.CONFIGURE, line, now)
        of, row = versions.known(kind, line, scope)
        versions.require_typed(of)
        content, found = _json(data) if media == "json" else _csv(data, of)
        if not any(fault.path == "" for fault in found):
            found += of.faults(row, {**versions.present(kind, scope, row), **content})
        if found:
            raise versions.faulty(found)
    return versions.draft(
        kind, line, scope, content, actor=actor, now=now, reason=reason, source=Version.Source.IMPORT
    )  # fmt: skip


def _text(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise ValueError("too_long")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not_utf8") from None
    if "\0" in text:
        raise ValueError("not_utf8")
    return text


def _json(data: bytes) -> tuple[dict[str, Any], list[Fault]]:
    try:
        told = json.loads(_text(data), parse_constant=str)
    except RecursionError:
        return {}, [Fault("", "not_json")]
    except ValueError as why:
        code = str(why) if str(why) in {"too_long", "not_utf8"} else "not_json"
        return {}, [Fault("", code)]
    if not isinstance(told, dict):
        return {}, [Fault("", "not_json")]
    return (told, []) if len(told) <= MOST_PATHS else ({}, [Fault("", "too_long")])


def _csv(data: bytes, of: Kind) -> tuple[dict[str, Any], list[Fault]]:
    try:
        rows = list(_rows(_text(data)))
    except (ValueError, csv.Error) as why:
        return {}, [Fault("", str(why) if isinstance(why, ValueError) else "not_csv")]
    told: dict[str, Any] = {}
    found = []
    for number, cells in rows:
        path = cells[0].strip()
        if len(cells) != len(HEADER):
            found.append(Fault(path, "not_two_cells", f"row {number}"))
        elif path in told:
            found.append(Fault(path, "twice", f"row {number}"))
        else:
            told[path] = of.value(path, cells[1].strip())
    return told, found


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with their number, without empty ones and the heading."""
    for number, cells in enumerate(csv.reader(io.StringIO(text), strict=True), 1):
        if cells and [cell.strip().lower() for cell in cells] != HEADER:
            if number > MOST_PATHS:
                raise ValueError("too_long")
            yield number, cells


def exported(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows of a CSV file that gives this content."""
    return [(path, json.dumps(value)) for path, value in content.items()]
