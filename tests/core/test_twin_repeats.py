"""The same seed gives the same line, and a restored line goes on as if it had not stopped."""

from __future__ import annotations

import json

import pytest

from control.core.exchange import WriteCommand
from control.core.twin.line import Line
from control.core.twin.scenario import Event, Scenario
from tests.core.twins import START, noisy_line, parameters, run, still_line, table

SHIFT = Scenario.from_dict(table("scenarios/shift.toml"))
DEMO = Scenario.from_dict(table("scenarios/demo.toml"))


def test_the_same_seed_gives_the_same_scans():
    assert run(noisy_line(SHIFT, seed=5), 2000) == run(noisy_line(SHIFT, seed=5), 2000)


def test_another_seed_gives_other_noise():
    assert run(noisy_line(seed=5), 5) != run(noisy_line(seed=6), 5)


@pytest.mark.parametrize("stop_at", [1, 61, 997])
def test_a_restored_line_goes_on_like_one_that_never_stopped(stop_at):
    first = noisy_line(DEMO)
    first.write("coater", WriteCommand("a", 3, {"pump_top": 62.4, "bolt_top_1": 503.0}), START)
    first.disturb(Event("sensor_stuck", equipment="coater", tags=("solids",), duration_s=1500))
    first.disturb(Event("gauge_bias", equipment="press", size=0.01, duration_s=1500))
    run(first, stop_at)
    saved = json.loads(json.dumps(first.snapshot(), allow_nan=False))
    second = Line(parameters(), DEMO, seed=99)
    second.restore(saved)
    assert run(second, 600) == run(first, 600)
    assert second.snapshot() == first.snapshot()


def test_a_restored_line_keeps_set_points_roll_encoder_and_answers():
    first = noisy_line()
    ack = first.write("coater", WriteCommand("a", 3, {"pump_top": 62.4}), START)
    first.disturb(Event("splice"))
    run(first, 100)
    second = noisy_line(seed=2)
    second.restore(first.snapshot())
    assert second.read_back("coater", ["pump_top"], START)["pump_top"].value == 62.4
    assert (second.rolls.number, second.encoder_m) == (2, first.encoder_m)
    assert second.write("coater", WriteCommand("a", 3, {"pump_top": 62.4}), START + 50) == ack


def test_a_snapshot_of_another_line_is_refused():
    with pytest.raises(ValueError, match="cathode-1"):
        noisy_line().restore(still_line("anode-1").snapshot())


def test_what_the_log_knows_beyond_the_snapshot_is_taken_from_the_log():
    first = noisy_line()
    saved = first.snapshot()
    ack = first.write("press", WriteCommand("late", 4, {"line_force": 655.0}), START)
    second = noisy_line()
    second.restore(saved)
    second.replay_log(first.take_unlogged())
    assert second.read_back("press", ["line_force"], START)["line_force"].value == 655.0
    assert second.write("press", WriteCommand("late", 4, {"line_force": 655.0}), START + 9) == ack
    assert second.take_unlogged() == []


def test_sequence_numbers_grow_by_one_for_each_equipment():
    scans = run(noisy_line(), 50)
    for equipment in ("coater", "press"):
        assert [s.sequence for s in scans if s.equipment == equipment] == list(range(1, 51))
