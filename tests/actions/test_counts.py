"""Counts come in by the paths of measurements, get limits from samples of any size, and what they break is a signal."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from control.actions import estimators, ingest, limits, machines, phase_one, pipeline, versions
from control.actions.chart_choice import Choice
from control.actions.errors import Invalid
from control.core.exchange import MeasuredPiece, Scan
from control.core.spc import counts, laney
from control.core.spc.rules import SETS
from control.core.types import MeasuredBy, Quality, Rule
from control.models import Characteristic, Cursor, Intake, Limits, Measurement, Point, SetAside, Signal, Stream
from control.queries import limits as queries
from tests import factories
from tests.core.cases import case
from tests.factories import NOW, Plant, hand

pytestmark = pytest.mark.django_db
EVERY = timedelta(minutes=5)
DEFECTS, DEFECTIVES = "pinholes/1-top", "cells/1-top"
COUNT = {
    "equipment": "coater",
    "at": (NOW - EVERY).isoformat(),
    "sequence": 1,
    "stream": DEFECTS,
    "value": 3,
    "n": 12.5,
}
SAMPLE = COUNT | {"stream": DEFECTIVES, "n": 50}


@pytest.fixture
def plant() -> Plant:
    """Beside the loading, pinholes a square metre and cells punched out with a flaw are counted on each lane."""
    found = factories.plant()
    Intake.objects.create(equipment=found.coater)
    Cursor.objects.create(equipment=found.coater)
    for key, of in (("pinholes", "defects"), ("cells", "defectives")):
        counted = Characteristic.objects.create(equipment=found.coater, key=key, name=key, counted=of)
        Stream.objects.bulk_create(Stream(lane=lane, characteristic=counted) for lane in found.coater.lanes.all())
    return found


def sent(plant, stream, found, sizes, start=NOW - timedelta(days=1)):
    """A sample every five minutes, from the gateway, and the passes that judge them; the newest's instant."""
    rows = [
        {
            "equipment": "coater", "at": (start + EVERY * i).isoformat(), "sequence": i, "stream": stream,
            "value": int(value), "n": float(n), "by": "lab" if i % 2 else "gauge",
        }
        for i, (value, n) in enumerate(zip(found, sizes, strict=True))
    ]  # fmt: skip
    receipt = ingest.store(plant.source, (), rows, now=NOW)
    assert receipt.stored == len(rows)
    pipeline.settle([plant.coater.pk], now=NOW)
    return start + EVERY * len(rows)


def put_in_force(plant, stream, until, **told):
    engineer = {"actor": plant.person("engineer"), "now": NOW}
    choice = Choice(NOW - timedelta(days=2), until, **{"rule_set": "nelson_1_2_3", **told})
    version = limits.draft(stream, choice, reason="first samples", **engineer)
    versions.submit(version.pk, **engineer)
    versions.approve(version.pk, seen=version.sha256, by=hand(plant.person("supervisor")), now=NOW, then="now")
    return Limits.objects.get(stream=stream, number=version.number)


BAD = {
    "n_missing": [{key: COUNT[key] for key in COUNT if key != "n"}, COUNT | {"n": None}],
    "bad_n": [COUNT | {"n": odd} for odd in (0, -1.5, "12", True, float("nan"), 1e100)] + [SAMPLE | {"n": 12.5}],
    "bad_count": [COUNT | {"value": odd} for odd in (-1, 2.5, True, float("inf"), 10**400)],
    "count_above_n": [SAMPLE | {"value": 51}],
    "not_counted": [COUNT | {"stream": "loading/1-top", "value": 20.0}],
}


@pytest.mark.parametrize(("code", "row"), [(code, row) for code, rows in BAD.items() for row in rows])
def test_a_count_that_cannot_be_meant_is_set_aside_with_its_reason_and_the_good_one_stored(plant, code, row):
    receipt = ingest.store(plant.source, (), [row, SAMPLE], now=NOW)
    assert (receipt.stored, [(r.row, r.code) for r in receipt.set_aside]) == (1, [(0, code)])
    assert SetAside.objects.get().reason == code


