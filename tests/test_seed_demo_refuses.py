"""When `seed_demo` makes nothing: outside the demo, beside running machines, over other data, or when it is killed."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from control.actions import estimators
from control.models import AuditEntry, Site, Snapshot
from tests import factories


@pytest.fixture
def demo(settings, tmp_path: Path) -> Path:
    settings.APC_DEMO, settings.APC_DEMO_PASSWORD, settings.APC_VAR_DIR = True, "a-demo-password", tmp_path
    return tmp_path


def seed(hours: float = 0.25) -> None:
    call_command("seed_demo", hours=hours, verbosity=0)


@pytest.mark.django_db
def test_outside_the_demo_no_account_with_a_known_password_is_made(demo, settings):
    settings.APC_DEMO = False
    with pytest.raises(CommandError, match="APC_DEMO=1"):
        seed()
    assert not User.objects.exists()


@pytest.mark.parametrize("hours", [0.0, 0.1, 25.0, float("nan")])
def test_a_shift_of_no_sensible_length_is_refused(demo, hours):
    with pytest.raises(CommandError, match="--hours"):
        seed(hours)


@pytest.mark.django_db
def test_while_the_demos_machines_run_their_memory_is_not_replaced(demo):
    (demo / "twin").mkdir()
    with (demo / "twin" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(CommandError, match="machines are running"):
            seed()
    assert not Site.objects.exists()


@pytest.mark.django_db
def test_lines_that_have_data_of_their_own_are_left_alone(demo):
    factories.snapshot(factories.plant("cathode-1"))
    with pytest.raises(CommandError, match="have data already"):
        seed()
    assert Snapshot.objects.count() == 1
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
def test_a_seeding_that_is_killed_leaves_nothing_behind(demo, monkeypatch):
    def killed(*args: object, **told: object) -> None:
        assert Snapshot.objects.exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(estimators, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        seed()
    assert not Site.objects.exists()
    assert not Snapshot.objects.exists()
    assert not User.objects.exists()
    assert not list((demo / "twin").glob("*.json*"))
