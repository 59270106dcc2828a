"""Instants as addresses and forms give them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_datetime

YEARS = range(1970, 9999)  # within them any time zone and any window can be reckoned with


def of_an_era(at: datetime) -> datetime:
    """The same; a ValueError where it cannot be reckoned with."""
    if at.year not in YEARS:
        raise ValueError(f"the year must be {YEARS[0]} to {YEARS[-1]}")
    return at


def aware(at: datetime) -> datetime:
    """Without an offset of its own it is UTC."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def instant(text: str, zone: str | None = None) -> datetime | None:
    """In UTC; without an offset of its own it is plant time of ``zone``. None where it cannot be meant."""
    try:
        at = parse_datetime(text)
        if at is None or not (at.tzinfo or zone):
            return None
        of_an_era(at)
    except ValueError:
        return None
    return at.replace(tzinfo=at.tzinfo or ZoneInfo(zone or "UTC")).astimezone(UTC)
