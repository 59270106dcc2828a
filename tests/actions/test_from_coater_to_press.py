"""The press's pass gets the coater's loading of the same metre, lane by lane through the slitting map."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from control.actions import _upstream, machines, plant
from control.actions._window import Fresh
from control.actions.ingest import raw
from control.core.types import Measured, Trace
from control.models import Equipment, Point, Snapshot
from control.plantfile import PlantFileError, parse
from tests.core.twins import table
from tests.factories import NOW

pytestmark = pytest.mark.django_db
LANES = (1, 2, 3, 4)
COLUMNS = tuple(f"coater:loading/{lane}-{side}" for lane in LANES for side in ("bottom", "top"))


def document() -> dict:
    found = table("plants/cathode.toml")
    found["equipment"][1]["loop"][0]["feed_forward"] = [
        {
            "equipment": "coater",
            "streams": [[f"loading/{lane}-top", f"loading/{lane}-bottom"] for lane in LANES],
            "gains": [0.005] * 4,
        }
    ]
    found["equipment"][0]["loop"][0]["feed_forward"] = [{"tag": "solids", "gains": [0.286] * 4}]
    return found


@pytest.fixture
def line():
    return plant.store(parse(document()), actor="test", reason="", now=NOW)


def built(line, key: str) -> machines.Built:
    return machines.built(Equipment.objects.get(line=line.line, key=key).pk)


def test_a_plant_file_says_what_is_fed_forward_and_through_which_lanes(line):
    (loop,) = [loop for loop in built(line, "coater").machine.loops if loop.key == "loading-top"]
    assert loop.fed_tags == ("solids",)
    press = built(line, "press").machine
    (signal,) = press.loops[0].feed_forward
    assert (signal.name, signal.tags) == ("coater:loading", COLUMNS)
    assert press.tags[-8:] == COLUMNS
    assert np.array(signal.gains) == pytest.approx(0.005 * np.repeat(np.eye(4), 2, axis=1))


def test_a_stream_that_is_nowhere_in_the_plant_is_a_mistake():
    found = document()
    found["equipment"][1]["loop"][0]["feed_forward"][0]["streams"][2] = ["loading/9-top"]
    with pytest.raises(PlantFileError, match="coater:loading/9-top is not in this plant"):
        parse(found)
    found["equipment"][1]["loop"][0]["feed_forward"] = [
        {"tag": "line_force", "equipment": "coater", "gains": [1.0] * 4}
    ]
    with pytest.raises(PlantFileError, match="needs a tag, or an equipment with streams"):
        parse(found)


def coated(line, upto_m: int, roll: int = 7) -> None:
    """A metre a second through the coater; lane n-top weighs 20 + n + a thousandth of its metre."""
    coater = built(line, "coater")
    begin = NOW - timedelta(seconds=600)
    keys = [stream.key for stream in coater.machine.streams]
    for metre in range(upto_m):
        at = begin + timedelta(seconds=metre)
        Snapshot.objects.create(
            equipment_id=coater.equipment_id, source=line.source, at=at, received_at=at, sequence=metre,
            arrival=metre + 1, roll=roll, web_m=float(metre), values=[0.0], quality=[0],
        )  # fmt: skip
        Point.objects.bulk_create(
            Point(
                equipment_id=coater.equipment_id, stream_id=pk, seq=metre * 8 + i + 1, at=at, known_at=at, by=0,
                roll=roll, web_m=float(metre), value=20 + int(key[8]) * key.endswith("top") + metre / 1000,
                quality=0, verdict=0, rules=0,
            )
            for i, (pk, key) in enumerate(zip(coater.stream_ids, keys, strict=True))
        )  # fmt: skip


def at_the_nip(line, first_m: float, rows: int = 40, roll: int = 7) -> Fresh:
    tags = len(built(line, "press").tags)
    at_s = NOW.timestamp() - rows + 1 + np.arange(rows)
    trace = Trace(
        at_s, np.full(rows, roll), first_m + np.arange(rows), np.ones((rows, tags)), np.zeros((rows, tags), int)
    )
    nothing = np.empty(0)
    return Fresh(trace, np.arange(rows) == rows - 1, at_s, Measured.none(), nothing.astype(int), nothing)


def joined(line, fresh: Fresh) -> np.ndarray:
    found = _upstream.beside(raw(), built(line, "press").upstream, fresh)
    assert found.trace.values.shape[1] == len(built(line, "press").machine.tags)
    return found.trace.values[:, -8:]


def test_every_metre_at_the_nip_has_the_loading_it_had_at_the_die(line):
    coated(line, 200)
    columns = joined(line, at_the_nip(line, 100.5))
    metres = 100.5 + np.arange(40)
    for i, name in enumerate(COLUMNS):
        lane = int(name[15]) if name.endswith("top") else 0
        assert columns[:, i] == pytest.approx(20 + lane + metres / 1000)


def test_what_the_coater_has_not_said_yet_or_said_of_another_roll_is_missing(line):
    coated(line, 120)
    columns = joined(line, at_the_nip(line, 100.0))
    assert np.isfinite(columns[:20]).all()
    assert np.isnan(columns[21:]).all()
    assert np.isnan(joined(line, at_the_nip(line, 60.0, roll=8))).all()


def test_an_equipment_that_feeds_nothing_forward_asks_nothing(line, django_assert_num_queries):
    coater = built(line, "coater")
    fresh = at_the_nip(line, 0.0)
    with django_assert_num_queries(0):
        assert _upstream.beside(raw(), coater.upstream, fresh) is fresh
