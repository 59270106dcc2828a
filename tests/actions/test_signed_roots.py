"""Ends of the chain that were signed outside the database: what its owner does to the whole of it is found, too."""

import json
import os
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from control.actions import audit, roots
from control.models import AuditEntry, AuditHead
from tests.factories import NOW

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def folder(tmp_path, settings):
    settings.APC_AUDIT_DIR = tmp_path / "audit"
    return settings.APC_AUDIT_DIR


def write(rows: int, reason: str = "drift") -> None:
    for number in range(rows):
        with audit.atomic():
            audit.record(actor="tester", action="thing.move", obj=("thing", number), now=NOW, reason=reason)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what a commit would do


@contextmanager
def as_owner():
    """What the owner of the tables can always do: lift the guard, and write a chain that fits."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE control_auditentry DISABLE TRIGGER USER")
        yield cursor
        cursor.execute("ALTER TABLE control_auditentry ENABLE ALWAYS TRIGGER audit_append_only")
        cursor.execute("ALTER TABLE control_auditentry ENABLE ALWAYS TRIGGER audit_no_truncate")


def cut(after: int) -> None:
    """The chain ends after that row, as if no other had ever been; also what an old dump looks like."""
    with as_owner() as cursor:
        end = AuditEntry.objects.get(number=after).hash if after else audit.START
        cursor.execute("DELETE FROM control_auditentry WHERE number > %s", [after])
        cursor.execute("UPDATE control_audithead SET number = %s, hash = %s", [after, end])


def verify() -> dict:
    """What the command says; it fails exactly when something is not as it was."""
    out, code = StringIO(), 0
    try:
        call_command("verify_audit", "--json", stdout=out)
    except SystemExit as exit_:
        code = exit_.code
    said = json.loads(out.getvalue())
    assert said["ok"] == (code == 0)
    return said


@pytest.mark.django_db
def test_a_chain_with_all_its_roots_is_whole():
    for minute in range(3):
        write(4)
        roots.checkpoint(NOW + minute * MINUTE)
    write(1)
    said = verify()
    assert (said["ok"], said["rows"], said["signed_roots"]) == (True, 13, 3)


@pytest.mark.django_db
def test_a_chain_that_did_not_move_is_signed_once_a_day(folder):
    assert roots.checkpoint(NOW) is None
    write(1)
    told = [roots.checkpoint(NOW + ago) for ago in (timedelta(), MINUTE, timedelta(hours=12), timedelta(days=40))]
    assert [root is not None for root in told] == [True, False, True, True]
    assert sorted(path.name for path in folder.iterdir()) == ["roots-2026-11.jsonl", "roots-2026-12.jsonl"]


@pytest.mark.django_db
def test_a_tail_cut_off_is_found():
    write(6)
    roots.checkpoint(NOW)
    cut(4)
    assert audit.verify().ok
    assert verify()["first_bad"] == {"number": 5, "what": "missing: the chain was signed up to row 6"}


@pytest.mark.django_db
def test_a_chain_that_is_gone_is_found():
    write(2)
    roots.checkpoint(NOW)
    cut(0)
    assert verify()["first_bad"]["number"] == 1


@pytest.mark.django_db
def test_a_chain_rewritten_so_that_it_fits_is_found_between_two_roots():
    write(3)
    roots.checkpoint(NOW)
    write(3)
    roots.checkpoint(NOW + MINUTE)
    cut(4)
    write(8, reason="another story")
    assert audit.verify().ok
    said = verify()["first_bad"]
    assert said == {"number": 6, "what": "another chain than the one signed: it parted after row 3"}


@pytest.mark.django_db
def test_an_old_dump_that_went_on_is_found():
    write(5)
    roots.checkpoint(NOW)
    cut(2)
    write(9)
    assert verify()["first_bad"]["number"] == 5


@pytest.mark.django_db
def test_the_next_checkpoint_says_that_what_was_signed_is_gone(caplog):
    write(5)
    roots.checkpoint(NOW)
    cut(2)
    write(9, reason="another story")
    roots.checkpoint(NOW + MINUTE)
    assert "row 5 is not as it was signed" in caplog.text
    assert verify()["first_bad"]["number"] == 5


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["number", "hash", "at", "hmac"])
def test_a_root_that_nobody_with_the_key_wrote_is_said(folder, field):
    write(2)
    roots.checkpoint(NOW)
    [path] = folder.iterdir()
    told = json.loads(path.read_text())
    told[field] = {"number": 1, "hash": audit.START, "at": (NOW + MINUTE).isoformat(), "hmac": audit.START}[field]
    path.write_text(json.dumps(told) + "\n")
    assert verify()["bad_roots"] == ["roots-2026-11.jsonl, line 1: not signed with this key"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        '{"number": 1}',
        '{"number": null, "hash": 1, "at": 2}',
        "\x00",
        '{"number": 1e999}',
        "[" * 100_000,
    ],
    ids=lambda line: line[:20],
)
def test_a_line_that_is_no_root_is_said_and_the_others_count(folder, line):
    write(2)
    roots.checkpoint(NOW)
    [path] = folder.iterdir()
    path.write_text(f"{line}\n{path.read_text()}")
    said = verify()
    assert said["bad_roots"] == ["roots-2026-11.jsonl, line 1: not signed with this key"]
    assert (said["signed_roots"], said["first_bad"]) == (1, None)


@pytest.mark.django_db
def test_a_root_after_a_line_that_was_cut_short_is_a_line_of_its_own(folder):
    write(2)
    roots.checkpoint(NOW)
    [path] = folder.iterdir()
    path.write_text(path.read_text() + '{"number": 3, "ha')
    write(1)
    roots.checkpoint(NOW + MINUTE)
    said = verify()
    assert said["bad_roots"] == ["roots-2026-11.jsonl, line 2: not signed with this key"]
    assert said["signed_roots"] == 2


@pytest.mark.django_db
def test_a_root_is_on_the_disk_before_it_counts_and_only_its_owner_reads_it(folder, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(os.fstat(handle).st_ino), real(handle)))
    write(1)
    roots.checkpoint(NOW)
    [path] = folder.iterdir()
    assert path.stat().st_ino in synced
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db
def test_a_root_names_the_head():
    write(3)
    head = AuditHead.objects.get()
    root = roots.checkpoint(NOW)
    assert (root.number, root.hash) == (head.number, head.hash)
