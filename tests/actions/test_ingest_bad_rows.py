"""Bad rows are set aside with a reason; bad values get a quality mark; the good rows of the same body are stored."""

import json
import math
from datetime import timedelta

import pytest

from control.actions import ingest
from control.models import Intake, Measurement, SetAside, Snapshot
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db

AT = (NOW - timedelta(minutes=1)).isoformat()
GOOD = {"equipment": "coater", "at": AT, "sequence": 1, "values": {"pump_top": 61.0, "web_position": 10.0}}
PIECE = {"equipment": "coater", "at": AT, "sequence": 1, "stream": "loading/1-top", "value": 20.1}


@pytest.fixture
def plant():
    plant = factories.plant()
    Intake.objects.create(equipment=plant.coater)
    return plant


BAD_SNAPSHOTS = {
    "not_an_object": [1, "x", None, [], [[[[]]]]],
    "unknown_equipment": [GOOD | {"equipment": "press"}, GOOD | {"equipment": 7}, {}],
    "unknown_field": [GOOD | {"valuez": {}}],
    "stamp_missing": [GOOD | {"at": None}, {key: GOOD[key] for key in GOOD if key != "at"}],
    "stamp_unreadable": [GOOD | {"at": 12345}, GOOD | {"at": "yesterday"}, GOOD | {"at": "2026-02-30T00:00:00Z"}],
    "stamp_without_zone": [GOOD | {"at": "2026-11-21T10:00:00"}],
    "stamp_in_future": [GOOD | {"at": (NOW + timedelta(seconds=6)).isoformat()}, GOOD | {"at": "9999-12-31T23:59:59Z"}],
    "stamp_too_old": [GOOD | {"at": "1970-01-01T00:00:00Z"}, GOOD | {"at": "0001-01-01T00:00:00+14:00"}],
    "no_values": [GOOD | {"values": {}}, GOOD | {"values": [1]}],
    "unknown_tag": [GOOD | {"values": {"pump_topp": 1.0}}],
    "not_a_number": [GOOD | {"values": {"pump_top": "61"}}, GOOD | {"values": {"pump_top": [61]}}],
    "wrong_unit": [GOOD | {"values": {"pump_top": {"value": 61.0, "unit": "1/s"}}}],
    "bad_quality": [GOOD | {"values": {"pump_top": {"value": 61.0, "quality": 9}}}],
    "bad_number": [GOOD | {"sequence": odd} for odd in ("1", -1, 2**80)]
    + [GOOD | {"roll": odd} for odd in (-4, 2**53, 1e30)]
    + [GOOD | {"web_m": odd} for odd in (-1.0, 1e9, 9e99, math.nan)],
}
BAD_MEASUREMENTS = {
    "unknown_stream": [PIECE | {"stream": "loading/9-top"}, PIECE | {"stream": None}],
    "bad_by": [PIECE | {"by": "guess"}, PIECE | {"by": []}],
    "not_a_number": [PIECE | {"value": "20"}],
    "wrong_unit": [PIECE | {"unit": "g/m2"}],
    "bad_number": [PIECE | {"web_m": math.inf}, PIECE | {"web_m": -0.5}, PIECE | {"roll": 2**62}],
}


@pytest.mark.parametrize(("code", "row"), [(code, row) for code, rows in BAD_SNAPSHOTS.items() for row in rows])
def test_a_bad_snapshot_is_set_aside_with_its_reason_and_the_good_one_stored(plant, code, row):
    receipt = ingest.store(plant.source, [row, GOOD], now=NOW)
    assert (receipt.stored, [(r.row, r.code) for r in receipt.set_aside]) == (1, [(0, code)])
    kept = SetAside.objects.get()
    assert (kept.reason, kept.kind, kept.times) == (code, "snapshot", 1)
    assert kept.detail


