"""The API: codes for machines, rights per line, one effect a key, and no number that is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from control.core.types import MeasuredBy
from control.models import AuditEntry, Change, Cursor, Point
from tests import factories
from tests.dashboards.conftest import PASSWORD
from tests.factories import Plant

SignIn = Callable[[str], Client]


def post(client: Client, url: str, body: dict[str, Any], key: str | None = "k-1") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(url, json.dumps(body), content_type="application/json", headers=headers)


def lane_url(plant: Plant) -> str:
    return f"/api/v1/lanes/{plant.streams['loading/1-top'].lane_id}/points"


@pytest.mark.parametrize("url", ["/api/v1/lines", "/api/v1/lanes", "/api/v1/changes", "/api/v1/audit"])
def test_without_sign_in_everything_is_401_with_a_code(plant: Plant, url: str) -> None:
    answer = Client().get(url)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


def test_what_is_outside_a_users_lines_is_not_found(plant: Plant, change: Change, signed_in: SignIn) -> None:
    client = signed_in("outsider")
    assert client.get("/api/v1/lines").json() == client.get("/api/v1/changes").json() == []
    for url in (lane_url(plant), f"/api/v1/changes/{change.pk}"):
        answer = client.get(url)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for verb in ("approve", "reject"):
        body = {"version": 1, "reason": "sensor_odd"}
        assert post(client, f"/api/v1/changes/{change.pk}/{verb}", body).status_code == 404


def test_a_line_tells_its_machines_and_lanes_their_streams(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("viewer")
    line = client.get("/api/v1/lines").json()[0]
    assert (line["key"], line["time_zone"], line["equipment"][0]["key"]) == (plant.line.key, "Asia/Seoul", "coater")
    lanes = client.get(f"/api/v1/lanes?line={plant.line.key}").json()
    assert [lane["streams"][0]["target"] for lane in lanes] == [20.0] * 4


def test_points_after_a_number_come_in_order_and_page_by_page(plant: Plant, signed_in: SignIn) -> None:
    stored = [factories.point(plant, "loading/1-top", timezone.now(), 20.0 + i / 10) for i in range(5)]
    factories.point(plant, "loading/2-top", timezone.now(), 19.0)
    head = stored[-1].seq + 1
    Cursor.objects.filter(pk=plant.coater.pk).update(head_seq=head)
    url, client = lane_url(plant), signed_in("viewer")
    first = client.get(f"{url}?since={stored[0].seq}&limit=2").json()
    assert [point["seq"] for point in first["points"]] == [stored[1].seq, stored[2].seq]
    rest = client.get(f"{url}?since={first['seq_to']}&limit=100").json()
    assert [point["value"] for point in rest["points"]] == [20.3, 20.4]
    assert rest["seq_to"] == rest["head_seq"] == head
    assert rest["points"][0]["at"].endswith("Z")


def test_a_range_is_thinned_and_no_violation_is_lost(plant: Plant, signed_in: SignIn) -> None:
    start = timezone.now() - timedelta(hours=3)
    rows = [
        Point(
            equipment=plant.coater, seq=i + 1, at=start + timedelta(seconds=i), known_at=start,
            stream=plant.streams["loading/1-top"], by=MeasuredBy.PREDICTION, roll=7, web_m=i, value=20.0, quality=0,
            verdict=0, rules=1 if i % 1000 == 500 else 0,
        )
        for i in range(9000)
    ]  # fmt: skip
    factories.copied(rows)
    asked = {"from": start.isoformat(), "to": (start + timedelta(seconds=9000)).isoformat()}
    points = signed_in("viewer").get(lane_url(plant), asked).json()["points"]
    assert len(points) < 2000
    assert sum(bool(point["rules"]) for point in points) == 9


@pytest.mark.parametrize("end", ["from", "to"])
def test_half_a_range_is_refused_with_a_code(plant: Plant, signed_in: SignIn, end: str) -> None:
    answer = signed_in("viewer").get(lane_url(plant), {end: timezone.now().isoformat()})
    assert (answer.status_code, answer.json()["code"]) == (422, "half_a_range")


def test_approving_needs_a_key_and_has_one_effect(plant: Plant, change: Change, signed_in: SignIn) -> None:
    url, client, body = f"/api/v1/changes/{change.pk}/approve", signed_in("operator"), {"version": change.version}
    assert post(client, url, body, key=None).status_code == 422
    first, again = post(client, url, body), post(client, url, body)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json() == {"id": change.pk, "state": "approved", "version": change.version + 1}
    assert again.headers["Idempotent-Replayed"] == "true"
    other = post(client, url, {"version": change.version + 1})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_who_comes_second_gets_409_and_the_difference(plant: Plant, change: Change, signed_in: SignIn) -> None:
    url, body = f"/api/v1/changes/{change.pk}/approve", {"version": change.version}
    post(signed_in("operator"), url, body)
    second = post(signed_in("operator2"), url, body)
    assert (second.status_code, second.json()["code"]) == (409, "overtaken")
    assert second.json()["difference"]["state"] == "approved"


def test_a_viewer_is_told_403_and_nothing_moves(plant: Plant, change: Change, signed_in: SignIn) -> None:
    answer = post(signed_in("viewer"), f"/api/v1/changes/{change.pk}/approve", {"version": change.version})
    assert (answer.status_code, answer.json()["code"]) == (403, "no_permission")
    assert Change.objects.get(pk=change.pk).state == "pending_operator"


def test_rejecting_takes_the_key_of_a_reason(plant: Plant, change: Change, signed_in: SignIn) -> None:
    url, client = f"/api/v1/changes/{change.pk}/reject", signed_in("operator")
    assert post(client, url, {"version": 1}, key="a").status_code == 422
    unknown = post(client, url, {"version": change.version, "reason": "nonsense"}, key="b")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_reason")
    assert post(client, url, {"version": change.version, "reason": "sensor_odd"}, key="c").json()["state"] == "rejected"


def test_of_several_that_are_rejected_each_is_answered_for_itself_and_once(
    plant: Plant, change: Change, signed_in: SignIn
) -> None:
    url, client = "/api/v1/changes/reject", signed_in("operator")
    ended = Change.objects.create(
        loop=plant.loop, line=plant.line, state="expired", proposed_at=change.proposed_at, needs="operator",
        expires_at=change.expires_at, state_since=change.state_since, size_percent=0.5, evidence={},
    )  # fmt: skip
    asked = [{"id": one.pk, "version": one.version} for one in (ended, change)]
    first = post(client, url, {"changes": asked, "reason": "sensor_odd"})
    assert first.status_code == 200
    assert [(one["id"], one["status"]) for one in first.json()] == [(ended.pk, 409), (change.pk, 200)]
    assert [one["state"] for one in first.json()] == ["", "rejected"]
    assert first.json()[0]["code"]
    assert post(client, url, {"changes": asked, "reason": "sensor_odd"}).json() == first.json()
    assert AuditEntry.objects.filter(action="change.reject").count() == 1
    again = post(client, url, {"changes": asked, "reason": "process_upset"}).json()
    assert {one["code"] for one in again} == {"idempotency_key_reused"}


def test_where_one_of_several_is_not_his_to_see_none_is_rejected(
    plant: Plant, change: Change, signed_in: SignIn
) -> None:
    asked = [{"id": change.pk, "version": change.version}, {"id": change.pk + 1, "version": 1}]
    assert post(signed_in("operator"), "/api/v1/changes/reject", {"changes": asked, "reason": "x"}).status_code == 404
    change.refresh_from_db()
    assert change.state == "pending_operator"


@pytest.mark.parametrize("body", [{"version": "x"}, {"version": 0}, {"version": 1, "state": "approved"}, {}])
def test_a_body_of_another_form_is_422_with_the_faults(
    plant: Plant, change: Change, signed_in: SignIn, body: dict[str, Any]
) -> None:
    answer = post(signed_in("operator"), f"/api/v1/changes/{change.pk}/approve", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["faults"]


def test_a_decision_of_a_browser_needs_its_csrf_token(plant: Plant, change: Change) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(plant.person("operator"))
    answer = post(client, f"/api/v1/changes/{change.pk}/approve", {"version": change.version})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_odd_numbers_in_addresses_are_refused_not_crashed_on(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("operator")
    for query in ("since=-1", "since=99999999999999999999", "since=abc", "limit=0", "from=yesterday&to=now"):
        assert client.get(f"{lane_url(plant)}?{query}").status_code == 422, query
    assert client.get("/api/v1/changes/99999999999999999999").status_code in (404, 422)
    assert client.get("/api/v1/lanes/99999999999999999999/points").status_code in (404, 422)


def test_the_audit_of_a_line_is_for_those_who_may_audit(plant: Plant, change: Change, signed_in: SignIn) -> None:
    assert signed_in("viewer").get("/api/v1/audit").json()["code"] == "forbidden"
    rows = signed_in("auditor").get("/api/v1/audit?action=change.propose").json()
    assert [row["object_id"] for row in rows] == [str(change.pk)]


def test_the_description_covers_the_api_and_the_ingest_door(plant: Plant) -> None:
    paths = Client().get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/lines", "/api/v1/changes/{change_id}/approve", "/api/v1/ingest/snapshots"} <= set(paths)


def test_a_supervisors_approval_is_signed_over_the_api_as_on_a_page(
    plant: Plant, change: Change, signed_in: SignIn, with_password: Callable[[str], User]
) -> None:
    supervisor, operator = with_password("supervisor"), signed_in("operator")
    url, asked = f"/api/v1/changes/{change.pk}/approve", {"version": change.version + 1}
    form = {"verb": "ask_supervisor", "key": "up", "version": change.version}
    operator.post(f"/changes/{change.pk}/decide/", form)
    client = signed_in("supervisor")
    unsigned = post(client, url, asked, key="a")
    assert (unsigned.status_code, unsigned.json()["code"]) == (403, "signature_needed")
    wrong = post(client, url, asked | {"password": "wrong"}, key="a")
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    foreign = asked | {"signer": supervisor.username, "password": PASSWORD}
    assert post(operator, url, foreign, key="b").json()["state"] == "approved"
    again = post(operator, url, foreign, key="b")
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_lock_is_told_over_the_api_with_its_end(
    plant: Plant, change: Change, signed_in: SignIn, with_password: Callable[[str], User]
) -> None:
    with_password("supervisor")
    client, url = signed_in("supervisor"), f"/api/v1/changes/{change.pk}/approve"
    answers = [post(client, url, {"version": 1, "password": "wrong"}, key="a").json() for _ in range(6)]
    assert [answer["code"] for answer in answers] == 5 * ["wrong_password"] + ["locked_out"]
    assert "until" in answers[-1]["difference"]
