"""The record nobody can alter: one chain, refused by the database to everyone, and every tampering found."""

import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from io import StringIO
from random import Random

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from control.actions import audit
from control.actions.errors import Conflict
from control.models import AuditEntry, AuditHead
from tests.factories import NOW, user
from tests.trials import LONG_S, SEED, trial

ROWS = 12


def write(rows: int = ROWS, **fields) -> None:
    told = {"new": {"to": 60.3, "why": "무게"}, "reason": "drift", "line": 7} | fields
    for number in range(rows):
        with audit.atomic():
            audit.record(actor="tester", action="thing.move", obj=("thing", number), now=NOW, **told)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what a commit would do


@contextmanager
def as_owner():
    """What the owner of the table can always do: lift the guard."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE control_auditentry DISABLE TRIGGER USER")
        yield cursor
        cursor.execute("ALTER TABLE control_auditentry ENABLE ALWAYS TRIGGER audit_append_only")
        cursor.execute("ALTER TABLE control_auditentry ENABLE ALWAYS TRIGGER audit_no_truncate")


@pytest.mark.django_db
def test_a_whole_chain_verifies_and_names_its_root():
    write()
    report = audit.verify()
    assert (report.ok, report.rows, report.number) == (True, ROWS, ROWS)
    assert report.hash == AuditHead.objects.get().hash == AuditEntry.objects.get(number=ROWS).hash


@pytest.mark.django_db
def test_an_empty_chain_is_whole():
    assert audit.verify().ok


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value",
    [-0.0, 1e22, 1e16, 1e-7, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, 100.0, 10**20, True, None, "ß 무게", [1, 2.5]],
    ids=repr,
)
def test_a_number_hashes_as_the_database_gives_it_back(value):
    write(1, new={"value": value}, old={"b": 1, "a": {"d": value, "c": NOW}})
    assert audit.verify().ok


@pytest.mark.django_db
def test_what_is_no_number_is_not_recorded():
    with pytest.raises(ValueError, match="JSON"):
        write(1, new={"value": math.nan})


@pytest.mark.django_db
def test_a_person_signs_with_the_name_he_has_then():
    person = user("kim")
    with audit.atomic():
        audit.record(actor=person, action="thing.move", obj=person, now=NOW)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.actor_name, entry.object_type) == (person, "kim", "user")


@pytest.mark.django_db
def test_nothing_is_recorded_outside_a_transaction_that_stores_it():
    with pytest.raises(RuntimeError):
        audit.record(actor="tester", action="thing.move", obj=("thing", 1), now=NOW)


@pytest.mark.django_db
def test_what_is_undone_is_not_recorded_and_what_surrounds_it_is():
    @audit.atomic()
    def inner() -> None:
        audit.record(actor="tester", action="inner", obj=("thing", 1), now=NOW)
        raise ZeroDivisionError

    with audit.atomic():
        audit.record(actor="tester", action="outer", obj=("thing", 1), now=NOW)
        with pytest.raises(ZeroDivisionError):
            inner()
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["outer"]


@pytest.mark.django_db
def test_a_refused_attempt_leaves_only_the_refusal():
    attempt = {"actor": "tester", "obj": ("thing", 1), "now": NOW}

    @audit.attempt(action="thing.move", **attempt)
    def act() -> None:
        user("kim")
        audit.record(action="thing.move", **attempt)
        raise Conflict("overtaken", "Somebody was first.", {"by": "lee"})

    with pytest.raises(Conflict):
        act()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.new["code"], entry.new["by"]) == ("thing.move.refused", "overtaken", "lee")
    assert not User.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE control_auditentry SET reason = 'x'",
        "DELETE FROM control_auditentry",
        "TRUNCATE control_auditentry",
    ],
)
def test_the_database_refuses_to_change_the_record(statement):
    write(2)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert audit.verify().ok


def _change(cursor, at: int) -> int:
    cursor.execute("UPDATE control_auditentry SET reason = 'because' WHERE number = %s", [at])
    return at


def _change_a_number(cursor, at: int) -> int:
    cursor.execute("""UPDATE control_auditentry SET new = '{"to": 60.4, "why": "무게"}' WHERE number = %s""", [at])
    return at


def _change_the_time(cursor, at: int) -> int:
    cursor.execute("UPDATE control_auditentry SET at = at + interval '1 microsecond' WHERE number = %s", [at])
    return at


def _remove(cursor, at: int) -> int:
    cursor.execute("DELETE FROM control_auditentry WHERE number = %s", [at])
    return at


def _cut_the_tail(cursor, at: int) -> int:
    cursor.execute("DELETE FROM control_auditentry WHERE number >= %s", [at])
    return at


def _swap(cursor, at: int) -> int:
    for old, new in ((at, -1), (at + 1, at), (-1, at + 1)):
        cursor.execute("UPDATE control_auditentry SET number = %s WHERE number = %s", [new, old])
    return at


def _insert(cursor, at: int) -> int:
    cursor.execute("UPDATE control_auditentry SET number = number + 1000 WHERE number >= %s", [at])
    cursor.execute("UPDATE control_auditentry SET number = number - 999 WHERE number >= 1000")
    _copy(cursor, at + 1, at)
    return at + 1  # the copy passes for the row it displaced


def _copy(cursor, source: int, to: int) -> None:
    columns = "at, actor_name, action, object_type, object_id, line_id, new, reason, previous_hash, hash"
    cursor.execute(
        f"INSERT INTO control_auditentry (number, {columns}) SELECT %s, {columns}"  # noqa: S608 - no foreign text
        " FROM control_auditentry WHERE number = %s",
        [to, source],
    )


def _append(cursor, at: int) -> int:
    _copy(cursor, at, ROWS + 1)
    return ROWS + 1


def _rewrite_with_its_hash(cursor, at: int) -> int:
    """Whoever also recomputes the row's own hash breaks the link of the next one."""
    row = AuditEntry.objects.get(number=at)
    entry = audit.Recorded(**{name: getattr(row, name) for name in audit.Recorded._fields})
    fixed = audit.link(at, entry._replace(reason="because"), row.previous_hash)
    cursor.execute("UPDATE control_auditentry SET reason = 'because', hash = %s WHERE number = %s", [fixed, at])
    return at + 1