@pytest.mark.parametrize(("code", "row"), [(code, row) for code, rows in BAD_MEASUREMENTS.items() for row in rows])
def test_a_bad_measurement_is_set_aside_with_its_reason_and_the_good_one_stored(plant, code, row):
    receipt = ingest.store(plant.source, (), [row, PIECE], now=NOW)
    assert (receipt.stored, [(r.row, r.code) for r in receipt.set_aside]) == (1, [(0, code)])


@pytest.mark.parametrize(
    ("value", "stored", "quality"),
    [
        (None, None, 3),
        (math.nan, None, 3),
        (math.inf, None, 2),
        (-math.inf, None, 2),
        (json.loads("1e400"), None, 2),
        (1e308, None, 2),
        (10**400, None, 2),
        (121.0, 121.0, 1),
        (-0.5, -0.5, 1),
        (120, 120.0, 0),
        (True, 1.0, 0),
        ({"value": 61.0, "unit": "rpm"}, 61.0, 0),
        ({"value": 61.0, "quality": 2}, 61.0, 2),
        ({"value": None, "quality": 2}, None, 2),
    ],
)
def test_a_value_that_cannot_be_believed_gets_a_quality_mark(plant, value, stored, quality):
    ingest.store(plant.source, [GOOD | {"values": {"pump_top": value, "web_position": 10.0}}], now=NOW)
    row = Snapshot.objects.get()
    assert (row.values[0], row.quality[0]) == (stored, quality)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("odd", [{"roll_number": 1e30}, {"roll_number": -5}, {"roll_number": 2**53}])
def test_a_roll_number_that_cannot_be_right_is_held_as_if_it_were_missing(plant, odd):
    _believe_every_tag(plant)
    _send_two(plant, {"roll_number": 7}, odd)
    assert list(Snapshot.objects.order_by("at").values_list("roll", flat=True)) == [7, 7]


@pytest.mark.parametrize("odd", [{"web_position": 1e9}, {"web_position": -1.0}, {"web_position": 9e99}])
def test_metres_that_cannot_be_right_are_held_as_if_they_were_missing(plant, odd):
    _believe_every_tag(plant)
    _send_two(plant, {"web_position": 10.0}, odd)
    assert list(Snapshot.objects.order_by("at").values_list("web_m", flat=True)) == [10.0, 10.0]


def _believe_every_tag(plant) -> None:
    """A plant file need not give a tag limits; then nothing else marks an odd reading."""
    plant.coater.tags.update(low=None, high=None)


def _send_two(plant, first: dict, then: dict) -> None:
    later = (NOW - timedelta(seconds=30)).isoformat()
    rows = [GOOD | {"values": first}, GOOD | {"at": later, "sequence": 2, "values": then}]
    assert ingest.store(plant.source, rows, now=NOW).stored == 2


def test_a_measured_value_that_is_no_number_is_kept_as_missing(plant):
    rows = [
        PIECE | {"value": math.nan},
        PIECE | {"value": 1e308, "sequence": 2},
        PIECE | {"value": None, "sequence": 3},
    ]
    ingest.store(plant.source, (), rows, now=NOW)
    assert list(Measurement.objects.order_by("sequence").values_list("value", "quality")) == [
        (None, 3),
        (None, 2),
        (None, 3),
    ]


def test_a_refused_row_is_kept_once_short_and_without_bytes_the_database_refuses(plant):
    hostile = {"equipment": "\x00\ud800" + "x" * 10_000}
    for _ in range(3):
        ingest.store(plant.source, [hostile, hostile], now=NOW)
    kept = SetAside.objects.get()
    assert kept.times == 3
    assert len(kept.row) <= 2000


def test_a_clock_five_seconds_ahead_is_believed(plant):
    row = GOOD | {"at": (NOW + timedelta(seconds=5)).isoformat()}
    assert ingest.store(plant.source, [row], now=NOW).stored == 1


def test_a_source_that_was_switched_off_may_send_nothing(plant):
    plant.source.is_active = False
    plant.source.save()
    with pytest.raises(LookupError):
        ingest.store(plant.source, [GOOD], now=NOW)