def test_the_same_counts_again_change_nothing(plant):
    rows = [COUNT, SAMPLE | {"value": 50}, COUNT | {"sequence": 2, "value": None}]
    told = [ingest.store(plant.source, (), rows, now=NOW) for _ in range(2)]
    assert [(one.stored, one.doubled) for one in told] == [(3, 0), (0, 3)]
    kept = Measurement.objects.order_by("sequence", "stream_id").values_list("value", "n", "quality")
    assert list(kept) == [(3.0, 12.5, 0), (50.0, 50.0, 0), (None, 12.5, 3)]


def test_a_count_that_a_machine_sends_and_cannot_be_meant_is_kept_as_bad(plant):
    pieces = [
        MeasuredPiece(DEFECTIVES, 7, 10.0, value, Quality.GOOD, MeasuredBy.GAUGE, NOW.timestamp() - 60, n)
        for value, n in ((4.0, 50.0), (51.0, 50.0), (4.0, None))
    ]
    scan = Scan("coater", 1, NOW.timestamp() - 60, 7, 10.0, (), (), (), tuple(pieces))
    who = ingest.known(ingest.raw(), plant.source.pk)
    ingest.store_batch(ingest.raw(), who, ingest.batch_of_scans(who, [scan]), now=NOW)
    kept = Measurement.objects.order_by("sequence").values_list("value", "n", "quality")
    assert list(kept) == [(4.0, 50.0, 0), (None, None, 2), (None, None, 2)]


@pytest.mark.parametrize(("stream", "basis"), [(DEFECTS, "laney_u"), (DEFECTIVES, "p"), (DEFECTIVES, "laney_p")])
def test_samples_of_any_size_are_judged_live_as_their_chart_judges_them_alone(plant, stream, basis):
    rng, kind = np.random.default_rng(4), counts.KINDS[basis]
    sizes = rng.integers(40, 400, 90).astype(float)
    found = np.minimum(rng.poisson(np.clip(rng.normal(0.1, 0.04, 90), 0.01, 0.3) * sizes), sizes)
    found[80] = np.rint(0.6 * sizes[80])
    row = put_in_force(plant, plant.streams[stream], sent(plant, stream, found[:60], sizes[:60]), basis=basis)
    at = NOW - timedelta(hours=12)
    sent(plant, stream, found[60:75], sizes[60:75], at)
    sent(plant, stream, found[75:], sizes[75:], at + 20 * EVERY)
    points = Point.objects.filter(stream=plant.streams[stream]).order_by("at")
    mean = float(found[:60].sum() / sizes[:60].sum())
    wider = laney.sigma_z(found[:60], sizes[:60], mean, kind.family)
    expected, _ = laney.judge(found, sizes, mean, wider if kind.wider else 1.0, kind.family, SETS["nelson_1_2_3"])
    told = [(point.n, point.value * point.n, point.rules) for point in points][60:]
    assert [one[:2] for one in told] == [pytest.approx(one) for one in zip(sizes[60:], found[60:], strict=True)]
    assert [one[2] for one in told] == list(expected[60:])
    assert (row.mean, row.n, row.parameters["sample"]) == (pytest.approx(mean), 60, np.median(sizes[:60]))
    signal = Signal.objects.get(stream=plant.streams[stream], rule=Rule.BEYOND_3_SIGMA)
    assert (signal.priority, signal.closed_at) == (2, None)


@pytest.mark.parametrize(
    ("name", "stream", "basis", "n"), [("6.3.3.1_c_chart", DEFECTS, "c", 1), ("6.3.3.2_p_chart", DEFECTIVES, "np", 50)]
)
def test_the_handbooks_limits_come_out_of_the_handbooks_samples(plant, name, stream, basis, n):
    told = next(one for one in case("17_nist_handbook")["cases"] if one["id"] == name)
    found = np.rint(np.array(told["input"]) * n)
    row = put_in_force(plant, plant.streams[stream], sent(plant, stream, found, np.full(len(found), n)), basis=basis)
    lower, upper = Limits.lines(row.chart, row.mean, row.sigma)
    expected = [told["expected"][key] for key in ("lcl", "center", "ucl")]
    assert (lower, row.mean, upper) == pytest.approx(expected, abs=told["tol"])
    assert row.method == "chance"
    assert 0 <= row.expected["per_shift"] < 10


