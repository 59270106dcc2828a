"""Instants as the core reckons with them, in seconds since 1970, and as everything else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=float(seconds))
