"""Ends of the audit's chain, signed and kept in files outside the database.

Whoever owns the tables can rewrite the whole chain so that it fits again, cut its tail off, or bring back an old dump.
A root that was signed before and lies elsewhere then no longer fits: it names a row and the hash that row must have.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings

from control.models import AuditEntry, AuditHead

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Root:
    """The row a chain ended in, and when that was."""

    number: int
    hash: str
    at: datetime

    def signature(self) -> str:
        """HMAC-SHA256 over number, hash and instant, with the key that is not in the database."""
        told = f"{self.number}:{self.hash}:{self.at.isoformat()}".encode()
        return hmac.new(settings.APC_AUDIT_KEY.encode(), told, hashlib.sha256).hexdigest()

    def told(self) -> dict[str, int | str]:
        return {"number": self.number, "hash": self.hash, "at": self.at.isoformat(), "hmac": self.signature()}


@dataclass(slots=True)
class Kept:
    """What a folder holds: the hashes that rows must have, by number, and lines that nobody with the key wrote."""

    signed: dict[int, set[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    newest: Root | None = None


def present(now: datetime) -> Root:
    """Where the chain ends at this moment."""
    number, end = AuditHead.objects.values_list("number", "hash").get()
    return Root(number, end, now)


def checkpoint(now: datetime) -> Root | None:
    """Keep the end of the chain, if it has moved since the last time or a new day has begun."""
    folder, root = Path(settings.APC_AUDIT_DIR), present(now)
    last = _last(folder)
    if last is not None:
        if not AuditEntry.objects.filter(number=last.number, hash=last.hash).exists():
            log.error("audit: row %s is not as it was signed at %s; run verify_audit", last.number, last.at)
        if last.number == root.number and last.at.date() == now.date():
            return None
    if root.number == 0:
        return None
    _append(folder / f"roots-{now:%Y-%m}.jsonl", json.dumps(root.told()))
    return root


def read(folder: Path) -> Kept:
    """All roots of a folder, each checked against its signature."""
    kept = Kept()
    for path in sorted(folder.glob("roots-*.jsonl")):
        for count, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            root = _read(line)
            if root is None:
                kept.faults.append(f"{path.name}, line {count}: not signed with this key")
                continue
            kept.signed.setdefault(root.number, set()).add(root.hash)
            kept.newest = root
    return kept


def _read(line: str) -> Root | None:
    try:
        told = json.loads(line)
        root = Root(int(told["number"]), str(told["hash"]), datetime.fromisoformat(told["at"]))
        return root if hmac.compare_digest(root.signature().encode(), str(told["hmac"]).encode()) else None
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _last(folder: Path) -> Root | None:
    """The newest root that can be read, looked for from the end."""
    for path in sorted(folder.glob("roots-*.jsonl"), reverse=True):
        for line in reversed(path.read_text(errors="replace").splitlines()):
            if root := _read(line):
                return root
    return None


def _append(path: Path, line: str) -> None:
    """One line in one write, on the disk when this returns; one that a crash cut short before it is ended first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = not path.exists()
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(file).st_size
        torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        os.write(file, ("\n" * torn + f"{line}\n").encode())
        os.fsync(file)
    finally:
        os.close(file)
    if fresh:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """The name of a new file is on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
