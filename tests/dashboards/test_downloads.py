"""Files for spreadsheets: all rows, both clocks, and no cell that runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from control.actions import audit
from dashboards.cells import neutral
from tests import factories
from tests.factories import Plant

SignIn = Callable[[str], Client]


def rows(answer: object) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_compute_is_made_harmless(text: str) -> None:
    assert neutral(text) == f"'{text}"


def test_numbers_and_plain_text_stay_as_they_are() -> None:
    assert [neutral(cell) for cell in (-1.5, 0, "lane 1", None)] == [-1.5, 0, "lane 1", ""]


def test_a_lanes_file_has_every_point_in_both_clocks(plant: Plant, signed_in: SignIn) -> None:
    at = factories.NOW
    factories.point(plant, "loading/1-top", at, 20.25)
    lane = plant.streams["loading/1-top"].lane_id
    asked = {"from": (at - timedelta(hours=1)).isoformat(), "to": (at + timedelta(hours=1)).isoformat()}
    answer = signed_in("viewer").get(f"/lanes/{lane}/points.csv", asked)
    [row] = rows(answer)
    assert (row["value"], row["at"], row["plant_time"]) == (
        "20.25", "2026-11-21T12:00:00.000Z", "2026-11-21T21:00:00.000+09:00",
    )  # fmt: skip


@pytest.mark.parametrize("query", ["", "from=x&to=y", "from=2026-11-21T00:00:00&to=2026-11-22T00:00:00"])
def test_a_range_that_is_none_is_not_found(plant: Plant, signed_in: SignIn, query: str) -> None:
    lane = plant.streams["loading/1-top"].lane_id
    assert signed_in("viewer").get(f"/lanes/{lane}/points.csv?{query}").status_code == 404


def test_a_reason_in_the_audit_cannot_become_a_formula(plant: Plant, signed_in: SignIn) -> None:
    with audit.atomic():
        audit.record(
            actor="test",
            action="line.hold",
            obj=plant.line,
            now=timezone.now(),
            reason="=HYPERLINK(1)",
            line=plant.line,
        )
    found = rows(signed_in("auditor").get("/audit.csv?find=HYPERLINK"))
    assert [row["reason"] for row in found] == ["'=HYPERLINK(1)"]
