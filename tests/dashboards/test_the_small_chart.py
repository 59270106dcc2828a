"""Under the chart of a lane a smaller one: chosen in the address, asked for by range, downloaded, and never a write."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from control.core.types import MeasuredBy, Rule
from control.models import AuditEntry, Limits, VersionState
from dashboards.panels import MOST
from tests import factories
from tests.factories import NOW, Plant

pytestmark = pytest.mark.django_db
SignIn = Callable[[str], Client]
BEGUN = NOW - timedelta(hours=2)
ASKED = {"from": (NOW - timedelta(hours=1)).isoformat(), "to": NOW.isoformat()}


@pytest.fixture
def lane(plant: Plant) -> int:
    """Charted by EWMA and CUSUM; its values jump after ten of them."""
    stream = plant.streams["loading/1-top"]
    common = {
        "stream": stream, "number": 1, "state": VersionState.ACTIVE, "mean": 20.0, "sigma": 0.1, "n": 100,
        "method": "moving_range", "window_from": BEGUN, "window_to": BEGUN, "effective_from": BEGUN,
    }  # fmt: skip
    told = {
        Limits.Chart.INDIVIDUALS: (Rule.BEYOND_3_SIGMA, {}),
        Limits.Chart.EWMA: (Rule.EWMA, {"weight": 0.2, "width": 3.0}),
        Limits.Chart.CUSUM: (Rule.CUSUM, {"k": 0.5, "h": 5.0, "head_start": 0.0}),
    }
    for chart, (rules, parameters) in told.items():
        Limits.objects.create(chart=chart, rules=int(rules), parameters=parameters, **common)
    for i in range(20):
        broken = Rule.EWMA if i > 11 else Rule.NONE
        at = NOW - timedelta(minutes=40 - i)
        factories.point(plant, stream.key, at, 20.0 if i < 10 else 20.2, by=MeasuredBy.GAUGE, rules=int(broken))
    return stream.lane_id


def asked(client: Client, lane: int, **more: Any) -> Any:
    return client.get(f"/api/v1/lanes/{lane}/panel", {**ASKED, "panel": "ewma", **more})


def test_a_statistic_comes_with_lines_that_widen_and_with_the_rules_broken(
    plant: Plant, lane: int, signed_in: SignIn
) -> None:
    ((stream,),) = (told["streams"] for told in [asked(signed_in("viewer"), lane).json()])
    (series,) = stream["series"]
    assert (stream["decimals"], series["key"], series["name"]) == (3, "ewma", "EWMA")
    assert series["value"][9:12] == pytest.approx([20.0, 20.04, 20.072])
    assert series["upper"][0] == pytest.approx(20.06)
    assert series["upper"][-1] == pytest.approx(20.1, abs=1e-3)
    assert series["upper"] == sorted(series["upper"])
    assert series["rules"] == [[]] * 12 + [["ewma"]] * 8
    assert series["at"][0] == round((NOW - timedelta(minutes=40)).timestamp() * 1000)


def test_a_sum_goes_to_both_sides(lane: int, signed_in: SignIn) -> None:
    (stream,) = asked(signed_in("viewer"), lane, panel="cusum").json()["streams"]
    up, down = stream["series"]
    assert (up["upper"][0], up["lower"][0], down["lower"][0], down["upper"][0]) == (0.5, None, -0.5, None)
    assert up["value"][-1] == pytest.approx(1.5)
    assert set(down["value"]) == {0.0}


def test_the_address_chooses_and_opening_the_page_writes_nothing(lane: int, signed_in: SignIn) -> None:
    client, before = signed_in("operator"), AuditEntry.objects.count()
    for query, chosen in (("", "ewma"), ("?panel=cusum", "cusum"), ("?panel=nonsense", "ewma")):
        with CaptureQueriesContext(connection) as queries:
            page = client.get(f"/lanes/{lane}/{query}").content.decode()
        assert f'data-panel="{chosen}"' in page
        assert "data-panel-of" in page
        assert not [one for one in queries if one["sql"].split()[0] in ("INSERT", "UPDATE", "DELETE")]
    assert AuditEntry.objects.count() == before


def test_the_links_keep_the_window_and_one_shows_no_second_chart(lane: int, signed_in: SignIn) -> None:
    client = signed_in("operator")
    page = client.get(f"/lanes/{lane}/?span=900").content.decode()
    assert 'href="?span=900&amp;panel=cusum"' in page
    assert "data-panel-of" not in client.get(f"/lanes/{lane}/?panel=none").content.decode()


def test_a_lane_that_is_charted_by_nothing_more_offers_nothing(plant: Plant, signed_in: SignIn) -> None:
    lane = plant.streams["loading/2-top"].lane_id
    assert "data-panel" not in signed_in("operator").get(f"/lanes/{lane}/").content.decode()


@pytest.mark.parametrize(("more", "status"), [({"panel": "spc"}, 422), ({"from": "x"}, 422)])
def test_what_is_no_chart_or_no_range_is_refused(
    lane: int, signed_in: SignIn, more: dict[str, str], status: int
) -> None:
    assert asked(signed_in("viewer"), lane, **more).status_code == status


def test_an_instant_without_its_offset_is_utc_beside_one_that_has_it(lane: int, signed_in: SignIn) -> None:
    client = signed_in("viewer")
    whole, naive = asked(client, lane), asked(client, lane, **{"from": ASKED["from"][:19]})
    assert (naive.status_code, naive.json()) == (200, whole.json())


def test_its_file_has_every_point_with_its_lines(lane: int, signed_in: SignIn) -> None:
    answer = signed_in("viewer").get(f"/lanes/{lane}/panel.csv", {**ASKED, "panel": "ewma"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    assert len(rows) == 20 < MOST
    assert (rows[-1]["stream"], rows[-1]["statistic"], rows[-1]["rules"]) == ("loading/1-top", "ewma", "ewma")
    assert rows[0]["plant_time"] == "2026-11-21T20:20:00.000+09:00"
    assert float(rows[0]["upper"]) == pytest.approx(20.06)


@pytest.mark.parametrize("query", ["panel=ewma", "panel=none&from=2026-11-21T00:00Z&to=2026-11-22T00:00Z"])
def test_a_file_of_nothing_is_not_found(lane: int, signed_in: SignIn, query: str) -> None:
    assert signed_in("viewer").get(f"/lanes/{lane}/panel.csv?{query}").status_code == 404
