"""Rows a second into the audit's chain by 16 writers at once, beside the same rows into a table without a chain.

One transaction after another, each with one row or with four, each durable when it returns; the ways take turns. First
as bare statements over psycopg, which shows what the chain itself costs; then through `audit.record`, as all of apcweb
writes, beside `bulk_create`. Run: python -m bench.audit
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

from bench.scratch import installation, table

WRITERS, ROUNDS, ROUND_S = 16, 5, 1.0
AT = datetime(2026, 11, 21, tzinfo=UTC)
OLD, NEW = {"state": "pending_operator", "version": 2}, {"state": "approved", "version": 3}
TOLD = ("operator", "change.approve", "change", "4711", 1)
COLUMNS = (
    "at, actor_name, action, object_type, object_id, line_id, old, new, reason, number, actor_id, previous_hash, hash"
)
PLAIN = """
CREATE TABLE bench_plain (LIKE control_auditentry INCLUDING ALL);
ALTER TABLE bench_plain ADD FOREIGN KEY (actor_id) REFERENCES auth_user;
CREATE SEQUENCE bench_number;
"""


class Bare:
    """Statements over psycopg."""

    def __init__(self) -> None:
        import psycopg

        self.connection = psycopg.connect(os.environ["DATABASE_URL"], cursor_factory=psycopg.ClientCursor)
        row = "(%s, %s, %s, %s, %s, %s, %s, %s, '', nextval('bench_number'), NULL, repeat('0', 64), repeat('0', 64))"
        self.insert = {n: f"INSERT INTO bench_plain ({COLUMNS}) VALUES {', '.join(n * [row])}; COMMIT" for n in (1, 4)}  # noqa: S608

    def plain(self, rows: int) -> None:
        self.connection.execute(self.insert[rows], rows * [AT, *TOLD, json.dumps(OLD), json.dumps(NEW)])

    def chained(self, rows: int) -> None:
        from control.actions import audit

        name, *told = TOLD
        entry = audit.Recorded(AT, None, name, *told, OLD, NEW, "")
        self.connection.execute(*audit.appending(rows * [entry], commit=True))


class Through:
    """As apcweb itself writes."""

    def __init__(self) -> None:
        import django

        django.setup()
        from django.db import models

        from control.models import AuditEntry

        class Plain(models.Model):
            """The audit's columns, a number of its own, no chain."""

            number = models.BigAutoField(primary_key=True)
            actor_id = models.IntegerField(null=True)

            class Meta:
                app_label, db_table, managed = "bench", "bench_plain", False

        for field in AuditEntry._meta.fields:
            if field.name not in ("number", "actor"):
                Plain.add_to_class(field.name, field.clone())
        self.model = Plain

    def plain(self, rows: int) -> None:
        from django.db import transaction

        name, action, kind, key, line = TOLD
        made = [
            self.model(at=AT, actor_name=name, action=action, object_type=kind, object_id=key, line_id=line,
                       old=OLD, new=NEW, reason="", previous_hash=64 * "0", hash=64 * "0")
            for _ in range(rows)
        ]  # fmt: skip
        with transaction.atomic():
            self.model.objects.bulk_create(made)

    def chained(self, rows: int) -> None:
        from control.actions import audit

        name, action, kind, key, line = TOLD
        with audit.atomic():
            for _ in range(rows):
                audit.record(actor=name, action=action, obj=(kind, key), now=AT, old=OLD, new=NEW, line=line)


PATHS = {"bare statements": Bare, "through audit.record": Through}


def write(pipe, start) -> None:
    """A writer's process: told what to write, it begins with the others and says how many rows it got in."""
    import django

    django.setup()
    paths = {name: path() for name, path in PATHS.items()}
    while (order := pipe.recv()) is not None:
        path, way, rows = order
        act: Callable[[int], None] = getattr(paths[path], way)
        start.wait()
        written, end = 0, time.perf_counter() + ROUND_S
        while time.perf_counter() < end:
            act(rows)
            written += rows
        pipe.send(written)


def main() -> None:
    with installation():
        from django.db import connection

        from control.actions import audit

        with connection.cursor() as cursor:
            cursor.execute(PLAIN)
            cursor.execute("ALTER TABLE bench_plain ALTER number SET DEFAULT nextval('bench_number')")
        connection.close()
        context = multiprocessing.get_context("spawn")
        start, pipes, writers = context.Barrier(WRITERS), [], []
        for _ in range(WRITERS):
            ours, theirs = context.Pipe()
            writers.append(context.Process(target=write, args=(theirs, start), daemon=True))
            pipes.append(ours)
        for writer in writers:
            writer.start()
        lines = [_compare(pipes, path, rows) for path in PATHS for rows in (1, 4)]
        for pipe, writer in zip(pipes, writers, strict=True):
            pipe.send(None)
            writer.join()
        table(
            f"Audit: rows a second, {WRITERS} writers, median of {ROUNDS} interleaved rounds",
            ["way", "rows a transaction", "plain inserts", "chained", "chained / plain"],
            lines,
        )
        report = audit.verify()
        assert report.ok, report
        connection.close()


def _compare(pipes: list, path: str, rows: int) -> list[str]:
    found: dict[str, list[float]] = {"plain": [], "chained": []}
    for _ in range(ROUNDS):
        for way, rates in found.items():
            for pipe in pipes:
                pipe.send((path, way, rows))
            rates.append(sum(pipe.recv() for pipe in pipes) / ROUND_S)
    ratio = median(ours / bare for ours, bare in zip(found["chained"], found["plain"], strict=True))
    return [f"{path}, {rows}", str(rows), *(f"{median(rates):.0f}" for rates in found.values()), f"{ratio:.2f}"]


if __name__ == "__main__":
    main()
