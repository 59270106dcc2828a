"""What an engineer types to bring a new line in."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from control.actions import audit
from control.actions.authority import roles
from control.demo import people
from control.models import AuditEntry, Grant, Line, Loop, Source, Tag
from tests import factories

PLANTS = Path(__file__).parents[2] / "fixtures" / "plants"
pytestmark = pytest.mark.django_db


def test_a_plant_file_becomes_a_line_with_its_tags(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_plant", PLANTS / "cathode.toml")
    assert "cathode-1: " in capsys.readouterr().out
    assert Tag.objects.filter(equipment__line__key="cathode-1").count() > 35


def test_loading_the_same_file_again_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_plant", PLANTS / "cathode.toml")
    capsys.readouterr()
    call_command("load_plant", PLANTS / "cathode.toml")
    assert capsys.readouterr().out == "cathode-1: 0 added, 0 changed\n"


def test_a_file_with_mistakes_is_refused_whole_and_every_mistake_is_said(tmp_path: Path) -> None:
    text = (PLANTS / "cathode.toml").read_text()
    broken = tmp_path / "broken.toml"
    broken.write_text(text.replace('kind = "coater"', 'kind = "kiln"').replace("cycle_s = 1.0", "cycle_s = -1", 1))
    with pytest.raises(CommandError, match=r"(?s)kind.*cycle_s"):
        call_command("load_plant", broken)
    assert not Line.objects.exists()


def test_a_token_is_printed_once_and_kept_only_as_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("load_plant", PLANTS / "cathode.toml")
    capsys.readouterr()
    call_command("ingest_token", "cathode-1")
    token = capsys.readouterr().out.strip()
    assert Source.objects.get().token_sha256 == hashlib.sha256(token.encode()).hexdigest()
    entry = AuditEntry.objects.get(action="source.token")
    assert token not in str(entry.new)


def test_a_token_for_an_unknown_line_names_the_known_ones() -> None:
    call_command("load_plant", PLANTS / "cathode.toml")
    with pytest.raises(CommandError, match="known lines: cathode-1"):
        call_command("ingest_token", "nowhere")


def test_a_loop_is_raised_in_the_name_of_somebody_who_may(capsys: pytest.CaptureFixture[str]) -> None:
    plant = factories.plant()
    Loop.objects.update(actual_mode="shadow", requested_mode="shadow")
    asked = (f"{plant.line.key}/coater/loading-top", "supervised")
    call_command("loop_mode", *asked, "--by", plant.person("supervisor").username, "--reason", "Two good weeks.")
    assert Loop.objects.get().actual_mode == "supervised"
    with pytest.raises(CommandError):
        call_command("loop_mode", *asked, "--by", plant.person("operator").username, "--reason", "I would like it.")
    assert AuditEntry.objects.filter(action="loop.mode.refused").exists()


COMMANDS = {
    "plant.store": ("load_plant", str(PLANTS / "cathode.toml")),
    "estimator.train": ("train", "cathode-1", "--hours", "2"),
    "source.token": ("ingest_token", "cathode-1-gateway"),
}


@pytest.mark.parametrize("action", COMMANDS)
def test_once_people_have_roles_on_a_line_a_command_acts_for_one_who_may(action: str) -> None:
    plant = factories.plant()
    before = AuditEntry.objects.count()
    with pytest.raises(CommandError, match="--by"):
        call_command(*COMMANDS[action])
    assert AuditEntry.objects.count() == before
    with pytest.raises(CommandError, match="may not configure"):
        call_command(*COMMANDS[action], "--by", plant.person("operator").username)
    refused = AuditEntry.objects.get(number__gt=before)
    assert (refused.action, refused.actor) == (f"{action}.refused", plant.person("operator"))
    call_command(*COMMANDS[action], "--by", plant.person("engineer").username)
    assert AuditEntry.objects.filter(action=action, actor=plant.person("engineer")).exists()


def test_nobody_is_somebody_a_command_can_act_for() -> None:
    with pytest.raises(CommandError, match="no user 'nobody'"):
        call_command("load_plant", PLANTS / "cathode.toml", "--by", "nobody")


def test_training_says_what_it_could_not_train(capsys: pytest.CaptureFixture[str]) -> None:
    plant = factories.plant()
    call_command("train", plant.line.key, "--hours", "2", "--by", plant.person("engineer").username)
    said = capsys.readouterr().out
    assert "coater: 0 models, limits of 0 streams" in said
    assert "loading/1-top: " in said


def test_training_wants_a_sensible_span() -> None:
    with pytest.raises(CommandError, match="hours"):
        call_command("train", "cathode-1", "--hours", "nan")


def test_in_a_demo_a_line_that_is_brought_in_is_shown_to_its_accounts_and_nobody_has_to_say_who_he_is(
    settings: Any,
) -> None:
    settings.APC_DEMO = True
    site = factories.make_area().site
    with audit.atomic():
        demo = people.make(site, "a-demo-password", now=timezone.now())
    for _ in range(2):
        call_command("load_plant", PLANTS / "continuous_line.toml")
    line = Line.objects.get(key="continuous-line")
    seen = {user.username: roles(user, line, timezone.now()) for user in demo}
    assert seen == {name: {name} for name in people.ROLES}
    assert Grant.objects.count() == 2 * len(demo)


def test_outside_a_demo_nobody_is_given_a_role_by_loading_a_line() -> None:
    factories.plant()
    before = Grant.objects.count()
    call_command("load_plant", PLANTS / "continuous_line.toml")
    assert Grant.objects.count() == before
