"""Walk the audit chain and say whether it holds; exits 1 if it does not, and names the first bad row."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from control.actions.audit import Report, verify
from control.actions.roots import Kept, read


class Command(BaseCommand):
    help = "Verifies the audit's hash chain, and that it still has every end that was signed outside the database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="say it as one JSON object")
        parser.add_argument("--root", metavar="NUMBER:HASH", help="an end noted earlier, which must be on the chain")
        parser.add_argument(
            "--roots", metavar="DIR", type=Path, default=settings.APC_AUDIT_DIR,
            help="folder of signed roots; default: APC_AUDIT_DIR",
        )  # fmt: skip

    def handle(self, *, json: bool, root: str | None, roots: Path, **options: Any) -> None:
        kept = read(roots)
        if root is not None:
            number, digest = _root(root)
            kept.signed.setdefault(number, set()).add(digest)
        report = verify(kept.signed)
        self.stdout.write(_as_json(report, kept) if json else _as_text(report, kept))
        if not report.ok or kept.faults:
            sys.exit(1)


def _root(text: str) -> tuple[int, str]:
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise CommandError("--root is NUMBER:HASH as printed by an earlier verification")
    return int(number), digest


def _as_json(report: Report, kept: Kept) -> str:
    return json.dumps(
        {
            "ok": report.ok and not kept.faults,
            "rows": report.rows,
            "root": {"number": report.number, "hash": report.hash},
            "signed_roots": report.roots,
            "bad_roots": kept.faults,
            "first_bad": asdict(report.first) if report.first else None,
        }
    )


def _as_text(report: Report, kept: Kept) -> str:
    said = [f"BAD ROOT in {fault}" for fault in kept.faults]
    if report.first:
        return "\n".join([f"BROKEN at row {report.first.number}: {report.first.what}", *said])
    whole = f"{report.rows} rows, whole; {report.roots} signed roots on it; root {report.number}:{report.hash}"
    return "\n".join([whole, *said])
