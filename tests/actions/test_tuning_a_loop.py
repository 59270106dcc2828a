"""An engineer tunes a loop as a plant file would, somebody else puts it in force; everything else stays as it was."""

from __future__ import annotations

from typing import Any

import pytest

from control.actions import machines, plant, tuning, versions
from control.actions.errors import Conflict, Invalid, NoPermission
from control.models import AuditEntry, Grant, Loop, Version
from control.plantfile import parse
from tests.core.twins import table
from tests.factories import NOW, Plant, hand
from tests.factories import plant as make_plant

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Plant:
    return make_plant()


def drafted(line: Plant, who: str = "engineer", reason: str = "Quieter nights", **changes: Any) -> Version:
    settings = {key: value for key, value in line.loop.settings.items() if key != "filed"}
    return tuning.draft(line.loop, settings | changes, actor=line.person(who), now=NOW, reason=reason)


def tune(line: Plant, **changes: Any) -> None:
    reviewed(drafted(line, **changes), line)
    line.loop.refresh_from_db()


def reviewed(version: Version, line: Plant) -> None:
    versions.submit(version.pk, actor=line.person("engineer"), now=NOW)
    told = {"seen": version.sha256, "by": hand(line.person("supervisor")), "now": NOW}
    versions.approve(version.pk, then="now", **told)


def test_a_tuned_loop_is_a_draft_until_somebody_else_has_reviewed_it(line: Plant) -> None:
    version = drafted(line, deadband=0.09)
    assert machines.built(line.coater.pk).machine.loops[0].deadband == 0.06
    assert Loop.objects.get().settings_number == 1
    reviewed(version, line)
    assert machines.built(line.coater.pk).machine.loops[0].deadband == 0.09


def test_what_it_was_before_is_on_record_and_shown_also_once_it_is_in_force(line: Plant) -> None:
    version = drafted(line, deadband=0.09)
    reviewed(version, line)
    version = Version.objects.get(pk=version.pk)
    assert (version.base.number, version.base.source, version.base.content["deadband"]) == (1, "install", 0.06)
    assert [(row.path, row.old, row.new) for row in versions.difference(version)] == [("deadband", 0.06, 0.09)]


def test_a_review_shows_every_gain_that_differs(line: Plant) -> None:
    gains = [[0.4, *row[1:]] if place == 1 else row for place, row in enumerate(line.loop.settings["gains"])]
    rows = versions.difference(drafted(line, gains=gains, deadband=0.09))
    assert {row.path: (row.old, row.new) for row in rows} == {"gains.1.0": (0.33, 0.4), "deadband": (0.06, 0.09)}


def test_an_engineer_tunes_and_the_next_pass_knows(line: Plant) -> None:
    before = machines.built(line.coater.pk).machine.loops[0]
    tune(line, deadband=0.09, move_weight=0.5)
    after = machines.built(line.coater.pk).machine.loops[0]
    assert (before.deadband, after.deadband, after.move_weight) == (0.06, 0.09, 0.5)
    assert line.loop.settings_number == 2


def test_the_audit_has_what_was_and_what_is_and_why(line: Plant) -> None:
    tune(line, deadband=0.09)
    row = AuditEntry.objects.get(action="loop.tune")
    assert (row.old["deadband"], row.new["deadband"], row.reason) == (0.06, 0.09, "Quieter nights")
    assert "gains" not in row.old
    assert row.actor == line.person("supervisor")
    assert Version.objects.latest("pk").author == line.person("engineer")


@pytest.mark.parametrize("who", ["viewer", "operator", "supervisor", "admin", "auditor", "outsider", "root"])
def test_nobody_else_tunes(line: Plant, who: str) -> None:
    with pytest.raises(NoPermission):
        drafted(line, who, deadband=0.09)
    assert not Version.objects.exists()


def test_tuning_needs_a_reason(line: Plant) -> None:
    with pytest.raises(Invalid):
        drafted(line, reason=" ", deadband=0.09)


def test_the_same_mistakes_are_refused_in_the_same_words_as_in_a_plant_file(line: Plant) -> None:
    with pytest.raises(Invalid) as refused:
        tune(line, deadband=-1.0, gains=[[1.0]], mvs=["solids"], estimator="magic", colour="blue")
    said = str(refused.value)
    for words in ("deadband: must be more than 0", "mvs[0]: solids needs machine_low", "colour: is not a known key"):
        assert words in said
    assert Loop.objects.get().settings_number == 1


@pytest.mark.parametrize("huge", [1e200, 1e307, -1e10])
def test_a_number_that_nothing_can_be_computed_with_is_refused_in_words(line: Plant, huge: float) -> None:
    gains = [[huge, *row[1:]] for row in line.loop.settings["gains"]]
    with pytest.raises(Invalid, match=r"gains\[0\]\[0\]: must be -?1e\+09 or (less|more)"):
        tune(line, gains=gains)
    with pytest.raises(Invalid, match=r"dead_time_m: must be"):
        tune(line, dead_time_m=huge)
    for name in ("approvals_per_shift", "noise", "decision_s"):
        with pytest.raises(Invalid, match=r"must be|more than 0|more often"):
            tune(line, **{"approvals_per_shift": 20.0, "noise": 0.03, "decision_s": 60.0, name: abs(huge)})
    assert Loop.objects.get().settings_number == 1


def test_the_largest_numbers_that_are_taken_stop_no_machine(line: Plant) -> None:
    gains = [[1e9] * len(row) for row in line.loop.settings["gains"]]
    tune(line, gains=gains, deadband=1e9, dead_time_m=1e9, cv_weights=[1e9] * len(gains), move_weight=1e9)
    config = machines.built(line.coater.pk).machine.loops[0]
    assert {type(gain) for row in config.gains for gain in row} == {float}
    assert config.gains[0][0] == 1e9


