"""The audit on its page, as files and over the API: who sees which rows, and the chain goes along."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from control.actions import audit, process_events
from control.core.process_events import Event, Kind
from control.models import AuditEntry, Change
from tests import factories
from tests.factories import NOW, Plant

SignIn = Callable[[str], Client]
HOUR = timedelta(hours=1)


@pytest.fixture
def recorded(plant: Plant) -> Plant:
    """A row of the line, one of its loop an hour later, one of another line, and one of no line."""
    other = factories.plant("anode-9", area=plant.area)
    told = [
        ("line.hold", plant.line, NOW, plant.line),
        ("loop.tune", plant.loop, NOW + HOUR, plant.line),
        ("line.hold", other.line, NOW, other.line),
        ("user.add", plant.person("viewer"), NOW, None),
    ]
    for action, obj, at, line in told:
        with audit.atomic():
            audit.record(
                actor=plant.person("engineer"), action=action, obj=obj, now=at, line=line,
                old={"b": 1.50, "a": "=1+1"}, new={"무게": 60.3}, reason="=HYPERLINK(1)",
            )  # fmt: skip
    return plant


def page(client: Client, **asked: str) -> list[int]:
    return sorted(row.number for row in client.get("/audit/", asked).context["rows"])


def api(client: Client, **asked: str) -> list[int]:
    return sorted(row["number"] for row in client.get("/api/v1/audit", asked).json())


def lines(client: Client, **asked: str) -> list[int]:
    text = b"".join(client.get("/audit.jsonl", asked).streaming_content).decode()
    return [json.loads(line)["number"] for line in text.splitlines()]


def table(client: Client, **asked: str) -> list[int]:
    text = b"".join(client.get("/audit.csv", asked).streaming_content).decode()
    return [int(row["number"]) for row in csv.DictReader(io.StringIO(text))]


WAYS = pytest.mark.parametrize("way", [page, api, lines, table], ids=lambda way: way.__name__)


@WAYS
@pytest.mark.parametrize(
    ("name", "sees"), [("supervisor", [1, 2]), ("engineer", [1, 2]), ("auditor", [1, 2]), ("admin", [1, 2])]
)
def test_rows_of_one_line_are_for_its_auditors(
    recorded: Plant, signed_in: SignIn, way: Callable[..., list[int]], name: str, sees: list[int]
) -> None:
    assert way(signed_in(name)) == sees


@WAYS
@pytest.mark.parametrize(
    ("role", "sees"),
    [("supervisor", [1, 2, 3]), ("engineer", [1, 2, 3]), ("admin", [1, 2, 3, 4]), ("auditor", [1, 2, 3, 4])],
)
def test_who_keeps_or_audits_a_whole_site_sees_what_concerns_no_single_line(
    recorded: Plant, signed_in: SignIn, way: Callable[..., list[int]], role: str, sees: list[int]
) -> None:
    factories.grant(recorded.person("outsider"), role, site=recorded.site)
    assert way(signed_in("outsider")) == sees
    assert way(signed_in("outsider"), line="anode-9") == [3]


@WAYS
@pytest.mark.parametrize(
    ("asked", "sees"),
    [
        ({"action": "loop.tune"}, [2]),
        ({"object": "loop"}, [2]),
        ({"object": "line:{line}"}, [1]),
        ({"object": "line:{line}x"}, []),
        ({"line": "cathode-1"}, [1, 2]),
        ({"line": "anode-9"}, []),
        ({"person": "engineer@cathode-1"}, [1, 2]),
        ({"person": "engineer"}, []),
        ({"find": "tune"}, [2]),
        ({"from": "2026-11-21T13:00:00Z"}, [2]),
        ({"to": "2026-11-21T13:00:00Z"}, [1]),
    ],
    ids=str,
)
def test_rows_are_found_by_action_object_line_person_time_and_text(
    recorded: Plant, signed_in: SignIn, way: Callable[..., list[int]], asked: dict[str, str], sees: list[int]
) -> None:
    told = {name: value.replace("{line}", str(recorded.line.pk)) for name, value in asked.items()}
    assert way(signed_in("auditor"), **told) == sees


def test_a_row_of_the_json_lines_can_be_hashed_by_whoever_has_the_file(recorded: Plant, signed_in: SignIn) -> None:
    factories.grant(recorded.person("outsider"), "auditor", site=recorded.site)
    text = b"".join(signed_in("outsider").get("/audit.jsonl").streaming_content).decode()
    previous = audit.START
    for row in map(json.loads, text.splitlines()):
        assert row["previous_hash"] == previous
        fields = {name: row[name] for name in audit.Recorded._fields}
        previous = audit.link(row["number"], audit.Recorded(**fields | {"at": _instant(row["at"])}), previous)
        assert row["hash"] == previous
    assert previous == AuditEntry.objects.get(number=4).hash


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_table_has_every_column_that_was_hashed_and_no_cell_that_runs(recorded: Plant, signed_in: SignIn) -> None:
    text = b"".join(signed_in("auditor").get("/audit.csv").streaming_content).decode()
    row = next(csv.DictReader(io.StringIO(text)))
    assert {*audit.Recorded._fields, "number", "previous_hash", "hash"} == set(row)
    assert row["reason"] == "'=HYPERLINK(1)"
    assert row["old"] == '{"a":"=1+1","b":1.5}'
    assert row["at"] == "2026-11-21T12:00:00.000000+00:00"


def test_the_page_names_things_and_rounds_numbers_which_the_files_keep_whole(plant: Plant, signed_in: SignIn) -> None:
    tag, value = plant.tags["pump_top"], 69.77073855145628
    told = {"moves": [{"tag": tag.pk, "to": value}], "state": "approved"}
    with audit.atomic():
        audit.record(
            actor="pipeline", action="change.approve", obj=plant.loop, now=NOW, line=plant.line.pk,
            old={"state": "proposed", "version": 3}, new=told | {"version": 3},
        )  # fmt: skip
    client = signed_in("auditor")
    page = client.get("/audit/").content.decode()
    assert "Tag: Pump top" in page
    assert "to: 69.771," in page
    assert "State: proposed → approved" in page
    assert "Version: 3<" in page
    assert f"Loop {plant.loop}</a>" in page
    assert str(value) in b"".join(client.get("/audit.csv").streaming_content).decode()


def test_an_event_of_the_process_is_told_in_the_audit_as_on_its_page(plant: Plant, signed_in: SignIn) -> None:
    seen = [(Event(Kind.BATCH_CHANGE, NOW.timestamp()), "solids 6 → 7")]
    process_events.seen(plant.coater.pk, plant.line.pk, seen, actor="pipeline", now=NOW, taken_at=NOW)
    page = signed_in("auditor").get("/audit/").content.decode()
    assert "Process event " in page
    assert "Machine: Coater" in page
    assert "Solids 6 → 7" in page


def test_the_end_of_the_chain_is_given_signed_to_those_who_may_audit(recorded: Plant, signed_in: SignIn) -> None:
    root = signed_in("auditor").get("/api/v1/audit/root").json()
    assert (root["number"], root["hash"]) == (4, AuditEntry.objects.get(number=4).hash)
    assert len(root["hmac"]) == 64
    assert signed_in("operator").get("/api/v1/audit/root").status_code == 403


def test_pages_lead_to_the_history_of_what_they_show(plant: Plant, change: Change, signed_in: SignIn) -> None:
    stream = plant.streams["loading/1-top"]
    for url, of in {
        f"/changes/{change.pk}/": f"change:{change.pk}",
        f"/loops/{plant.loop.pk}/": f"loop:{plant.loop.pk}",
        f"/streams/{stream.pk}/limits/": f"stream:{stream.pk}",
        f"/models/{plant.coater.pk}/": f"equipment:{plant.coater.pk}",
    }.items():
        link = f'href="/audit/?object={of.replace(":", "%3A")}"'
        assert link in signed_in("engineer").get(url).content.decode(), url
        if url.startswith(("/changes", "/loops")):
            assert link not in signed_in("operator").get(url).content.decode(), url


admin.autodiscover()  # as the addresses do


@pytest.mark.parametrize("model", sorted(admin.site._registry, key=lambda model: model._meta.label))
def test_every_object_of_the_administration_leads_to_its_history(plant: Plant, model: type) -> None:
    client = Client()
    client.force_login(plant.person("root"))
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    answer = client.get(reverse(f"admin:{name}_history", args=["7"]), follow=True)
    assert answer.status_code == 200
    [(url, _status)] = answer.redirect_chain
    assert url.endswith(f"/auditentry/?object_type__exact={model._meta.model_name}&object_id__exact=7")


def test_the_record_is_filtered_in_the_administration_by_line_person_and_time(recorded: Plant) -> None:
    client, listing = Client(), reverse("admin:control_auditentry_changelist")
    client.force_login(recorded.person("root"))

    def found(**asked: object) -> list[int]:
        return sorted(client.get(listing, asked).context["cl"].queryset.values_list("number", flat=True))

    assert found(line=recorded.line.pk) == [1, 2]
    assert found(person=recorded.person("engineer").pk) == [1, 2, 3, 4]
    assert found(person=recorded.person("viewer").pk) == []
    assert found(at__gte="2026-11-21 12:30:00+00:00") == [2]
    assert found(q="loop.tune") == [2]
    assert found(line="x") == [1, 2, 3, 4]
