"""A throw-away installation for a measurement: embedded servers in a temporary folder, migrated, gone afterwards."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

COLLECTED = "APC_BENCH_TABLES"
ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def installation(*, valkey: bool = False) -> Iterator[None]:
    """Django set up on servers of its own. Import models only inside."""
    sys.path.insert(0, str(ROOT))
    from apcweb.places import embedded_database_url, embedded_redis_url, wipe
    from apcweb.servers import Servers

    var = Path(tempfile.mkdtemp(prefix="apc-bench-"))
    var.chmod(0o711 if os.geteuid() == 0 else 0o700)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="apcweb.settings",
        APC_VAR=str(var),
        APC_SECRET_KEY=secrets.token_urlsafe(50),
        APC_AUDIT_KEY=secrets.token_urlsafe(50),
        APC_DEMO="0",
        APC_HTTPS="0",
        DATABASE_URL=embedded_database_url(var),
        REDIS_URL=embedded_redis_url(var),
    )
    try:
        with Servers(var, postgres=True, valkey=valkey):
            import django
            from django.core.management import call_command

            django.setup()
            call_command("migrate", verbosity=0)
            yield
    finally:
        wipe(var)
        shutil.rmtree(var, ignore_errors=True)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their head, aligned; and add them to the file that collects the tables of all measurements."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    print(f"\n{title}")
    for first, *others in cells:
        line = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        print("  " + "  ".join(line))
    sys.stdout.flush()
    if collected := os.environ.get(COLLECTED):
        with Path(collected).open("a") as file:
            file.write(json.dumps([dict(zip(cells[0], row, strict=True)) for row in cells[1:]]) + "\n")


def in_turns(*works: Callable[[], object], rounds: int = 200) -> list[float]:
    """Seconds of the quickest of many rounds, each way in turn: a busy machine disturbs all of them alike."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for i, work in enumerate(works):
            begin = time.perf_counter()
            work()
            best[i] = min(best[i], time.perf_counter() - begin)
    return best
