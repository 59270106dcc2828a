"""Limits that were drafted and put in force before there were reviews are versions like any other since."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps

from control.actions import limits, versions
from control.core.vm.estimator import content_hash
from control.models import Limits, Version
from tests.actions.test_limits import START, choice, measured
from tests.factories import NOW, Plant, hand, plant

pytestmark = pytest.mark.django_db
migration = import_module("control.migrations.0023_limits_reviewed")
WINDOW = {"n": 100, "method": "moving_range", "window_from": START, "window_to": NOW}


@pytest.fixture
def line() -> Plant:
    """As it was left: one number superseded, one in force with two charts, a draft, and one that nobody wanted."""
    found = plant()
    first, engineer = NOW - timedelta(hours=2), found.person("engineer")
    for number, chart, state, begun, ended, by in (
        (1, "i_mr", "superseded", first, NOW, None), (2, "i_mr", "active", NOW, None, engineer),
        (2, "ewma", "active", NOW, None, engineer), (3, "i_mr", "draft", None, None, engineer),
        (4, "i_mr", "rejected", None, None, engineer),
    ):  # fmt: skip
        Limits.objects.create(
            **WINDOW, stream=found.streams["loading/1-top"], number=number, chart=chart, state=state, mean=20.0,
            sigma=0.1 * number, rules=1, parameters={"lag_1": 0.1}, expected={"per_shift": 2.5, "by_rule": {"1": 2.5}},
            reason=f"No. {number}", created_at=NOW if by else None, created_by=by, activated_by=engineer,
            effective_from=begun, effective_to=ended,
        )  # fmt: skip
    return found


def test_each_number_is_a_version_in_the_state_it_was_in(line: Plant) -> None:
    rows = {row.pk: Limits.objects.filter(pk=row.pk).values().get() for row in Limits.objects.filter(number__lte=2)}
    migration.as_versions(apps, None)
    told = Version.objects.filter(kind="limits").order_by("number")
    assert [(row.number, row.state, row.source, row.reason) for row in told] == [
        (1, "superseded", "install", "No. 1"), (2, "active", "install", "No. 2"), (3, "draft", "page", "No. 3"),
        (4, "rejected", "page", "No. 4"),
    ]  # fmt: skip
    assert {row.author for row in told} == {line.person("engineer")}
    assert {row.approved_by for row in told} == {None}
    assert told[2].base == told[1]
    assert all(row.sha256 == content_hash(row.content) for row in told)
    assert {row["id"]: row for row in Limits.objects.values()} == rows  # what judges and what judged is untouched


def test_what_a_version_says_is_what_its_rows_said(line: Plant) -> None:
    migration.as_versions(apps, None)
    version = Version.objects.get(number=2)
    same = ("number", "chart", "state", "mean", "sigma", "rules", "parameters", "expected", "window_from", "window_to",
            "excluded", "effective_from", "created_by_id")  # fmt: skip
    stored = {row.chart: row for row in Limits.objects.filter(number=2)}
    assert {row.chart for row in Limits.of(version)} == set(stored)
    for row in Limits.of(version):
        assert [getattr(row, name) for name in same] == [getattr(stored[row.chart], name) for name in same]


def test_a_draft_of_before_goes_to_review_and_new_ones_are_numbered_after_it(line: Plant) -> None:
    migration.as_versions(apps, None)
    version, engineer = Version.objects.get(number=3), line.person("engineer")
    assert [row.path for row in versions.difference(version)][:2] == ["i_mr.sigma", "i_mr.lower"]
    versions.submit(version.pk, actor=engineer, now=NOW)
    by = hand(line.person("supervisor"))
    versions.approve(version.pk, seen=version.sha256, by=by, now=NOW, then="now")
    assert [(row.number, row.chart) for row in Limits.objects.filter(state="active")] == [(3, "i_mr")]
    measured(line, [20.0 + 0.1 * (i % 7) for i in range(400)])
    stream = line.streams["loading/1-top"]
    assert limits.draft(stream, choice(), actor=engineer, now=NOW, reason="next").number == 5
