"""Scenarios: plain tables, checked, and repeated in a seeded way."""

from __future__ import annotations

import pytest

from control.core.twin.disturbances import COUNTERS, Disturbances
from control.core.twin.line import Line
from control.core.twin.scenario import Event, Scenario, ScenarioError, Schedule
from tests.core.twins import noisy_line, parameters, run, still_line, table

NAMES = ("demo", "shift", "quiet")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["cathode-1", "anode-1"])
def test_every_scenario_given_can_happen_on_every_line(name, key):
    Line(parameters(key), Scenario.from_dict(table(f"scenarios/{name}.toml")), seed=1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"event": [{"kind": "earthquake"}]}, "not a kind of event"),
        ({"event": [{"kind": "solids_step", "sizes": 1}]}, "sizes is not a field"),
        ({"event": [{"at_s": 5}]}, "kind"),
        ({"event": [{"kind": "solids_step", "size": "much"}]}, "much"),
        ({"event": [{"kind": "solids_step", "size": float("nan")}]}, "finite"),
        ({"event": [{"kind": "line_stop", "duration_s": -1}]}, "not negative"),
        ({"event": [{"kind": "pump_wear", "size": 0.01}]}, "side must be top or bottom"),
        ({"event": [{"kind": "gauge_bad"}]}, "equipment is missing"),
        ({"event": [{"kind": "splice", "at_s": 50}], "repeat_s": 40}, "ends before the last event"),
        ({"speed": 3}, "speed"),
    ],
)
def test_a_scenario_that_cannot_happen_is_refused_with_the_reason(wrong, says):
    with pytest.raises(ScenarioError, match=says):
        Scenario.from_dict(wrong)


def test_an_event_happens_in_the_step_that_reaches_its_time():
    line = still_line(scenario=Scenario(events=(Event("solids_step", at_s=3.0, size=0.01),)))
    solids = [scan.readings()["solids"].value for scan in run(line, 5) if scan.equipment == "coater"]
    assert solids == pytest.approx([70.0, 70.0, 70.0, 70.7, 70.7])


def test_rounds_repeat_with_other_sizes_the_same_for_the_same_seed():
    scenario = Scenario.from_dict(table("scenarios/demo.toml")).for_line("cathode-1")
    first, again = Schedule(scenario).due(0, 12000), Schedule(scenario).due(0, 12000)
    assert first == again
    rounds = [[e for e in first if n * 2400 <= e.at_s < (n + 1) * 2400] for n in range(5)]
    assert {len(events) for events in rounds} == {len(scenario.events)}
    assert len({tuple(e.size for e in events) for events in rounds}) == 5


def test_stepping_finds_every_event_once():
    schedule = Schedule(Scenario.from_dict(table("scenarios/demo.toml")).for_line("cathode-1"))
    stepped = [event for second in range(6000) for event in schedule.due(second, second + 1)]
    assert stepped == schedule.due(0, 6000)


def test_lines_do_not_share_their_events_or_their_chance():
    scenario = Scenario.from_dict(table("scenarios/demo.toml"))
    cathode, anode = scenario.for_line("cathode-1"), scenario.for_line("anode-1")
    assert cathode.seed != anode.seed
    assert cathode.events != anode.events


def test_the_demo_brings_a_solids_step_that_an_operator_may_correct_within_a_minute_of_its_start():
    first = Schedule(Scenario.from_dict(table("scenarios/demo.toml")).for_line("cathode-1")).due(0, 120)[0]
    assert first.kind == "solids_step"
    assert 0.005 < -first.size < 0.01
    assert 45 <= first.at_s <= 60


def test_a_restarted_scenario_begins_again_and_leaves_the_line_as_it_is():
    line = still_line(scenario=Scenario(events=(Event("solids_step", at_s=1.0, size=0.005),)))
    run(line, 5)
    line.restart_scenario()
    run(line, 5)
    assert line.disturbances.level["solids"] == pytest.approx(0.010)


def test_a_scenario_that_repeats_for_days_keeps_the_line_near_its_targets():
    scenario = Scenario.from_dict(table("scenarios/demo.toml")).for_line("cathode-1")
    disturbances = Disturbances(4)
    for event in Schedule(scenario).due(0, 7 * 86400):
        if event.kind != "sensor_stuck":
            disturbances.start(event)
            disturbances.step(3600)
            level = disturbances.level
            assert all(abs(level[name]) <= 0.0301 for name in level if name not in ("temperature", "crown"))
            assert abs(level["solids"]) <= 0.0121


def test_a_drift_grows_evenly_over_its_time():
    line = still_line()
    line.disturb(Event("temperature_drift", size=2.0, duration_s=100))
    run(line, 50)
    assert line.disturbances.level["temperature"] == pytest.approx(1.0)
    run(line, 100)
    assert line.disturbances.level["temperature"] == pytest.approx(2.0)


def test_a_machine_counts_its_batches_filters_and_services_exactly_and_goes_on_counting():
    events = (
        Event("solids_step", at_s=3.0, size=0.01),
        Event("filter_change", at_s=4.0, side="top"),
        Event("pump_service", at_s=5.0, side="bottom"),
        Event("solids_step", at_s=6.0, size=-0.01),
    )
    line = noisy_line(Scenario(events=events), seed=3)
    scans = [scan.readings() for scan in run(line, 8) if scan.equipment == "coater"]
    counted = {tag: [scan[tag].value for scan in scans] for tag in COUNTERS}
    assert counted["batch_number"] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert counted["filter_changes_top"] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert counted["pump_services_bottom"] == [0, 0, 0, 0, 0, 1, 1, 1]
    assert set(counted["filter_changes_bottom"] + counted["pump_services_top"]) == {0}
    again = noisy_line(Scenario(), seed=4)
    again.restore(line.snapshot())
    assert again.disturbances.count == line.disturbances.count
    earlier = line.snapshot()
    del earlier["disturbances"]["count"]
    again.restore(earlier)
    assert again.disturbances.count["batch_number"] == 2