def test_where_samples_differ_by_more_than_chance_laneys_chart_is_what_one_begins_with(plant):
    rng, sizes = np.random.default_rng(5), np.full(40, 5_000.0)
    alike, apart = rng.binomial(5_000, 0.1, 40), rng.binomial(5_000, np.clip(rng.normal(0.1, 0.02, 40), 0.01, 0.3))
    until = sent(plant, DEFECTIVES, alike, sizes)
    sent(plant, "cells/2-top", apart, sizes)
    usual = [
        phase_one.usual(plant.streams[key], NOW - timedelta(days=2), until).basis for key in (DEFECTIVES, "cells/2-top")
    ]
    assert usual == ["p", "laney_p"]


def test_limits_drawn_of_a_whole_machine_are_drawn_of_its_counts_too(plant):
    rng = np.random.default_rng(6)
    until = sent(plant, DEFECTS, rng.poisson(3.0, 40), np.full(40, 6.0))
    drawn = limits.draw(plant.coater, since=NOW - timedelta(days=2), until=until, actor="test", now=NOW)
    assert drawn.streams == [DEFECTS]
    assert Limits.objects.get().chart == "u"
    assert machines.built(plant.coater.pk).machine.streams[4].chart is not None


@pytest.mark.parametrize(
    "told",
    [
        {"basis": "u"},
        {"basis": "i_mr"},
        {"basis": "np"},
        {"basis": "p", "since": NOW},
    ],
)
def test_what_gives_counts_no_limits_is_refused(plant, told):
    sent(plant, DEFECTIVES, np.arange(3, 33), np.arange(50, 80))
    choice = Choice(
        **{"since": NOW - timedelta(days=2), "until": NOW + timedelta(hours=1), **told}, rule_set="nelson_1_2_3"
    )
    with pytest.raises(Invalid):
        limits.draft(plant.streams[DEFECTIVES], choice, actor=plant.person("engineer"), now=NOW, reason="odd")


@pytest.mark.parametrize("told", [{"rule_set": "western_electric"}, {"charts": ("ewma",)}])
def test_counts_have_one_chart_and_no_rules_that_presume_normal_values(told):
    with pytest.raises(ValueError, match="counts have one chart"):
        Choice(NOW - EVERY, NOW, **{"rule_set": "nelson_1_2_3", "basis": "p", **told})


def test_a_new_roll_ends_no_run_of_counts(plant):
    sent(plant, DEFECTS, np.arange(1, 31), np.full(30, 10.0))
    Point.objects.filter(stream=plant.streams[DEFECTS]).update(roll=1)
    Point.objects.filter(stream=plant.streams[DEFECTS], value__gt=1.5).update(roll=2)
    window = queries.window(plant.streams[DEFECTS], NOW - timedelta(days=2), NOW)
    assert (set(window.stage), list(window.n)) == ({0}, [10.0] * 30)


def test_nothing_is_trained_to_predict_a_count(plant):
    sent(plant, DEFECTS, np.arange(1, 31), np.full(30, 10.0))
    told = estimators.train(plant.coater, since=NOW - timedelta(days=2), until=NOW, actor="test", now=NOW)
    assert not any(key.startswith(("pinholes", "cells")) for key in (*told.metrics, *told.refused))


def test_a_rate_beyond_the_specification_is_believed_and_called(plant):
    plant.recipe.content["specs"]["coater.pinholes"] = {"lower": None, "target": 0.1, "upper": 0.5}
    plant.recipe.save()
    sent(plant, DEFECTS, [1, 30], [10.0, 10.0])
    told = Point.objects.filter(stream=plant.streams[DEFECTS]).order_by("at").values_list("value", "quality", "rules")
    assert list(told) == [(0.1, Quality.GOOD, 0), (3.0, Quality.GOOD, Rule.OUT_OF_SPEC)]