def test_whole_numbers_come_back_from_the_database_as_floats_however_large(line: Plant) -> None:
    gains = [[1e200] * len(row) for row in line.loop.settings["gains"]]
    Loop.objects.update(settings=line.loop.settings | {"gains": gains, "deadband": 1e160}, settings_number=2)
    config = machines.built(line.coater.pk).machine.loops[0]
    assert {type(gain) for row in config.gains for gain in row} == {float}
    assert type(config.deadband) is float


def test_of_two_engineers_the_second_is_told(line: Plant) -> None:
    seen_before = Loop.objects.get()
    tune(line, deadband=0.09)
    with pytest.raises(Conflict):
        tuning.draft(
            seen_before, dict(seen_before.settings) | {"deadband": 0.2},
            actor=line.person("engineer"), now=NOW, reason="Too late",
        )  # fmt: skip
    assert Loop.objects.get().settings["deadband"] == 0.09


def test_settings_that_are_the_same_are_no_draft(line: Plant) -> None:
    tune(line, deadband=0.09)
    with pytest.raises(Conflict) as refused:
        drafted(line, deadband=0.09)
    assert refused.value.code == "nothing_changed"
    assert AuditEntry.objects.filter(action="loop.tune").count() == 1


def test_approvals_per_shift_set_the_deadband(line: Plant) -> None:
    tune(line, approvals_per_shift=480 / 6.91, noise=0.03, decision_s=60.0)
    assert line.loop.settings["deadband"] == pytest.approx(0.06, rel=0.01)
    tune(line, approvals_per_shift=None, deadband=0.2)
    assert (line.loop.settings["deadband"], line.loop.settings["approvals_per_shift"]) == (0.2, None)


def test_a_loop_stored_before_a_setting_existed_gets_it_as_soon_as_the_file_says_it() -> None:
    document = table("plants/cathode.toml")
    told = {"actor": "test", "reason": "", "now": NOW}
    fed = document["equipment"][0]["loop"][0].pop("feed_forward")
    plant.store(parse(document), **told)
    loop = Loop.objects.get(key="loading-top")
    loop.settings = {key: value for key, value in loop.settings.items() if key not in ("feed_forward", "estimator")}
    loop.save()
    assert plant.store(parse(document), **told).changed == []
    document["equipment"][0]["loop"][0]["feed_forward"] = fed
    assert "loop loading-top" in plant.store(parse(document), **told).changed
    assert [one["tag"] for one in Loop.objects.get(key="loading-top").settings["feed_forward"]] == [
        one["tag"] for one in fed
    ]


@pytest.fixture
def told() -> dict[str, Any]:
    return {"actor": "test", "reason": "", "now": NOW}


def from_a_file(document: dict[str, Any], told: dict[str, Any]) -> tuple[Loop, Plant]:
    """The loop of a plant file, and people who work on its line."""
    stored = plant.store(parse(document), **told)
    line = make_plant("other", area=stored.line.area)
    for role in ("engineer", "supervisor"):
        Grant.objects.create(user=line.person(role), role=role, line=stored.line, valid_from=NOW)
    return Loop.objects.get(equipment__line=stored.line, key="loading-top"), line


def quieter(loop: Loop, line: Plant) -> Version:
    asked = {"actor": line.person("engineer"), "now": NOW, "reason": "Quieter nights"}
    return tuning.draft(loop, {**loop.settings, "deadband": 0.3}, **asked)


def test_a_draft_is_looked_at_again_once_the_plant_file_says_otherwise(told: dict[str, Any]) -> None:
    document = table("plants/cathode.toml")
    loop, line = from_a_file(document, told)
    version = quieter(loop, line)
    document["equipment"][0]["loop"][0]["dead_time_m"] = 61.0
    assert "loop loading-top" in plant.store(parse(document), **told).changed
    loop.refresh_from_db()
    assert loop.settings["dead_time_m"] == 61.0
    with pytest.raises(Conflict) as refused:
        reviewed(version, line)
    assert refused.value.code == "base_changed"


def test_a_plant_file_that_comes_to_say_what_is_in_force_is_no_draft(told: dict[str, Any]) -> None:
    document = table("plants/cathode.toml")
    loop, line = from_a_file(document, told)
    reviewed(quieter(loop, line), line)
    document["equipment"][0]["loop"][0]["deadband"] = 0.3
    assert "loop loading-top" in plant.store(parse(document), **told).changed
    loop.refresh_from_db()
    assert (loop.settings["deadband"], "filed" in loop.settings) == (0.3, False)
    assert not Version.objects.filter(state="in_review").exists()


def test_a_changed_plant_file_is_only_another_draft_of_a_loop_that_was_reviewed(told: dict[str, Any]) -> None:
    document = table("plants/cathode.toml")
    loop, line = from_a_file(document, told)
    reviewed(quieter(loop, line), line)
    assert plant.store(parse(document), **told).changed == []
    document["equipment"][0]["loop"][0]["dead_time_m"] = 61.0
    assert "loop loading-top" in plant.store(parse(document), **told).changed
    assert plant.store(parse(document), **told).changed == []
    loop.refresh_from_db()
    assert (loop.settings["deadband"], loop.settings["dead_time_m"]) == (0.3, 60.0)
    waiting = Version.objects.get(state="in_review")
    assert (waiting.source, waiting.author, waiting.content["dead_time_m"]) == ("file", None, 61.0)
    versions.approve(
        waiting.pk, seen=waiting.sha256, by=hand(line.person("supervisor")), now=NOW, then="now"
    )  # fmt: skip
    loop.refresh_from_db()
    assert (loop.settings["deadband"], loop.settings["dead_time_m"], "filed" in loop.settings) == (0.1, 61.0, False)
