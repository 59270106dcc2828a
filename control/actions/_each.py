"""What is done to one equipment after the other, so that one that does not fit holds up no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from django.db import InterfaceError, OperationalError

from control.models import Equipment

log = logging.getLogger(__name__)


def each(machines: Iterable[Equipment], value: Callable[[Equipment, datetime], int], now: datetime) -> int:
    """The sum of ``value`` over those where it went well; the log tells of the others. Not within a transaction.

    The database being away is no fault of an equipment, and is raised.
    """
    total = 0
    for equipment in machines:
        try:
            total += value(equipment, now)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("%s: equipment %s is left out", value.__module__, equipment.pk)
    return total
