"""The ingest endpoints, spoken to as a gateway does: what is answered 200 is committed, everything else says why."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from asgiref.testing import ApplicationCommunicator

from apcweb import ingest as door
from control.actions import ingest
from control.actions.plant import new_token
from control.models import Intake, Measurement, SetAside, Snapshot
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "a-token-of-the-gateway"


@pytest.fixture(autouse=True)
def _own_desk():
    door._desk.cache_clear()
    yield
    if door._desk.cache_info().currsize:
        door._desk().pool.close()
    door._desk.cache_clear()


@pytest.fixture
def plant():
    plant = factories.plant()
    Intake.objects.create(equipment=plant.coater)
    new_token(plant.source, TOKEN, actor="test", now=factories.NOW)
    return plant


def at(i):
    return (datetime.now(UTC) - timedelta(minutes=30) + timedelta(seconds=i)).isoformat()


def row(i, **values):
    return {"equipment": "coater", "at": at(i), "sequence": i, "values": {"pump_top": 60.0, "web_position": i} | values}


def post(body, path="snapshots", content_type="application/json", token=TOKEN, method="POST", chunks=None, **headers):
    if not isinstance(body, bytes):
        body = json.dumps({"rows": body}).encode()
    sent = {"content-type": content_type, **({"authorization": f"Bearer {token}"} if token else {}), **headers}

    async def talk():
        scope = {
            "type": "http",
            "method": method,
            "path": f"/api/v1/ingest/{path}",
            "headers": [(key.replace("_", "-").encode(), value.encode()) for key, value in sent.items()],
        }
        talk = ApplicationCommunicator(door.application, scope)
        parts = chunks or [body]
        for i, part in enumerate(parts):
            await talk.send_input({"type": "http.request", "body": part, "more_body": i < len(parts) - 1})
        start = await talk.receive_output(30)
        content = await talk.receive_output(30)
        await talk.wait(5)
        return start["status"], json.loads(content["body"]), dict(start["headers"])

    return asyncio.run(talk())


def test_json_rows_are_stored_when_answered(plant):
    status, told, _ = post([row(1), row(2)])
    assert (status, told) == (200, {"stored": 2, "doubled": 0, "refused": 0, "errors": []})
    assert Snapshot.objects.count() == 2


def test_ndjson_keeps_the_good_lines_around_a_broken_one(plant):
    body = "\n".join([json.dumps(row(1)), "{broken", "", json.dumps(row(2))]).encode()
    status, told, _ = post(body, content_type="application/x-ndjson")
    assert (status, told["stored"]) == (200, 2)
    assert [(error["row"], error["code"]) for error in told["errors"]] == [(1, "unreadable")]
    assert SetAside.objects.get().row == '"{broken"'


def test_csv_has_a_column_a_tag_and_empty_cells_are_missing(plant):
    body = (
        f"equipment,at,sequence,pump_top,web_position,solids\r\ncoater,{at(1)},1,61.5,10,\r\ncoater,{at(2)},2,x,11,65\n"
    )
    status, told, _ = post(body.encode(), content_type="text/csv; charset=utf-8")
    assert (status, told["stored"], told["errors"][0]["code"]) == (200, 1, "not_a_number")
    stored = Snapshot.objects.get()
    assert (stored.values[0], stored.values[5], stored.quality[5]) == (61.5, None, 3)


def test_measurements_come_as_csv_too(plant):
    body = f"equipment,at,stream,value,by,roll,web_m\ncoater,{at(1)},loading/1-top,20.1,lab,7,12.5\n"
    status, told, _ = post(body.encode(), "measurements", "text/csv")
    assert (status, told["stored"]) == (200, 1)
    assert Measurement.objects.get().web_m == 12.5


@pytest.mark.parametrize("form", ["text/csv", "application/x-ndjson"])
def test_counts_come_with_the_size_of_their_sample(plant, form):
    plant.coater.characteristics.update(counted="defects")
    rows = [
        {"equipment": "coater", "at": at(i), "stream": "loading/1-top", "value": 3, "n": n}
        for i, n in enumerate((12.5, 0))
    ]
    body = "\n".join(map(json.dumps, rows))
    if form == "text/csv":
        body = "\n".join(["equipment,at,stream,value,n", *(",".join(map(str, row.values())) for row in rows)])
    status, told, _ = post(body.encode(), "measurements", form)
    assert (status, told["stored"], [error["code"] for error in told["errors"]]) == (200, 1, ["bad_n"])
    assert Measurement.objects.values_list("value", "n").get() == (3.0, 12.5)


def test_a_body_of_only_bad_rows_is_422_and_says_each(plant):
    status, told, _ = post([{}, row(1, nonsense=1.0)])
    assert status == 422
    assert [error["code"] for error in told["errors"]] == ["unknown_equipment", "unknown_tag"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"[1, 2]", "no_rows"),
        (b'{"rows": []}', "empty"),
        (b'{"rows": 1}', "no_rows"),
        (b"{", "not_json"),
        (b'{"rows": [' + b"9" * 5000 + b"]}", "not_json"),
        (b"[" * 100_000, "too_deep"),
        (b"\xff\xfe{}", "not_json"),
    ],
)
def test_a_body_that_cannot_be_read_is_400(plant, body, code):
    status, told, _ = post(body)
    assert (status, told["code"]) == (400, code)


def test_a_csv_header_must_name_each_column_once(plant):
    assert post(b"equipment,at,pump_top,pump_top\n", content_type="text/csv")[1]["code"] == "bad_header"
    assert post(b"pump_top\n1\n", content_type="text/csv")[1]["code"] == "bad_header"


def test_fifty_megabytes_are_refused_without_being_held(plant):
    assert post(b"{}", content_length=str(50 * 1024 * 1024))[0] == 413
    status, told, _ = post(b"", chunks=[b" " * 1024 * 1024] * 50)
    assert (status, told["code"]) == (413, "too_large")


def test_without_a_valid_token_nothing_is_read(plant):
    assert post([row(1)], token=None)[0] == 401
    status, _, headers = post([row(1)], token="guess")
    assert (status, headers[b"www-authenticate"]) == (401, b"Bearer")
    assert post([row(1)], authorization="Basic abc", token=None)[0] == 401
    assert not Snapshot.objects.exists()


def test_a_source_speaks_for_its_own_line_only(plant):
    factories.plant("anode-1", area=plant.area).coater.__class__.objects.filter(line__key="anode-1").update(key="other")
    assert post([row(1) | {"equipment": "other"}])[1]["errors"][0]["code"] == "unknown_equipment"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"content_type": "text/plain"}, 415),
        ({"content_type": "application/json; charset=euc-kr"}, 415),
        ({"content_encoding": "gzip"}, 415),
        ({"method": "GET"}, 405),
        ({"path": "snapshot"}, 404),
    ],
)
def test_what_is_not_offered_is_refused_by_its_code(plant, change, status):
    assert post([row(1)], **change)[0] == status


def test_too_many_at_once_are_told_to_come_back(plant, monkeypatch):
    monkeypatch.setattr(door, "MOST_AT_ONCE", 0)
    status, _, headers = post([row(1)])
    assert (status, headers[b"retry-after"]) == (429, b"1")


def test_a_database_that_is_away_is_503_with_retry_after(plant, monkeypatch):
    def away(*_, **__):
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(ingest, "store_batch", away)
    status, told, headers = post([row(1)])
    assert (status, told["code"], headers[b"retry-after"]) == (503, "database_away", b"1")


def test_the_same_body_again_is_200_and_all_doubled(plant):
    rows = [row(1), row(2)]
    post(rows)
    assert post(rows)[1]["doubled"] == 2
