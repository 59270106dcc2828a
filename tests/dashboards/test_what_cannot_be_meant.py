"""What nobody means, such as the year 1 or text that cannot be stored, is refused or passed over, never a failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from control.models import Change, ProcessEvent
from tests.factories import Plant

SignIn = Callable[[str], Client]
YEARS = [("0001-01-01T00:00:00Z", "0001-01-01T00:05:00Z"), ("9999-12-31T23:00:00Z", "9999-12-31T23:59:00Z")]
FRAMES = [*YEARS, ("0001-01-01T00:00:00+14:00", "0001-01-01T00:05:00+14:00")]


@pytest.mark.parametrize(("start", "end"), YEARS)
@pytest.mark.parametrize("zone", ["Asia/Seoul", "America/New_York"])
def test_a_year_no_plant_has_makes_a_page_that_says_nothing_of_it(
    plant: Plant, change: Change, signed_in: SignIn, zone: str, start: str, end: str
) -> None:
    plant.line.area.site.__class__.objects.update(time_zone=zone)
    client, stream = signed_in("engineer"), plant.streams["loading/1-top"]
    for told in ({"from": start, "to": end}, {"from": start[:-1], "to": end[:-1]}):
        for url in (
            f"/lanes/{stream.lane_id}/",
            f"/lanes/{stream.lane_id}/capability/",
            f"/streams/{stream.pk}/limits/",
        ):
            assert client.get(url, told).status_code == 200, (url, told)
        assert client.get(f"/lanes/{stream.lane_id}/points.csv", told).status_code == 404
        draft = {**told, "method": "moving_range", "rule_set": "nelson", "reason": "x"}
        assert client.post(f"/streams/{stream.pk}/limits/draft/", draft).status_code == 422


@pytest.mark.parametrize(("start", "end"), FRAMES)
def test_a_year_no_plant_has_is_no_failure_of_the_api(plant: Plant, signed_in: SignIn, start: str, end: str) -> None:
    client, lane = signed_in("viewer"), plant.streams["loading/1-top"].lane_id
    for url in (
        f"lanes/{lane}/frame",
        f"lanes/{lane}/points",
        f"lanes/{lane}/panel?panel=ewma",
        f"lines/{plant.line.pk}/events",
    ):
        assert client.get(f"/api/v1/{url}", {"from": start, "to": end}).status_code in (200, 422), url


def test_text_that_cannot_be_stored_is_refused_on_every_page(plant: Plant, change: Change, signed_in: SignIn) -> None:
    client, stream = signed_in("engineer"), plant.streams["loading/1-top"]
    bad = {"reason": "a\x00b", "note": "a\x00b", "kind": "splice", "minutes_ago": "0", "key": "k"}
    for url in (
        f"/streams/{stream.pk}/limits/draft/",
        f"/loops/{plant.loop.pk}/tune/", f"/lines/{plant.line.key}/events/", f"/changes/{change.pk}/decide/",
    ):  # fmt: skip
        assert client.post(url, bad).status_code == 400, url
    for url in ("/audit/?find=%00", "/audit/?%00=x", "/inbox/?x=%00"):
        assert client.get(url).status_code == 400, url
    assert not ProcessEvent.objects.exists()


def test_text_that_cannot_be_stored_is_refused_by_the_api(plant: Plant, change: Change, signed_in: SignIn) -> None:
    client = signed_in("operator")

    def post(url: str, **body: Any) -> Any:
        headers = {"Idempotency-Key": "k"}
        return client.post(f"/api/v1/{url}", json.dumps(body), content_type="application/json", headers=headers)

    event = {"kind": "splice", "at": timezone.now().isoformat()}
    for more in ({"note": "a\x00b"}, {"equipment": "a\x00b"}):
        assert post(f"lines/{plant.line.pk}/events", **event, **more).status_code == 422
    assert post(f"changes/{change.pk}/reject", version=1, reason="a\x00b").status_code == 422
    assert post(f"changes/{change.pk}/reject", version=1, reason="sensor_odd", text="a\x00b").status_code == 422
    assert post(f"changes/{change.pk}/approve", version=1, reason="a\x00b").status_code == 422
    answer = client.get("/api/v1/lanes?line=%00")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_number_of_many_digits_is_refused(plant: Plant, signed_in: SignIn) -> None:
    form = {"kind": "splice", "minutes_ago": "1" * 5000, "key": "k"}
    assert signed_in("operator").post(f"/lines/{plant.line.key}/events/", form).status_code == 422
