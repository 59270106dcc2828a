"""Walk the audit chain and say whether it holds; exits 1 if it does not, and names the first bad row."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from control.actions.audit import Report, verify


class Command(BaseCommand):
    help = "Verifies the audit's hash chain."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="say it as one JSON object")
        parser.add_argument("--root", metavar="NUMBER:HASH", help="a root exported earlier, which must be on the chain")

    def handle(self, *, json: bool, root: str | None, **options: Any) -> None:
        report = verify(_root(root))
        self.stdout.write(_as_json(report) if json else _as_text(report))
        if not report.ok:
            sys.exit(1)


def _root(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise CommandError("--root is NUMBER:HASH as printed by an earlier verification")
    return int(number), digest


def _as_json(report: Report) -> str:
    return json.dumps(
        {
            "ok": report.ok,
            "rows": report.rows,
            "root": {"number": report.number, "hash": report.hash},
            "first_bad": asdict(report.first) if report.first else None,
        }
    )


def _as_text(report: Report) -> str:
    if report.first:
        return f"BROKEN at row {report.first.number}: {report.first.what}"
    return f"{report.rows} rows, whole; root {report.number}:{report.hash}"