TAMPERINGS = [
    _change, _change_a_number, _change_the_time, _remove, _cut_the_tail, _swap, _insert, _append,
    _rewrite_with_its_hash,
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__.strip("_"))
@pytest.mark.parametrize("at", [1, 6, ROWS - 1])
def test_tampering_is_found_and_the_first_bad_row_named(tamper: Callable, at: int):
    write()
    with as_owner() as cursor:
        first = tamper(cursor, at)
    assert audit.verify().first.number == first


ALTERED = (
    "at = at + interval '1 us'", "actor_name = actor_name || 'x'", "action = 'thing.keep'", "object_type = 'nothing'",
    "object_id = object_id || '0'", "line_id = line_id + 1", "old = '{}'", "new = NULL",
    "reason = translate(reason, 'd', 'b')", "hash = reverse(hash)", "previous_hash = reverse(previous_hash)",
)  # fmt: skip


def alter(cursor, at: int, what: str) -> int:
    cursor.execute(f"UPDATE control_auditentry SET {what} WHERE number = %s", [at])  # noqa: S608 - one of ours
    return at


@pytest.mark.django_db
@pytest.mark.parametrize("course", [(6, 5), trial((200, SEED), "trial-200")], ids=str)
def test_of_many_tamperings_drawn_by_chance_each_is_refused_or_found_and_nothing_else_is(course):
    """The application may add a row and no more; the owner of the table lifts the guard, and is found out."""
    times, seed = course
    chance = Random(seed)
    ways = [*TAMPERINGS, *(partial(alter, what=what) for what in ALTERED)]
    write()
    for _ in range(times):
        tamper, at = chance.choice(ways), chance.randrange(1, ROWS)
        if tamper is not _append:
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
                tamper(cursor, at)
        with transaction.atomic():
            with as_owner() as cursor:
                first = tamper(cursor, at)
            assert audit.verify().first.number == first, (tamper, at)
            transaction.set_rollback(True)
        assert audit.verify().ok


