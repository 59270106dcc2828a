"""Counts on the pages: the chart is chosen and drafted like any other, and has lines by the size of each sample."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from control.actions import limits
from control.core.types import Quality
from control.models import Characteristic, Limits, Point, Stream, Version
from tests.dashboards.test_limits_page import at, form_on
from tests.factories import Plant

SignIn = Callable[[str], Client]
N = 40


@pytest.fixture
def stream(plant: Plant) -> Stream:
    """Samples of 4000 and 6000 cells that differ by more than chance, up to now."""
    lane = plant.streams["loading/1-top"].lane
    counted = Characteristic.objects.create(
        equipment=plant.coater, key="cells", name="Cells", counted="defectives", decimals=4
    )
    found = Stream.objects.create(lane=lane, characteristic=counted)
    rng, sizes = np.random.default_rng(12), np.where(np.arange(N) % 2, 4_000, 6_000)
    rates = rng.binomial(sizes, np.clip(rng.normal(0.1, 0.02, N), 0.01, 0.3)) / sizes
    start = timezone.now().replace(microsecond=0) - timedelta(minutes=N)
    Point.objects.bulk_create(
        Point(
            equipment=plant.coater, seq=i + 1, at=start + timedelta(minutes=i), known_at=start, stream=found, by=1,
            roll=i, web_m=0.0, value=rate, n=n, quality=Quality.GOOD, verdict=0, rules=0,
        )
        for i, (rate, n) in enumerate(zip(rates.tolist(), sizes.tolist(), strict=True))
    )  # fmt: skip
    return found


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_page_offers_charts_of_what_is_counted_and_begins_with_laneys(
    stream: Stream, signed_in: SignIn, language: str
) -> None:
    page = signed_in("engineer").get(at(stream), headers={"accept-language": language})
    text = page.content.decode()
    assert [key for key, _ in page.context["bases"]] == ["p", "np", "laney_p"]
    assert [key for key, _ in page.context["rule_sets"]] == ["beyond_3_sigma", "nelson_1_2_3"]
    assert page.context["preview"].weighed.rows[0].chart == "laney_p"
    assert 'class="curve"' not in text  # nobody asks whether counts are normal
    assert 'name="charts"' not in text


def test_plain_lines_of_samples_that_differ_are_warned_of(stream: Stream, signed_in: SignIn) -> None:
    client, words = signed_in("engineer"), "take Laney&#x27;s chart"
    form = form_on(client.get(at(stream)).content.decode())
    assert words not in client.get(at(stream), form).content.decode()
    assert words.replace("&#x27;", "'") in client.get(at(stream), {**form, "basis": "p"}).content.decode()


def test_a_chart_of_counts_is_drafted_from_the_page(stream: Stream, signed_in: SignIn) -> None:
    client = signed_in("engineer")
    form = form_on(client.get(at(stream)).content.decode())
    assert client.post(at(stream, "draft/"), {**form, "reason": "first samples"}).status_code == 302
    (row,) = Limits.of(Version.objects.get())
    assert (row.chart, row.n, row.method) == ("laney_p", N, "moving_range")
    assert row.parameters["sigma_z"] > 2
    review = client.get(f"/versions/{Version.objects.get().pk}/").content.decode()
    assert "Laney (p′)" in review
    assert client.get(at(stream), {**form, "rule_set": "nelson"}).context["why_not"]


def test_the_chart_of_a_lane_has_lines_for_each_size_and_the_numbers_tell_it(
    plant: Plant, stream: Stream, signed_in: SignIn
) -> None:
    now = timezone.now()
    span = {"since": now - timedelta(days=1), "until": now}
    limits.draw(plant.coater, **span, actor="test", now=now - timedelta(hours=2))
    client, asked = signed_in("viewer"), {"from": span["since"].isoformat(), "to": now.isoformat()}
    frame = client.get(f"/api/v1/lanes/{stream.lane_id}/frame", asked).json()
    drawn = next(one for one in frame["streams"] if one["id"] == stream.pk)
    (step,) = drawn["limits"]
    row = Limits.objects.get()
    assert (step["sample"], step["most"], step["sigma"]) == (5_000, 1.0, row.sigma)
    assert (step["lower"], step["upper"]) == pytest.approx((row.mean - 3 * row.sigma, row.mean + 3 * row.sigma))
    assert drawn["as_counts"] is False
    points = client.get(f"/api/v1/lanes/{stream.lane_id}/points", asked).json()["points"]
    assert {point["n"] for point in points} == {4_000, 6_000}
    text = b"".join(client.get(f"/lanes/{stream.lane_id}/points.csv", asked).streaming_content).decode()
    assert {row["n"] for row in csv.DictReader(io.StringIO(text))} == {"4000.0", "6000.0"}
    assert "Counted, not measured" in client.get(f"/lanes/{stream.lane_id}/capability/").content.decode()


def test_a_chart_of_another_kind_begins_where_the_one_before_it_ends(
    plant: Plant, stream: Stream, signed_in: SignIn
) -> None:
    now = timezone.now()
    limits.draw(plant.coater, since=now - timedelta(days=1), until=now, actor="test", now=now - timedelta(minutes=20))
    row = Limits.objects.get()
    told = {"stream": stream, "mean": row.mean, "sigma": row.sigma, "n": row.n, "method": "chance", "rules": 1}
    span = {"window_from": row.window_from, "window_to": row.window_to}
    Limits.objects.create(
        **told, **span, chart="np", number=99, state="superseded", parameters=row.parameters,
        effective_from=now - timedelta(hours=3), effective_to=row.effective_from,
    )  # fmt: skip
    asked = {"from": (now - timedelta(hours=5)).isoformat(), "to": now.isoformat()}
    frame = signed_in("viewer").get(f"/api/v1/lanes/{stream.lane_id}/frame", asked).json()
    (drawn,) = (one for one in frame["streams"] if one["id"] == stream.pk)
    first, then = drawn["limits"]
    assert (first["number"], first["end"], then["number"], drawn["as_counts"]) == (99, then["start"], row.number, False)


def test_a_script_drafts_limits_of_counts(stream: Stream, signed_in: SignIn) -> None:
    now, client = timezone.now(), signed_in("engineer")
    asked = {"from": (now - timedelta(hours=2)).isoformat(), "to": now.isoformat(), "reason": "by a script"}

    def sent(key: str, **told: str) -> int:
        return client.post(
            f"/api/v1/streams/{stream.pk}/limits", json.dumps(asked | told), "application/json",
            headers={"Idempotency-Key": key},
        ).status_code  # fmt: skip

    assert sent("a") == sent("b", basis="p") == sent("c", basis="u", rule_set="nelson_1_2_3") == 422
    assert sent("d", basis="p", rule_set="beyond_3_sigma") == 200
    assert [row.chart for row in Limits.of(Version.objects.get())] == ["p"]
