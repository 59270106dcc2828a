"""Write approved changes to the machines: one dispatcher a line, whichever process holds its lease."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from secrets import token_hex
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import Error, connection

from control.actions._move import CHANNEL
from control.connectors import open_connector
from control.connectors.base import Connector
from control.dispatcher import Dispatcher
from control.models import Equipment, Line

POLL_S = 1.0
LOOK_FOR_LINES_S = 5.0
NO_DATABASE = (Error, psycopg.Error)  # waiting for a notification is psycopg's own, and not Django's to translate

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Writes approved changes to the machines and reads them back. Runs until it is told to end."
    requires_system_checks = ()  # they load every page, for which this has no use

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--line", help="key of the only line to serve; all of them if not given")

    def handle(self, *, line: str | None, **options: Any) -> None:
        ended = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: ended.set())
        holder = f"{socket.gethostname()[:32]}:{os.getpid()}:{token_hex(4)}"
        threads: dict[int, threading.Thread] = {}
        while not ended.is_set():
            start_missing(threads, _lines(line), holder, ended)
            ended.wait(LOOK_FOR_LINES_S)
        for thread in threads.values():
            thread.join(timeout=30)


def start_missing(
    threads: dict[int, threading.Thread], line_ids: list[int], holder: str, ended: threading.Event
) -> None:
    """A thread for each line; one that died of something unforeseen is replaced, or its line would wait for ever."""
    for line_id in line_ids:
        thread = threads.get(line_id)
        if thread is None or not thread.is_alive():
            threads[line_id] = threading.Thread(target=_serve_or_say, args=(line_id, holder, ended), daemon=True)
            threads[line_id].start()


def _serve_or_say(line_id: int, holder: str, ended: threading.Event) -> None:
    try:
        serve(line_id, holder, ended)
    except Exception:
        log.exception("line %s: its dispatcher ended, and another is started", line_id)
    finally:
        connection.close()


def serve(line_id: int, holder: str, ended: threading.Event) -> None:
    """One line until the end; the database may come and go meanwhile."""
    dispatcher = Dispatcher(line_id, holder, connect)
    listening = False
    while not ended.is_set():
        try:
            if not listening:
                with connection.cursor() as cursor:
                    cursor.execute(f"LISTEN {CHANNEL}")
                listening = True
            dispatcher.run_once()
            for _ in connection.connection.notifies(timeout=POLL_S, stop_after=1):
                pass
        except NO_DATABASE as error:
            log.warning("line %s: no database: %s", line_id, str(error).strip())
            connection.close()
            listening = False
            ended.wait(POLL_S)
    try:
        dispatcher.stop()
    except NO_DATABASE:
        log.warning("line %s: the lease could not be handed back and runs out by itself", line_id)
    connection.close()


def connect(equipment: Equipment) -> Connector:
    return open_connector(equipment.connector, settings.APC_RUN_DIR)


def _lines(key: str | None) -> list[int]:
    """Lines to serve; none while the database is away."""
    lines = Line.objects.filter(key=key) if key else Line.objects.all()
    try:
        return list(lines.values_list("pk", flat=True))
    except NO_DATABASE:
        connection.close()
        return []