@pytest.mark.django_db
@pytest.mark.trial
@pytest.mark.timeout(LONG_S)
def test_a_million_rows_are_verified_in_twenty_seconds():
    told = (NOW, None, "tester", "thing.move", "thing", "1", 7, {"to": 60.0}, {"to": 60.3}, "drift")
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute(*audit.appending(5000 * [audit.Recorded(*told)], commit=False))
    began = time.monotonic()
    assert audit.verify().rows == 1_000_000
    took = time.monotonic() - began
    assert took < 20.0, f"{took:.1f} s"


@pytest.mark.django_db
def test_a_chain_rewritten_whole_is_found_by_a_root_kept_elsewhere():
    write(3)
    kept = audit.verify()
    with as_owner() as cursor:
        cursor.execute("DELETE FROM control_auditentry")
        cursor.execute("UPDATE control_audithead SET number = 0, hash = repeat('0', 64)")
    write(3, reason="another story")
    assert audit.verify().ok
    assert not audit.verify({kept.number: {kept.hash}}).ok


@pytest.mark.django_db
def test_an_earlier_root_is_still_on_a_chain_that_grew():
    write(3)
    kept = audit.verify()
    write(3)
    assert audit.verify({kept.number: {kept.hash}}).ok


def verify_audit(*words: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("verify_audit", *words, stdout=out)
    except SystemExit as exit_:
        return exit_.code, out.getvalue()
    return 0, out.getvalue()


@pytest.mark.django_db
def test_the_command_says_what_it_found_and_exits_so():
    write()
    head = AuditHead.objects.get().hash
    assert verify_audit() == (0, f"{ROWS} rows, whole; 0 signed roots on it; root {ROWS}:{head}\n")
    with as_owner() as cursor:
        _change(cursor, 5)
    code, text = verify_audit("--json")
    assert code == 1
    assert json.loads(text)["first_bad"] == {"number": 5, "what": "its content is not what was hashed"}


@pytest.mark.django_db(transaction=True)
def test_rows_are_chained_and_committed_by_the_last_message_of_a_transaction():
    with CaptureQueriesContext(connection) as asked, audit.atomic():
        for number in range(3):
            audit.record(actor="tester", action="thing.move", obj=("thing", number), now=NOW)
    [sent] = [query["sql"] for query in asked if query["sql"] not in ("BEGIN", "COMMIT")]  # as Django thinks of them
    assert sent.rstrip().endswith("; COMMIT")
    assert AuditEntry.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_what_is_done_after_the_database_was_away_is_recorded_again(monkeypatch):
    connection.close()
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, "NAME", "no_such_database")
        with pytest.raises(DatabaseError), audit.atomic():
            pass
    write(2)
    assert AuditEntry.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_what_surrounds_a_transaction_is_not_committed_with_it():
    def outer() -> None:
        with transaction.atomic():
            write(2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        outer()
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_to_follow_the_commit_does_follow_it():
    done = []
    with audit.atomic():
        audit.record(actor="tester", action="thing.move", obj=("thing", 1), now=NOW)
        transaction.on_commit(lambda: done.append(AuditEntry.objects.count()))
    assert done == [1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("writers", "each"), [(8, 25), pytest.param(16, 500, marks=pytest.mark.trial)])
def test_many_writers_at_once_make_one_chain(writers, each):
    def write_some(writer: int) -> None:
        try:
            for number in range(each):
                with audit.atomic():
                    told = {"actor": f"writer {writer}", "now": NOW + timedelta(seconds=number)}
                    audit.record(action="thing.move", obj=("thing", number), **told)
                    audit.record(action="thing.look", obj=("thing", number), **told)
        finally:
            connection.close()

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write_some, range(writers)))
    report = audit.verify()
    assert (report.ok, report.rows) == (True, writers * each * 2)
