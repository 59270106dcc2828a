"""The twin over its real Unix socket: nothing measured is lost, nothing is done twice, nonsense is answered."""

from __future__ import annotations

import json
import math
import socket
import stat
import threading

import pytest

from control.connectors import UnknownConnector, open_connector, wire
from control.connectors.base import ConnectorError, ConnectorTimeout, WriteCommand
from control.connectors.plc import BACKLOG_SCANS
from control.connectors.twin import TwinConnector
from control.core.types import Quality
from tests.connectors.plcs import RunningPlc
from tests.core.twins import noisy_line, run


def sequences(scans):
    return [scan.sequence for scan in scans]


def test_what_is_read_is_what_the_line_made(plc):
    plc.step(20)
    assert plc.connector().read() == tuple(s for s in run(noisy_line(), 20) if s.equipment == "coater")
    assert plc.connector("press").read() == tuple(s for s in run(noisy_line(), 20) if s.equipment == "press")


def test_a_collector_that_dies_before_storing_reads_the_same_again(plc):
    plc.step(10)
    stored = plc.connector().read()[3].sequence
    plc.step(5)
    first = plc.connector().read(stored)
    assert first == plc.connector().read(stored)
    assert sequences(first) == list(range(5, 16))


def test_a_backlog_longer_than_one_answer_comes_whole_in_several(plc):
    plc.step(1200)
    connector, got = plc.connector(), []
    while batch := connector.read(got[-1].sequence if got else 0):
        assert len(batch) <= wire.SCANS_PER_READ
        got += batch
    assert sequences(got) == list(range(1, 1201))
    assert sum(len(scan.measurements) for scan in got) > 1000


def test_the_backlog_is_bounded_and_what_was_dropped_shows_as_a_gap(plc):
    plc.step(BACKLOG_SCANS + 50)
    assert sequences(plc.connector().read(10))[0] == 51


def test_a_sequence_never_reached_means_the_numbering_began_anew(plc):
    plc.step(3)
    assert sequences(plc.connector().read(28_800)) == [1, 2, 3]


def test_reading_waits_for_the_next_scan(plc):
    plc.step(1)
    connector, got = plc.connector(), []
    reader = threading.Thread(target=lambda: got.extend(connector.read(1, wait_s=9.0)))
    reader.start()
    while reader.is_alive():
        plc.step(1)
        reader.join(0.05)
    assert sequences(got)[0] == 2


def test_reading_without_news_gives_nothing(plc):
    plc.step(1)
    assert plc.connector().read(1) == ()
    assert plc.connector().read(1, wait_s=0.05) == ()


def test_nan_and_missing_travel_as_themselves(plc):
    connector = plc.connector()
    connector.disturb({"kind": "tags_nan", "equipment": "coater", "tags": ["solids"], "duration_s": 9})
    connector.disturb({"kind": "tags_missing", "equipment": "coater", "tags": ["viscosity"], "duration_s": 9})
    plc.step(1)
    readings = connector.read()[0].readings()
    assert math.isnan(readings["solids"].value)
    assert readings["solids"].quality is Quality.BAD
    assert (readings["viscosity"].value, readings["viscosity"].quality) == (None, Quality.MISSING)


def test_a_write_is_acknowledged_read_back_and_answered_the_same_when_repeated(plc):
    command = WriteCommand("c1", 4, {"pump_top": 62.5, "bolt_top_1": 502.0})
    ack = plc.connector().write(command)
    assert ack.accepted
    assert dict(ack.values) == dict(command.values)
    assert plc.connector().write(command) == ack
    readings = plc.connector().read_back(["pump_top", "bolt_top_1"])
    assert {tag: reading.value for tag, reading in readings.items()} == dict(command.values)
    assert plc.connector().write(WriteCommand("c2", 3, {"pump_top": 61.0})).code == "stale_fence"


