"""The last line of defence: rules that hold whoever writes, and by whatever path."""

from datetime import UTC, date, datetime

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from control.models import AuditEntry, AuditHead

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def an_entry() -> AuditEntry:
    return AuditEntry.objects.create(
        number=1,
        at=NOW,
        actor_name="t",
        action="a",
        object_type="o",
        object_id="1",
        previous_hash="",
        hash="x",
    )


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE control_auditentry SET reason = 'nicer'",
        "DELETE FROM control_auditentry",
        "TRUNCATE control_auditentry",
    ],
)
def test_the_audit_can_only_grow(sql: str) -> None:
    an_entry()
    connection.check_constraints()  # or TRUNCATE stumbles over the row's own pending foreign key first
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
    assert AuditEntry.objects.get().reason == ""


def test_the_chain_has_a_head_from_the_start() -> None:
    assert AuditHead.objects.get().hash == "0" * 64


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_not_finite_cannot_be_stored(bad: str) -> None:
    with (
        connection.cursor() as cursor,
        pytest.raises(DatabaseError, match="finite"),
        transaction.atomic(),
    ):
        cursor.execute(
            "INSERT INTO control_snapshot VALUES (1, %s, 1, 1, 1, %s, 1, 0, ARRAY[1, NULL, %s::float8], '{0,0,0}')",
            [NOW, NOW, bad],
        )


def test_a_missing_number_is_stored_as_null() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO control_snapshot VALUES (1, %s, 1, 1, 1, %s, 1, 0, ARRAY[1, NULL]::float8[], '{0,3}')",
            [NOW, NOW],
        )
        cursor.execute('SELECT "values" FROM control_snapshot')
        assert cursor.fetchone() == ([1.0, None],)


def test_a_day_is_made_once_and_takes_that_days_rows() -> None:
    with connection.cursor() as cursor:
        for _ in range(2):
            cursor.execute("SELECT control_make_day(%s)", [date(2026, 3, 1)])
        cursor.execute(
            "INSERT INTO control_snapshot VALUES (1, %s, 1, 1, 1, %s, 1, 0, '{}', '{}')",
            [NOW, NOW],
        )
        cursor.execute("SELECT tableoid::regclass::text FROM control_snapshot")
        assert cursor.fetchone() == ("control_snapshot_20260301",)


def test_a_day_nobody_prepared_loses_nothing() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO control_snapshot VALUES (1, %s, 1, 1, 1, %s, 1, 0, '{}', '{}')",
            [NOW, NOW],
        )
        cursor.execute("SELECT tableoid::regclass::text FROM control_snapshot")
        assert cursor.fetchone() == ("control_snapshot_other",)


@pytest.mark.django_db(transaction=True)
def test_rows_are_found_by_arrival_through_an_index_in_every_day() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT control_make_day(%s)", [date(2026, 3, 2)])
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'control_snapshot_20260302'")
        assert cursor.fetchone() == (3,)


def test_psycopg_speaks_to_a_real_server() -> None:
    assert isinstance(connection.connection, psycopg.Connection)
