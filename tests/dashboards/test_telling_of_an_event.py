"""The line page has a form to tell of an event; the overview and the lane's chart show it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from control.models import ProcessEvent
from dashboards.frames import frame
from tests.factories import Plant

SignIn = Callable[[str], Client]


def tell(client: Client, plant: Plant, **form: Any) -> Any:
    told = {"kind": "filter_change", "side": "top", "minutes_ago": "3", "note": "new cartridge", "key": "k"} | form
    return client.post(f"/lines/{plant.line.key}/events/", told)


def test_an_operator_tells_of_an_event_and_sees_it(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("operator")
    assert "Record the event" in client.get(f"/lines/{plant.line.key}/").content.decode()
    assert tell(client, plant).headers["Location"] == f"/lines/{plant.line.key}/"
    row = ProcessEvent.objects.get()
    assert abs(timezone.now() - timedelta(minutes=3) - row.at) < timedelta(seconds=30)
    page = client.get(f"/lines/{plant.line.key}/now/").content.decode()
    assert "Filter change, top" in page
    assert "new cartridge" in page


@pytest.mark.parametrize(
    ("noted", "told"),
    [
        ("solids 6 → 7", "고형분 6 → 7"),
        ("coater, 20: 1062.0 m", "코터, 롤 20, 1062.0 m"),
        ("nmc v1 → nmc v2", "nmc v1 → nmc v2"),
        ("pump 2 is loud", "pump 2 is loud"),
    ],
)
def test_what_the_system_noted_of_an_event_names_things_in_the_language_of_the_reader(
    plant: Plant, signed_in: SignIn, noted: str, told: str
) -> None:
    plant.coater.tags.filter(key="solids").update(name_ko="고형분")
    now = timezone.now()
    row = {"equipment": plant.coater, "kind": "batch_change", "at": now, "recorded_at": now, "note": noted}
    ProcessEvent.objects.create(**row)
    client = signed_in("operator")
    assert told in client.get(f"/lines/{plant.line.key}/now/", headers={"Accept-Language": "ko"}).content.decode()


def test_a_form_sent_twice_is_one_event(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("operator")
    assert [tell(client, plant).status_code for _ in range(2)] == [302, 302]
    assert ProcessEvent.objects.count() == 1


def test_a_viewer_finds_no_form(plant: Plant, signed_in: SignIn) -> None:
    assert "Record the event" not in signed_in("viewer").get(f"/lines/{plant.line.key}/").content.decode()


@pytest.mark.parametrize(
    "form", [{"kind": ""}, {"side": "left"}, {"minutes_ago": "-1"}, {"minutes_ago": "9999"}, {"minutes_ago": "x"}]
)
def test_what_makes_no_event_is_refused_on_a_page(plant: Plant, signed_in: SignIn, form: dict[str, str]) -> None:
    assert tell(signed_in("operator"), plant, **form).status_code == 422
    assert not ProcessEvent.objects.exists()


def test_another_lines_machine_is_not_found(plant: Plant, signed_in: SignIn) -> None:
    assert tell(signed_in("operator"), plant, equipment="press").status_code == 404


def test_a_lanes_chart_shows_what_happened_on_its_side(plant: Plant, signed_in: SignIn) -> None:
    for number, side in enumerate(("top", "bottom", "")):
        tell(signed_in("operator"), plant, side=side, minutes_ago=str(number + 1), key=side or "all", note=side)
    lane, now = plant.streams["loading/1-top"].lane, timezone.now()
    events = frame(lane, now - timedelta(hours=1), now).events
    assert [(event.kind, event.text) for event in events if event.kind == "process"] == [
        ("process", "Filter change"),
        ("process", "Filter change, top · top"),
    ]
