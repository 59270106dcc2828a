"""What every test shares."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.installation import Installation

GUARDED = {"control_auditentry": "audit", "control_signature": "signature"}  # table: its triggers' first word
RUNNING: list[Installation] = []
FLUSHED_BESIDES = ["control_snapshot", "control_measurement", "control_point"]


@pytest.fixture(scope="session", autouse=True)
def _flush_knows_our_tables() -> Iterator[None]:
    """Tests that commit are cleaned up by TRUNCATE: include unmanaged tables, and lift the guards around it."""
    operations = type(connection.ops)
    original = operations.sql_flush

    def sql_flush(self, style, tables, **options):
        if not tables:
            return []
        return [
            *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in GUARDED),
            *original(self, style, [*tables, *FLUSHED_BESIDES], **options),
            "INSERT INTO control_audithead (id, number, hash) VALUES (1, 0, repeat('0', 64))",
            *(
                f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {word}_{what}"
                for table, word in GUARDED.items()
                for what in ("append_only", "no_truncate")
            ),
        ]

    operations.sql_flush = sql_flush
    yield
    operations.sql_flush = original


@pytest.fixture
def quick_hashes(settings: Any) -> None:
    """Passwords hashed in no time, for tests that give many."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The whole thing as a user starts it, on demo data, shared by the tests that look at it from outside."""
    var: Path = tmp_path_factory.mktemp("apc")
    installed = Installation(var)
    RUNNING.append(installed)
    try:
        installed.start()
        yield installed
    finally:
        installed.stop()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """A whole line that nobody looks at any more would take half a processor from all other tests."""
    if _on_installation(item) and not (nextitem and _on_installation(nextitem)):
        while RUNNING:
            RUNNING.pop().stop()


def _on_installation(item: pytest.Item) -> bool:
    return "installation" in getattr(item, "fixturenames", ())
