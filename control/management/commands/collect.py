"""`manage.py collect`: reads every machine through its connector and ingests what it says.

A machine keeps its last scans; each reading asks for those after the last one stored, so neither a restart here nor a
broken link loses any.
"""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection, connections
from django.db.utils import Error as DatabaseError
from django.utils import timezone

from control.actions import ingest
from control.connectors import UnknownConnector, open_connector
from control.connectors.base import Connector, ConnectorError
from control.models import Equipment, Snapshot, Source

REST_S = (0.5, 1.0, 2.0, 5.0)  # after one failure in a row, two, ...
PLANT_S = 10.0  # how often new equipment is looked for
LONGEST_WAIT_S = 2.0

log = logging.getLogger(__name__)


class Reader(threading.Thread):
    """One equipment: a thread of its own, so that a machine that hangs holds up no other."""

    def __init__(self, equipment: Equipment, source: Source, ended: threading.Event) -> None:
        super().__init__(name=f"collect {equipment.key}", daemon=True)
        self.equipment, self.source, self.ended = equipment, source, ended
        self.directory = ingest.Directory()
        self.connector: Connector | None = None
        self.since: int | None = None

    def run(self) -> None:
        failures = 0
        while not self.ended.is_set():
            try:
                self.read_once()
                failures = 0
            except (ConnectorError, UnknownConnector, LookupError, DatabaseError, psycopg.Error) as error:
                log.warning("%s: %s", self.name, str(error).strip())
                self.let_go()
                self.ended.wait(REST_S[min(failures, len(REST_S) - 1)])
                failures += 1
        self.let_go()

    def read_once(self) -> None:
        """One reading, stored before the next one asks for more."""
        if self.since is None:
            self.since = last_sequence(self.equipment, self.source)
        if self.connector is None:
            self.connector = open_connector(self.equipment.connector, settings.APC_RUN_DIR)
        scans = self.connector.read(self.since, wait_s=min(self.equipment.cycle_s, LONGEST_WAIT_S))
        if scans:
            conn = ingest.raw()
            who = self.directory.get(conn, self.source.pk)
            ingest.store_batch(conn, who, ingest.batch_of_scans(who, scans), now=timezone.now())
            self.since = scans[-1].sequence

    def let_go(self) -> None:
        if self.connector is not None:
            self.connector.close()
        self.connector, self.since = None, None
        connections.close_all()


def last_sequence(equipment: Equipment, source: Source) -> int:
    """The newest scan of this equipment that is stored."""
    rows = Snapshot.objects.filter(equipment=equipment, source=source).order_by("-at", "-sequence")
    return rows.values_list("sequence", flat=True).first() or 0


class Command(BaseCommand):
    help = "Read every machine that has a connector and ingest what it says, until SIGTERM."
    requires_system_checks = ()  # they load every page, for which this has no use

    def handle(self, *args: Any, **options: Any) -> None:
        ended = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: ended.set())
        readers: dict[int, Reader] = {}
        while not ended.is_set():
            try:
                self.start_missing(readers, ended)
            except (DatabaseError, psycopg.Error) as error:
                log.warning("collect: the database is away: %s", str(error).strip())
            connection.close()
            ended.wait(PLANT_S if readers else 1.0)
        for reader in readers.values():
            reader.join(LONGEST_WAIT_S + 5)

    def start_missing(self, readers: dict[int, Reader], ended: threading.Event) -> None:
        """A reader for each equipment with a connector; one that died of something unforeseen is replaced."""
        with_connector = Equipment.objects.exclude(connector__kind="none").exclude(connector={})
        for equipment in with_connector.select_related("line"):
            reader = readers.get(equipment.pk)
            if reader is None or not reader.is_alive():
                source = Source.objects.filter(line=equipment.line, is_active=True).order_by("id").first()
                if source is not None:
                    readers[equipment.pk] = Reader(equipment, source, ended)
                    readers[equipment.pk].start()
