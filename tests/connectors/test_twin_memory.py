"""What a twin keeps over a restart: set-points, answers, roll and encoder, and never the same number twice."""

from __future__ import annotations

import json

import pytest

from control.connectors.base import ConnectorError, WriteCommand
from control.connectors.memory import UNSAVED_SEQUENCES, RetentiveMemory
from tests.connectors.plcs import RunningPlc
from tests.core.twins import START, noisy_line, run


def command(number, fence=1, **values):
    return WriteCommand(f"c{number}", fence, values or {"pump_top": 62.0 + number / 100})


def test_a_clean_end_and_a_new_start_go_on_where_it_was(folder):
    with RunningPlc(folder) as first:
        first.step(30)
        ack = first.connector().write(command(1))
    with RunningPlc(folder, seed=77) as second:
        second.step(1)
        assert [scan.sequence for scan in second.connector().read()] == [31]
        assert second.connector().write(command(1)) == ack
        assert second.hosted.line.encoder_m == pytest.approx(31.0, abs=0.5)
    assert not first.socket_path.exists()


def test_after_a_crash_no_command_is_forgotten_and_no_sequence_is_used_again(folder):
    memory = RetentiveMemory(folder, "cathode-1")
    line = noisy_line()
    run(line, 10)
    memory.save(line.snapshot(), clean=False)
    run(line, 20)
    line.write("coater", command(1, fence=5), START)
    memory.log(line.take_unlogged())
    last = line.stations["coater"].sequence

    again = noisy_line(seed=2)
    assert RetentiveMemory(folder, "cathode-1").restore(again)
    assert again.read_back("coater", ["pump_top"], START)["pump_top"].value == 62.01
    assert again.write("coater", command(2, fence=4), START).code == "stale_fence"
    assert again.stations["coater"].sequence == 10 + UNSAVED_SEQUENCES > last


def test_a_log_line_cut_off_by_a_crash_is_taken_away_and_the_next_is_whole(folder):
    memory = RetentiveMemory(folder, "cathode-1")
    line = noisy_line()
    line.write("coater", command(1), START)
    line.write("coater", command(2), START)
    memory.log(line.take_unlogged())
    whole = memory.log_path.read_bytes()
    memory.log_path.write_bytes(whole[:-20])

    again = noisy_line()
    memory.restore(again)
    assert again.read_back("coater", ["pump_top"], START)["pump_top"].value == 62.01
    again.write("coater", command(3), START)
    memory.log(again.take_unlogged())
    log = [json.loads(text) for text in memory.log_path.read_text().splitlines()]
    assert [(entry["number"], entry["command_id"]) for entry in log] == [(1, "c1"), (2, "c3")]


def test_a_log_longer_than_what_is_read_at_a_start_still_gives_the_latest(folder, monkeypatch):
    monkeypatch.setattr("control.connectors.memory.TAIL_BYTES", 1000)
    memory = RetentiveMemory(folder, "cathode-1")
    line = noisy_line()
    for number in range(50):
        line.write("coater", command(number), START)
    memory.log(line.take_unlogged())
    again = noisy_line()
    memory.restore(again)
    assert again.read_back("coater", ["pump_top"], START)["pump_top"].value == 62.49
    assert again.ledger.number == 50


def test_the_log_has_each_applied_command_once_however_often_it_was_sent(folder):
    with RunningPlc(folder) as running:
        for number in (1, 2, 1, 3, 2, 1):
            running.connector().write(command(number))
        log = running.hosted.memory.log_path.read_text().splitlines()
    assert [json.loads(text)["command_id"] for text in log] == ["c1", "c2", "c3"]


def test_a_command_is_in_the_log_before_it_is_answered(folder):
    with RunningPlc(folder) as running:
        order = []
        log = running.hosted.memory.log
        running.hosted.memory.log = lambda entries: order.append("logged") or log(entries)
        running.connector().write(command(1))
        order.append("answered")
    assert order == ["logged", "answered"]


def test_a_machine_that_cannot_log_goes_down_without_an_answer_and_without_having_done_it(folder):
    with RunningPlc(folder) as running:

        def full(entries):
            raise OSError(28, "No space left on device")

        running.hosted.memory.log = full
        with pytest.raises(ConnectorError) as caught:
            running.connector().write(command(1))
        assert caught.value.sent
    assert isinstance(running.failure, OSError)
    with RunningPlc(folder) as again:
        assert again.connector().read_back(["pump_top"])["pump_top"].value == 62.0


def test_a_state_is_replaced_whole_or_not_at_all(folder):
    memory = RetentiveMemory(folder, "cathode-1")
    memory.save(noisy_line().snapshot(), clean=True)
    kept = memory.state_path.read_text()
    with pytest.raises(ValueError, match="JSON"):
        memory.save({"bad": float("nan")}, clean=True)
    assert memory.state_path.read_text() == kept
