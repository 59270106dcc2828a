"""A recipe is drafted by one, reviewed by another, and in force from a moment or from a roll on."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from control.actions import imports, machines, plant, versions
from control.actions.errors import Conflict, Invalid, NoPermission
from control.models import Grant, ProcessEvent, Recipe, Roll, Version
from control.plantfile import parse
from tests.core.twins import table
from tests.factories import NOW, Plant, hand
from tests.factories import plant as make_plant

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
PUMP, TARGET, UPPER = "set_points.coater.pump_top", "specs.coater.loading.target", "specs.coater.loading.upper"


@pytest.fixture
def line() -> Plant:
    return make_plant()


def drafted(line: Plant, content: dict[str, Any], who: str = "engineer", now=NOW) -> Version:
    asked = {"actor": line.person(who), "now": now, "reason": "Thicker foil"}
    return versions.draft("recipe", line.line, line.line.pk, content, **asked)


def reviewed(version: Version, line: Plant, then: Any = "now", now=LATER) -> Version:
    versions.submit(version.pk, actor=line.person("engineer"), now=now)
    by = hand(line.person("supervisor"), now)
    return versions.approve(version.pk, seen=version.sha256, by=by, now=now, then=then)


def faults(refused: Any) -> set[tuple[str, str]]:
    return {(fault["path"], fault["code"]) for fault in refused.value.difference["faults"]}


def test_a_reviewed_recipe_is_what_the_next_pass_aims_at(line: Plant) -> None:
    version = drafted(line, {TARGET: 20.2, PUMP: 51.0})
    assert machines.built(line.coater.pk).machine.streams[0].target == 20.0
    reviewed(version, line)
    built = machines.built(line.coater.pk).machine
    assert built.streams[0].target == 20.2
    assert built.loops[0].mvs[0].nominal == 51.0


def test_what_was_valid_before_stays_on_record(line: Plant) -> None:
    reviewed(drafted(line, {TARGET: 20.2}), line)
    before, since = Recipe.objects.order_by("pk")
    assert (before.state, before.effective_to, before.spec("coater", "loading")["target"]) == ("superseded", LATER, 20)
    assert (since.state, since.effective_from, since.number) == ("active", LATER, before.number + 1)
    assert since.content["set_points"] == before.content["set_points"]
    assert [versions.at("recipe", line.line.pk, when).content[TARGET] for when in (NOW, LATER)] == [20.0, 20.2]


def test_it_is_an_event_of_the_process(line: Plant) -> None:
    reviewed(drafted(line, {TARGET: 20.2}), line)
    event = ProcessEvent.objects.get()
    assert (event.kind, event.at, event.equipment) == ("product_change", LATER, line.coater)


def test_a_review_shows_what_is_otherwise_and_what_is_taken_away(line: Plant) -> None:
    version = drafted(line, {PUMP: 49.5, UPPER: None, "specs.coater.loading/1-top.target": 20.1})
    expected = {PUMP: (60.0, 49.5), UPPER: (20.6, None), "specs.coater.loading/1-top.target": (None, 20.1)}
    for now in (version, reviewed(version, line)):
        rows = versions.difference(now)
        assert {row.path: (row.old, row.new) for row in rows} == expected
        assert not any(row.faults for row in rows)
    assert Recipe.objects.get(state="active").stream_spec("coater", "loading/1-top")["target"] == 20.1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({PUMP: 101.0}, {(PUMP, "above")}),
        ({PUMP: 19.9}, {(PUMP, "below")}),
        ({PUMP: None}, {(PUMP, "needed")}),
        ({PUMP: "fast"}, {(PUMP, "not_a_number")}),
        ({PUMP: True}, {(PUMP, "not_a_number")}),
        ({TARGET: float("nan")}, {(TARGET, "not_a_number")}),
        ({TARGET: float("inf")}, {(TARGET, "above")}),
        ({TARGET: 10**400}, {(TARGET, "above")}),
        ({TARGET: None}, {(TARGET, "needed")}),
        ({TARGET: 20.6}, {(UPPER, "not_above")}),
        ({TARGET: 19.0}, {(TARGET, "not_above")}),
        ({"specs.coater.loading/1-top.lower": 19.0}, {("specs.coater.loading/1-top.target", "needed")}),
        ({"specs.coater.loading/9-top.lower": 19.0}, {("specs.coater.loading/9-top.lower", "unknown")}),
        ({"set_points.press.gap": 1.0}, {("set_points.press.gap", "unknown")}),
        ({"product": "gold"}, {("product", "unknown")}),
        ({"product": ["nmc"]}, {("product", "unknown")}),
        ({"": 1}, {("", "unknown")}),
        ({PUMP: 101.0, TARGET: 21.0, "x": 1}, {(PUMP, "above"), (UPPER, "not_above"), ("x", "unknown")}),
    ],
)
def test_everything_that_is_wrong_is_said(line: Plant, content: dict[str, Any], found: set[Any]) -> None:
    with pytest.raises(Invalid) as refused:
        drafted(line, content)
    assert faults(refused) == found
    assert not Version.objects.exists()


def test_a_loop_that_never_had_a_target_keeps_nobody_from_a_recipe(line: Plant) -> None:
    line.recipe.content |= {"specs": {"coater.loading": {"lower": 19.4, "target": None, "upper": 20.6}}}
    line.recipe.save()
    assert drafted(line, {PUMP: 51.0}).content[PUMP] == 51.0


def test_a_file_of_either_kind_gives_the_same_draft(line: Plant) -> None:
    asked = {"actor": line.person("engineer"), "now": NOW, "reason": "From the lab"}
    rows = f"path,value\n{PUMP},51\n{TARGET},20.2\n{UPPER},\n".encode()
    told = json.dumps({PUMP: 51, TARGET: 20.2, UPPER: None}).encode()
    one = imports.imported("recipe", line.line, line.line.pk, rows, "csv", **asked)
    other = imports.imported("recipe", line.line, line.line.pk, told, "json", **asked)
    assert one.sha256 == other.sha256
    assert (one.content[PUMP], UPPER in one.content) == (51.0, False)
    again = "\n".join(f"{path},{value}" for path, value in imports.exported(one.content)).encode()
    assert (
        imports.imported("recipe", line.line, line.line.pk, again + f"\n{UPPER},".encode(), "csv", **asked).sha256
        == one.sha256
    )


def test_a_file_with_many_mistakes_stores_nothing_and_names_them_all(line: Plant) -> None:
    rows = "\n".join([f"set_points.coater.no_{i},1" for i in range(40)] + [f"{PUMP},1000", f"{TARGET},x"]).encode()
    with pytest.raises(Invalid) as refused:
        imports.imported(
            "recipe", line.line, line.line.pk, rows, "csv", actor=line.person("engineer"), now=NOW, reason="x"
        )
    assert len(faults(refused)) == 42
    assert not Version.objects.exists()


def test_it_comes_into_force_with_the_next_roll_which_is_made_under_it(line: Plant) -> None:
    reviewed(drafted(line, {TARGET: 20.2}), line, then="lot")
    versions.activate_due(LATER + timedelta(minutes=5))
    assert Recipe.objects.get(state="active") == line.recipe
    began, seen = LATER + timedelta(minutes=6), LATER + timedelta(minutes=6, seconds=2)
    Roll.objects.create(equipment=line.coater, number=8, recipe=line.recipe, started_at=began)
    versions.activate_due(seen)
    recipe = Recipe.objects.get(state="active")
    assert (recipe.effective_from, recipe.spec("coater", "loading")["target"]) == (seen, 20.2)
    assert [roll.recipe for roll in Roll.objects.order_by("number")] == [line.recipe, recipe]


@pytest.mark.parametrize("who", ["viewer", "operator", "supervisor", "admin", "auditor", "outsider", "root"])
def test_nobody_else_drafts_one(line: Plant, who: str) -> None:
    with pytest.raises(NoPermission):
        drafted(line, {TARGET: 20.2}, who)


def test_nobody_reviews_his_own(line: Plant) -> None:
    version = drafted(line, {TARGET: 20.2})
    versions.submit(version.pk, actor=line.person("engineer"), now=NOW)
    with pytest.raises(NoPermission) as refused:
        versions.approve(version.pk, seen=version.sha256, by=hand(line.person("engineer")), now=NOW, then="now")
    assert refused.value.code == "own_version"
    assert Recipe.objects.get() == line.recipe


# --- and the plant file -----------------------------------------------------------------------------------------------
def loaded(document: dict[str, Any]) -> plant.Stored:
    return plant.store(parse(document), actor="test", reason="", now=NOW)


@pytest.fixture
def document() -> dict[str, Any]:
    return table("plants/cathode.toml")


@pytest.fixture
def filed(document: dict[str, Any]) -> Plant:
    """People who work on the line of the plant file."""
    stored = loaded(document)
    people = make_plant("other", area=stored.line.area)
    for role in ("engineer", "supervisor"):
        Grant.objects.create(user=people.person(role), role=role, line=stored.line, valid_from=NOW)
    return replace(people, line=stored.line)


def moved(document: dict[str, Any], by: float) -> dict[str, Any]:
    """The plant file with another set-point of its first tag that has one."""
    tag = next(tag for tag in document["equipment"][0]["tags"] if "set_point" in tag)
    tag["set_point"] += by
    return {PUMP.rpartition(".")[0] + f".{tag['key']}": tag["set_point"]}


def test_a_draft_is_looked_at_again_once_the_plant_file_says_otherwise(filed: Plant, document: dict[str, Any]) -> None:
    version = drafted(filed, moved(document, 0.5))
    moved(document, 0.25)
    assert any(row.startswith("recipe ") for row in loaded(document).changed)
    with pytest.raises(Conflict) as refused:
        reviewed(version, filed)
    assert refused.value.code == "base_changed"


def test_a_changed_plant_file_is_only_another_draft_once_one_was_reviewed(
    filed: Plant, document: dict[str, Any]
) -> None:
    reviewed(drafted(filed, moved(document, 0.5)), filed)
    assert loaded(document).changed == []  # it says by now what was reviewed
    asked = moved(document, 0.5)
    assert loaded(document).changed == ["recipe, as a draft"]
    assert loaded(document).changed == []
    waiting = Version.objects.get(state="in_review")
    assert (waiting.source, waiting.author) == ("file", None)
    assert [(row.path, row.new) for row in versions.difference(waiting)] == list(asked.items())
    by = hand(filed.person("supervisor"), LATER)
    versions.approve(waiting.pk, seen=waiting.sha256, by=by, now=LATER, then="now")
    assert loaded(document).changed == []
    assert filed.line.recipes.count() == 3