def test_a_refusal_is_an_answer_and_not_an_error(plc):
    ack = plc.connector().write(WriteCommand("c1", 1, {"pump_top": 500.0}))
    assert (ack.accepted, ack.code) == (False, "out_of_range")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"hello\n", "not JSON"),
        (b"[1]\n", "JSON object"),
        (b'{"op":"read","address":"cathode-1/coater","since":NaN}\n', "NaN"),
        (b'{"op":"fly","address":"cathode-1/coater"}\n', "op must be one of"),
        (b'{"op":["read"],"address":"cathode-1/coater"}\n', "op must be one of"),
        (b'{"op":"read"}\n', "address"),
        (b'{"op":"read","address":"cathode-1/oven"}\n', "no equipment cathode-1/oven"),
        (b'{"op":"read","address":"cathode-1/coater","since":-1}\n', "since"),
        (b'{"op":"read","address":"cathode-1/coater","wait_s":1e400}\n', "wait_s must be finite"),
        (b'{"op":"write","address":"cathode-1/coater","command":{}}\n', "command must have"),
        (
            b'{"op":"write","address":"cathode-1/coater","command":{"command_id":"a","fence":1,"values":{"pump_top":1e999}}}\n',
            "pump_top must be finite",
        ),
        (
            b'{"op":"write","address":"cathode-1/coater","command":{"command_id":"a","fence":true,"values":{}}}\n',
            "fence must be a whole number",
        ),
        (b'{"op":"disturb","address":"cathode-1/coater","event":{"kind":["x"]}}\n', "texts"),
        (b"x" * (wire.REQUEST_BYTES + 10) + b"\n", "at most"),
        (b'{"a":' * 20_000 + b"\n", "not JSON|at most"),
    ],
)
def test_nonsense_is_answered_with_what_is_wrong_and_the_twin_lives_on(plc, line, says):
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(plc.socket_path))
        link.settimeout(10)
        link.sendall(line)
        answer = json.loads(link.makefile().readline())
    assert set(answer) == {"error"}
    assert any(part in answer["error"] for part in says.split("|"))
    plc.step(1)
    assert plc.connector().read()


def test_only_its_owner_may_open_the_socket(plc):
    assert stat.S_IMODE(plc.socket_path.stat().st_mode) == 0o600


def test_an_unknown_equipment_is_a_connector_error(plc):
    connector = TwinConnector(plc.socket_path, "cathode-1/oven")
    connector.open()
    with pytest.raises(ConnectorError, match="no equipment"):
        connector.read()


def test_without_a_twin_opening_fails_and_nothing_was_sent(folder):
    with pytest.raises(ConnectorError) as caught:
        open_connector({"kind": "twin", "address": "cathode-1/coater"}, folder)
    assert not caught.value.sent


def test_a_closed_connector_sends_nothing(plc):
    connector = plc.connector()
    connector.close()
    connector.close()
    with pytest.raises(ConnectorError) as caught:
        connector.write(WriteCommand("c1", 1, {"pump_top": 62.5}))
    assert not caught.value.sent
    assert plc.connector().read_back(["pump_top"])["pump_top"].value == 62.0


def test_a_silent_machine_is_a_timeout_of_unknown_outcome_and_closes_the_link(folder):
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(folder / "twin.sock"))
        deaf.listen()
        connector = TwinConnector(folder / "twin.sock", "cathode-1/coater", deadline_s=0.1)
        connector.open()
        with pytest.raises(ConnectorTimeout) as caught:
            connector.write(WriteCommand("c1", 1, {"pump_top": 62.5}))
    assert caught.value.sent
    with pytest.raises(ConnectorError, match="not open"):
        connector.read()


@pytest.mark.parametrize("answer", [b"[]\n", b"{}\n", b'{"result":{"tags":[],"scans":[[1]]}}\n', b"\xff\n", b""])
def test_a_machine_that_answers_nonsense_is_an_error_and_not_a_crash(folder, answer):
    with socket.socket(socket.AF_UNIX) as liar:
        liar.bind(str(folder / "twin.sock"))
        liar.listen()
        connector = TwinConnector(folder / "twin.sock", "cathode-1/coater", deadline_s=5)
        connector.open()
        link, _ = liar.accept()
        link.sendall(answer)
        link.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectorError):
            connector.read()
        link.close()


@pytest.mark.parametrize("config", [{}, {"kind": "opc"}, {"kind": "twin"}])
def test_a_connector_nobody_has_is_named(config, folder):
    with pytest.raises(UnknownConnector):
        open_connector(config, folder)


def test_the_registry_opens_the_twin_in_the_run_folder(plc):
    plc.step(2)
    connector = open_connector({"kind": "twin", "address": "cathode-1/press"}, plc.folder)
    assert sequences(connector.read()) == [1, 2]


def test_a_twin_left_alone_steps_by_itself(folder):
    with RunningPlc(folder, speed=200.0) as running:
        connector = running.connector()
        first = connector.read(wait_s=5.0)[-1].sequence
        assert sequences(connector.read(first, wait_s=5.0))[0] == first + 1


def test_a_twin_that_ends_while_clients_wait_for_news_tells_of_no_error(folder, caplog):
    with RunningPlc(folder) as running:
        waiting = [running.connector() for _ in range(3)]
        running.step(1)
        assert [sequences(one.read()) for one in waiting] == [[1]] * 3
    assert running.failure is None
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
