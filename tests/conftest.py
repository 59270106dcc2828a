"""What every test shares."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management.commands import flush
from django.db import connection
from django.test import override_settings

from tests.installation import Installation

GUARDED = {"control_auditentry": "audit", "control_signature": "signature"}  # table: its triggers' first word
RUNNING: list[Installation] = []
FLUSHED_BESIDES = ["control_snapshot", "control_measurement", "control_point"]
KEPT = {"auth_permission", "django_content_type"}  # follow from the models; to make them anew takes longer than a test


@pytest.fixture(scope="session", autouse=True)
def _flush_knows_our_tables() -> Iterator[None]:
    """Tests that commit are cleaned up by TRUNCATE: include unmanaged tables, and lift the guards around it."""
    operations = type(connection.ops)
    original, emit = operations.sql_flush, flush.emit_post_migrate_signal

    def sql_flush(self, style, tables, **options):
        if not tables:
            return []
        return [
            *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in GUARDED),
            *original(self, style, [*(table for table in tables if table not in KEPT), *FLUSHED_BESIDES], **options),
            "INSERT INTO control_audithead (id, number, hash) VALUES (1, 0, repeat('0', 64))",
            *(
                f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {word}_{what}"
                for table, word in GUARDED.items()
                for what in ("append_only", "no_truncate")
            ),
        ]

    operations.sql_flush, flush.emit_post_migrate_signal = sql_flush, lambda *_: None
    yield
    operations.sql_flush, flush.emit_post_migrate_signal = original, emit


@pytest.fixture(scope="session", autouse=True)
def _quick_hashes() -> Iterator[None]:
    """Passwords are hashed in no time; a whole installation hashes them as the settings say."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


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
