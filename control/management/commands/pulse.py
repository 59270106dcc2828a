"""`manage.py pulse`: hears in PostgreSQL that data came, and asks Celery for a pass. It holds no fact of its own."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterable
from typing import Any

import psycopg
from django.core.management.base import BaseCommand
from django.db import connection

from control.tasks import advance

POLL_S = 1.0
ASK_AGAIN_S = 5.0  # a pass asked for and not begun by then was lost on the way
REST_S = 1.0
BEHIND = """
SELECT i.equipment_id, c.processed FROM control_intake i JOIN control_cursor c USING (equipment_id)
WHERE i.arrived > c.processed
"""

log = logging.getLogger(__name__)


class Pulse:
    """Which passes were asked for, so that an equipment has one waiting at a time."""

    def __init__(self) -> None:
        self.asked: dict[int, tuple[int, float]] = {}  # equipment -> where its cursor stood, and when

    def due(self, behind: Iterable[tuple[int, int]], now_s: float) -> list[int]:
        """Of the equipment that is behind, that which needs a new pass asked for."""
        found = []
        for equipment_id, processed in behind:
            at, when = self.asked.get(equipment_id, (-1, -ASK_AGAIN_S))
            if at != processed or now_s - when >= ASK_AGAIN_S:
                found.append(equipment_id)
                self.asked[equipment_id] = processed, now_s
        return found

    def lost(self, equipment_id: int) -> None:
        """The broker did not take it: ask again at the next beat."""
        self.asked.pop(equipment_id, None)


class Command(BaseCommand):
    help = "Wake the pipeline when data arrives (LISTEN, and a look every second), until SIGTERM."
    requires_system_checks = ()  # they load every page, for which this has no use

    def handle(self, *args: Any, **options: Any) -> None:
        self.ended = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: self.ended.set())
        pulse = Pulse()
        while not self.ended.is_set():
            try:
                self.listen(pulse)
            except psycopg.Error as error:
                log.warning("pulse: the database is away: %s", str(error).strip())
                self.ended.wait(REST_S)

    def listen(self, pulse: Pulse) -> None:
        """Beat on every bell and every second until told to end or the connection breaks."""
        params = connection.get_connection_params()
        kept = {key: params[key] for key in ("dbname", "user", "password", "host", "port", "options") if key in params}
        with psycopg.connect(**kept, autocommit=True, connect_timeout=5) as conn:
            conn.execute("LISTEN apc_ingest")
            while not self.ended.is_set():
                self.beat(conn, pulse)
                for _ in conn.notifies(timeout=POLL_S, stop_after=1):
                    pass

    def beat(self, conn: psycopg.Connection[Any], pulse: Pulse) -> None:
        for equipment_id in pulse.due(conn.execute(BEHIND).fetchall(), time.monotonic()):
            try:
                advance.apply_async([equipment_id], expires=60, retry=False)
            except Exception as error:  # whatever the broker has: the record is in PostgreSQL, the next beat asks again
                log.warning("pulse: the broker is away: %s", error)
                pulse.lost(equipment_id)
                self.ended.wait(REST_S)
