"""What `seed_demo` leaves behind: one short past shift is made, and every test here looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from django.db.models import Count, Q
from django.test.utils import override_settings
from django.utils import timezone

from control.actions import audit
from control.actions.authority import roles
from control.connectors.memory import RetentiveMemory
from control.core.lifecycle import OPEN, State
from control.core.twin.line import Line as Twin
from control.core.twin.scenario import Scenario
from control.core.types import MeasuredBy
from control.models import (
    AuditEntry,
    Change,
    Estimator,
    Lease,
    Limits,
    Line,
    Measurement,
    Point,
    Signal,
    Snapshot,
    Stream,
    VersionState,
)
from tests.core.twins import parameters

PASSWORD = "a-demo-password-of-its-own"
ROLES = ("operator", "supervisor", "engineer", "admin", "viewer")
pytestmark = [pytest.mark.django_db]
COUNTED = (AuditEntry, Change, Estimator, Limits, Measurement, Point, Signal, Snapshot, User)


def run(folder: Path) -> str:
    said = StringIO()
    with override_settings(APC_DEMO=True, APC_DEMO_PASSWORD=PASSWORD, APC_VAR_DIR=folder):
        call_command("seed_demo", hours=0.3, stdout=said)
    return said.getvalue()


def restored(folder: Path, line: Line) -> Twin:
    """The twin as `manage.py twin` would start it."""
    twin = Twin(parameters(line.key), Scenario(), seed=1)
    assert RetentiveMemory(folder / "twin", line.key).restore(twin)
    return twin


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module", autouse=True)
def said(folder: Path, django_db_setup: None, django_db_blocker) -> Iterator[str]:
    """What the command said. After the last test here the database is as it was."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield run(folder)
        transaction.set_rollback(True)


def test_it_says_how_far_it_is_and_what_it_has_made(said):
    assert "% of 18 min" in said
    assert "2 lines, a past shift from" in said


def test_every_lane_has_been_measured_and_predicted():
    predicted, measured = (Count("seq", filter=Q(by=by)) for by in (MeasuredBy.PREDICTION, MeasuredBy.GAUGE))
    found = Point.objects.filter(n__isnull=True).order_by().values("stream")
    counted = found.annotate(predicted=predicted, measured=measured)
    assert {row["stream"] for row in counted} == measured_streams()
    assert min(row["predicted"] for row in counted) > 300
    assert min(row["measured"] for row in counted) > 100


def test_the_flaws_of_each_lane_of_one_press_have_been_counted_with_the_area_they_were_counted_on():
    counted = Point.objects.filter(n__isnull=False)
    assert set(counted.values_list("stream", flat=True)) == set(
        Stream.objects.filter(characteristic__counted="defects").values_list("pk", flat=True)
    )
    assert all((value * n) == pytest.approx(round(value * n)) for value, n in counted.values_list("value", "n"))


def measured_streams() -> set[int]:
    return set(Stream.objects.filter(characteristic__counted="").values_list("pk", flat=True))


def test_nothing_was_predicted_before_there_was_an_estimator_to_predict_with():
    first = Point.objects.filter(by=MeasuredBy.PREDICTION).earliest("at")
    assert first.at >= Estimator.objects.latest("effective_from").effective_from


def test_every_lane_has_an_estimator_and_limits_in_force():
    for versions in (Estimator, Limits):
        active = versions.objects.filter(state=VersionState.ACTIVE)
        assert set(active.values_list("stream", flat=True)) == measured_streams()


def test_a_change_was_decided_by_one_of_the_demos_people_and_written_to_the_twin():
    decided = Change.objects.filter(decided_by__isnull=False)
    assert decided.exists()
    assert set(decided.values_list("decided_by__username", flat=True)) <= {"operator", "supervisor"}
    assert Change.objects.filter(applied_at__isnull=False, moves__read_back__isnull=False).exists()
    assert not Change.objects.filter(state=State.UNCONFIRMED).exists()


def test_everything_happened_at_the_time_of_the_shift_and_none_of_it_in_the_future():
    now, first = timezone.now(), Snapshot.objects.earliest("at").at
    newest = Snapshot.objects.latest("at").at
    assert (now - newest).total_seconds() < 60
    assert AuditEntry.objects.latest("at").at <= newest
    for change in Change.objects.all():
        times = (first, change.proposed_at, change.decided_at, change.taken_at, change.applied_at, newest)
        known = [at for at in times if at is not None]
        assert known == sorted(known)


def test_the_audit_is_whole():
    assert audit.verify().ok


def test_each_account_signs_in_and_has_its_role_on_every_line():
    for name in ROLES:
        user = authenticate(username=name, password=PASSWORD)
        assert user is not None
        assert all(roles(user, line, timezone.now()) == {name} for line in Line.objects.all())


def test_the_admin_reads_the_audit_and_keeps_roles_and_the_operator_has_no_way_in():
    admin, operator = User.objects.get(username="admin"), User.objects.get(username="operator")
    assert admin.is_staff
    assert not admin.is_superuser
    assert admin.has_perms(["control.view_auditentry", "control.add_grant", "auth.change_user"])
    assert not admin.has_perm("control.change_change")
    assert not operator.is_staff


def test_the_live_twin_goes_on_where_the_shift_ended(folder):
    for line in Line.objects.all():
        ended_at = Snapshot.objects.filter(equipment__line=line).latest("at").at
        for scan in restored(folder, line).step(1.0, ended_at.timestamp() + 1):
            last = Snapshot.objects.get(equipment__line=line, equipment__key=scan.equipment, at=ended_at)
            assert scan.sequence == last.sequence + 1
            assert (scan.roll, scan.web_m) == (last.roll, pytest.approx(last.web_m + 1.0, abs=0.1))


def test_the_twin_holds_what_was_written_to_it_and_obeys_the_next_dispatcher(folder):
    for line in Line.objects.all():
        twin = restored(folder, line)
        lease = Lease.objects.get(line=line)
        assert lease.expires_at is None
        assert twin.ledger.fence <= lease.fence
        last = Change.objects.filter(line=line, applied_at__isnull=False).exclude(state__in=OPEN).order_by("applied_at")
        for change in last.reverse()[:1]:
            tags = {row.tag.key: row.to_value for row in change.moves.select_related("tag")}
            held = twin.read_back(change.loop.equipment.key, tags, 0.0)
            assert {tag: reading.value for tag, reading in held.items()} == pytest.approx(tags)


def test_a_second_run_says_that_it_changes_nothing_and_changes_nothing(folder):
    files = {path: path.read_bytes() for path in (folder / "twin").iterdir()}
    before = [model.objects.count() for model in COUNTED]
    assert "nothing was changed" in run(folder)
    assert [model.objects.count() for model in COUNTED] == before
    assert {path: path.read_bytes() for path in (folder / "twin").iterdir()} == files
