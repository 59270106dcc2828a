"""The report of a shift as its page shows it: what was stored, with the names things have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from control.core.process_events import Kind
from control.models import Change, Equipment, Line, Loop, Mode, ProcessEvent, Signal, Stream, Tag
from control.queries import changes as queries
from dashboards import wording
from dashboards.names import Names

Json = Mapping[str, Any]
KINDS = ("open", "applied", "rejected", "expired", "write_failed")


def shown(report: Json, line: Line) -> dict[str, Any]:
    """The parts of a report for the template, each row beside the object it is about."""
    loops = {row.pk: row for row in Loop.objects.filter(equipment__line=line).select_related("equipment")}
    machines = {row.pk: row for row in Equipment.objects.filter(line=line)}
    return {
        "modes": [_mode(row, loops) for row in report["modes"]],
        "groups": _groups(report["changes"], line),
        "left": {kind: n for kind, n in report["changes"]["counts"].items() if kind not in KINDS},
        "moves": _moves(report["moves"], machines),
        "signals": report["signals"],
        "open_signals": [row | {"words": _signal(row)} for row in _open_signals(report, loops)],
        "calls": report.get("calls"),
        "holds": _named(report["holds"], "loop", loops),
        "outages": _named(report["outages"], "equipment", machines),
        "events": _events(report["events"], line, machines),
        "versions": [dict(row) | {"thing": _subject(row, machines, loops)} for row in report["versions"]],
    }


def _mode(row: Json, loops: Mapping[int, Loop]) -> dict[str, Any]:
    names = dict(Mode.choices)
    changed = [one | {"words": names.get(one["to"], one["to"])} for one in row["changed"]]
    told = {"requested": names[row["requested"]], "actual": names[row["actual"]], "changed": changed}
    return dict(row) | told | {"differ": row["requested"] != row["actual"], "thing": loops.get(row["loop"])}


def _groups(told: Json, line: Line) -> list[dict[str, Any]]:
    """Kinds of changes that there are, each with its number and its rows."""
    ids = [row["id"] for kind in KINDS for row in told[kind]]
    changes = queries.visible([line.pk]).in_bulk(ids)
    return [
        {"kind": kind, "words": wording.SHIFT_CHANGES[kind], "count": told["counts"][kind],
         "rows": [row | {"thing": changes.get(row["id"]), "words": _state(row)} for row in told[kind]]}
        for kind in KINDS if told[kind]
    ]  # fmt: skip


def _state(row: Json) -> str:
    return str(wording.STATES[Change.State(row["state"])])


def _moves(rows: Iterable[Json], machines: Mapping[int, Equipment]) -> list[dict[str, Any]]:
    """Sums as bars: how far of what an operator, and a supervisor, may move in a shift."""
    tags = Tag.objects.filter(equipment__in=machines).in_bulk()
    found = []
    for row in rows:
        share = 100.0 * min(row["percent"] / row["supervisor"], 1.0) if row["supervisor"] else 0.0
        mark = 100.0 * row["operator"] / row["supervisor"] if row["supervisor"] else 100.0
        over = row["percent"] > row["operator"]
        found.append(dict(row) | {"thing": tags.get(row["tag"]), "share": share, "mark": mark, "over": over})
    return found


def _open_signals(report: Json, loops: Mapping[int, Loop]) -> list[dict[str, Any]]:
    rows = report["signals"]["open"]
    streams = _streams(rows)
    return [dict(row) | {"thing": streams.get(row["stream"]) or loops.get(row["loop"])} for row in rows]


def _signal(row: Json) -> str:
    return wording.signal(Signal(kind=row["kind"], rule=row["rule"]))


def _streams(rows: Iterable[Json]) -> dict[int, Stream]:
    ids = [row["stream"] for row in rows]
    return Stream.objects.select_related("lane__equipment", "characteristic").in_bulk(ids)


def _named(rows: Iterable[Json], name: str, things: Mapping[int, Any]) -> list[dict[str, Any]]:
    return [dict(row) | {"thing": things.get(row[name])} for row in rows]


def _events(rows: Iterable[Json], line: Line, machines: Mapping[int, Equipment]) -> list[dict[str, Any]]:
    names = Names(line.pk)
    return [
        row | {"words": _event(row), "note": names.event_note(row["equipment"], row["note"])}
        for row in _named(rows, "equipment", machines)
    ]


def _subject(row: Json, machines: Mapping[int, Equipment], loops: Mapping[int, Loop]) -> str:
    """What something new was put in force for, where it is one machine, loop or stream, and not the whole line."""
    known: dict[str, Mapping[int, Any]] = {"equipment": machines, "loop": loops}
    if row["object"] == "stream":
        known["stream"] = _streams([{"stream": int(row["id"])}])
    found = known.get(row["object"], {})
    return str(found.get(int(row["id"]), "")) if found else ""


def _event(row: Json) -> str:
    return str(ProcessEvent(kind=Kind(row["kind"]), side=row["side"]))
