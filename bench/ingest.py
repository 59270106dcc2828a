"""Rows a second into the trace: by the connector path and the HTTP door, beside a bare psycopg COPY of the same rows.

The rows are a coater's snapshots (26 tags), the same for all, in rounds that take turns. Run: python -m bench.ingest
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median

from bench.scratch import installation, table

ROUNDS = 7
BATCHES = (1, 100, 1000, 5000)
START = datetime(2026, 11, 21, tzinfo=UTC)


class Feed:
    """Scans of a coater that never repeat."""

    def __init__(self, line) -> None:
        self.line = line
        self.template = [scan for scan in line.scans(200) if scan.equipment == "coater"]
        self.sequence = 10_000

    def scans(self, n: int) -> list:
        found = []
        for i in range(n):
            self.sequence += 1
            scan = self.template[i % len(self.template)]
            at = START.timestamp() + self.sequence
            found.append(replace(scan, sequence=self.sequence, at=at, web_m=float(self.sequence), measurements=()))
        return found


def main() -> None:
    with installation():
        from tests.running import running

        line = running("cathode")
        feed, bare, door = Feed(line), Bare(line), Door(line)
        ways = {"bare COPY, write_row": bare.write, "connector": Connector(line).write, "HTTP, JSON": door.write}
        rows = [_compare(batch, feed, ways) for batch in BATCHES]
        table(
            "Ingest: snapshots of 26 tags a second (values a second in brackets), median of interleaved rounds",
            ["rows a body", *ways, "connector / bare", "HTTP / bare"],
            rows,
        )


def _compare(batch: int, feed: Feed, ways: dict) -> list[str]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    repeats = max(1, 300 // batch)
    for _ in range(ROUNDS):
        for name, write in ways.items():
            bodies = [feed.scans(batch) for _ in range(repeats)]
            times[name].append(write(bodies))
    rate = {name: batch * repeats / median(spent) for name, spent in times.items()}
    first, *others = rate.values()
    return [str(batch), *(f"{r:.0f} ({r * 26:.0f})" for r in rate.values()), *(f"{r / first:.2f}" for r in others)]


class Bare:
    """psycopg's own COPY with set types, into the same table, a transaction a body, nothing checked or numbered."""

    NAMES = 'equipment_id, at, source_id, sequence, arrival, received_at, roll, web_m, "values", quality'
    TYPES = ("int8", "timestamptz", "int8", "int8", "int8", "timestamptz", "int8", "float8", "float8[]", "int2[]")

    def __init__(self, line) -> None:
        import psycopg

        from control.actions.ingest import raw

        self.conn = psycopg.connect(raw().info.dsn, autocommit=True)
        self.equipment_id, self.source_id = line.equipment[0].pk, 10**9

    def write(self, bodies: list) -> float:
        prepared = [[self._row(scan) for scan in body] for body in bodies]
        begin = time.perf_counter()
        for body in prepared:
            statement = f"COPY control_snapshot ({self.NAMES}) FROM STDIN (FORMAT BINARY)"
            with self.conn.transaction(), self.conn.cursor() as cursor, cursor.copy(statement) as copy:
                copy.set_types(self.TYPES)
                for row in body:
                    copy.write_row(row)
        return time.perf_counter() - begin

    def _row(self, scan) -> tuple:
        at = START + timedelta(seconds=scan.sequence)
        place = (self.equipment_id, at, self.source_id, scan.sequence, scan.sequence, at, scan.roll, scan.web_m)
        return *place, list(scan.values), list(scan.quality)


class Connector:
    """What `collect` does with the scans of a machine: check, number, COPY, wake the pipeline, commit."""

    def __init__(self, line) -> None:
        self.who = line.who

    def write(self, bodies: list) -> float:
        from control.actions import ingest

        conn = ingest.raw()
        begin = time.perf_counter()
        for body in bodies:
            now = START + timedelta(seconds=body[-1].sequence)
            receipt = ingest.store_batch(conn, self.who, ingest.batch_of_scans(self.who, body), now=now)
            assert receipt.stored == len(body)
        return time.perf_counter() - begin


class Door:
    """The ASGI application itself, without a network in between."""

    def __init__(self, line) -> None:
        from control.actions.plant import new_token
        from control.models import Source

        source = Source.objects.create(line=line.line, key="bench")
        new_token(source, "bench-token", actor="bench", now=START)

    def write(self, bodies: list) -> float:
        from apcweb import ingest as door

        prepared = [json.dumps({"rows": [self._row(scan) for scan in body]}).encode() for body in bodies]
        begin = time.perf_counter()
        asyncio.run(self._post(door.application, prepared))
        return time.perf_counter() - begin

    def _row(self, scan) -> dict:
        at = datetime.now(UTC) - timedelta(days=100) + timedelta(seconds=scan.sequence)
        told = dict(zip(scan.tags, scan.values, strict=True))
        return {"equipment": "coater", "at": at.isoformat(), "sequence": scan.sequence, "values": told}

    async def _post(self, application, bodies: list[bytes]) -> None:
        headers = [(b"authorization", b"Bearer bench-token"), (b"content-type", b"application/json")]
        for body in bodies:
            answers = []

            async def receive(body=body) -> dict:
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message, answers=answers) -> None:
                answers.append(message)

            scope = {"type": "http", "method": "POST", "path": "/api/v1/ingest/snapshots", "headers": headers}
            await application(scope, receive, send)
            assert answers[0]["status"] == 200, answers[1]["body"][:500]


if __name__ == "__main__":
    main()
