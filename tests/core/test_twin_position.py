"""A value belongs to a piece of foil, wherever the clock was when it was measured."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from control.core.exchange import WriteCommand
from control.core.twin.coater import mass_balance
from control.core.twin.scenario import Event
from control.core.types import MeasuredBy
from tests.core.twins import last, noisy_line, parameters, pieces, run, still_line


def encoder_of(scans, equipment):
    return {scan.at: (scan.roll, scan.web_m) for scan in scans if scan.equipment == equipment}


def test_a_gauge_value_names_the_piece_gauge_distance_behind_the_die():
    scans = run(still_line(), 300)
    encoder = encoder_of(scans, "coater")
    for piece in pieces(scans, "loading/2-top")[20:]:
        at_die = encoder[piece.taken_at][1]
        assert 60.0 <= at_die - piece.web_m + 1e-9 <= 61.0 + 1e-9  # up to one step of one metre before the scan


def test_a_step_is_seen_after_the_same_metres_at_any_speed():
    seen_after_m = []
    for speed in (60.0, 50.0, 70.0):
        line = still_line()
        line.write("coater", WriteCommand("speed", 1, {"line_speed": speed}), 0.0)
        run(line, 300)
        before = last(run(line, 60), "loading/1-top")
        line.disturb(Event("solids_step", size=0.01))
        at_m = line.encoder_m - line.rolls.start_m
        changed = [p for p in pieces(run(line, 150), "loading/1-top") if p.value > before * 1.0099]
        seen_after_m.append(changed[0].web_m - at_m)
    # the piece itself names where the step was; only the crossing of the head makes it late
    assert all(-1.5 <= late_m < 15.0 for late_m in seen_after_m)


def test_a_gauge_value_is_the_mass_balance_of_its_own_metre_while_the_speed_changes():
    line = still_line()
    line.write("coater", WriteCommand("slow", 1, {"line_speed": 40.0}), 0.0)
    scans = run(line, 200)
    at_die = [(scan.web_m, scan.readings()) for scan in scans if scan.equipment == "coater"]
    metres = [web_m for web_m, _ in at_die]
    loading = [made_of(readings) for _, readings in at_die]
    here = [piece for piece in pieces(scans, "loading/3-bottom") if piece.roll == 1 and piece.web_m > metres[0]]
    assert min(piece.web_m for piece in here) < 15.0  # some were made while the line was braking
    for piece in here:
        assert piece.value == pytest.approx(np.interp(piece.web_m, metres, loading), rel=1e-4)


def made_of(readings) -> float:
    density, solids, rpm, speed = (
        readings[tag].value for tag in ("slurry_density", "solids", "pump_bottom", "line_speed")
    )
    return mass_balance(density, solids / 100, rpm * parameters().coater.flow_ml_per_rpm, 1.2, speed)


def test_each_lane_is_seen_once_a_crossing():
    scans = run(still_line(), 600)
    times = [piece.taken_at for piece in pieces(scans, "loading/2-top")]
    assert len(times) == pytest.approx(600 / (1.4 / 0.3), abs=1)
    assert all(between <= 7.0 for between in (b - a for a, b in pairwise(times)))


def test_the_press_names_the_same_piece_by_the_same_roll_and_metre():
    line = still_line(roll_length_m=200.0)
    scans = run(line, 700)
    coater, press = encoder_of(scans, "coater"), encoder_of(scans, "press")
    assert line.rolls.number == 4
    for at, (roll, web_m) in press.items():
        ahead_roll, ahead_m = coater[at]
        assert (ahead_roll - roll) * 200.0 + ahead_m - web_m == pytest.approx(120.0, abs=5.0)


def test_a_lab_sample_is_cut_at_the_end_of_a_roll_and_comes_ten_to_sixty_minutes_later():
    line = still_line(roll_length_m=300.0)
    scans = run(line, 5000)
    samples = [
        (scan.at - piece.taken_at, piece)
        for scan in scans
        for piece in scan.measurements
        if piece.by is MeasuredBy.LAB and piece.stream == "loading/1-top"
    ]
    assert len(samples) >= 4
    assert all(600 <= late_s <= 3601 for late_s, _ in samples)
    assert all(piece.web_m == pytest.approx(299.0, abs=2.0) for _, piece in samples)
    assert len({piece.roll for _, piece in samples}) == len(samples)


def test_a_stopped_web_does_not_move_and_is_not_measured():
    line = still_line()
    run(line, 60)
    line.disturb(Event("line_stop", duration_s=120))
    run(line, 30)
    scans = run(line, 60)
    assert len({scan.web_m for scan in scans if scan.equipment == "coater"}) == 1
    assert not pieces(scans, "loading/1-top")
    assert {scan.readings()["line_state"].value for scan in scans} == {0.0}


def test_a_restart_leaves_a_thick_piece_and_then_settles():
    line = still_line()
    run(line, 60)
    line.disturb(Event("line_stop", duration_s=60))
    values = [p.value for p in pieces(run(line, 400), "loading/1-top")]
    assert max(values) > 20.4
    assert values[-1] == pytest.approx(20.0, abs=0.01)


def test_a_splice_begins_a_roll_at_metre_zero():
    line = still_line()
    run(line, 100)
    line.disturb(Event("splice"))
    scan = run(line, 1)[0]
    assert (scan.roll, round(scan.web_m, 6)) == (2, 1.0)


def test_a_crawling_line_does_not_grow_its_memory_of_the_foil():
    line = noisy_line()
    line.write("coater", WriteCommand("crawl", 1, {"line_speed": 20.0}), 0.0)
    run(line, 3000)
    assert len(line.coater_station.foil.pieces) < 1000
