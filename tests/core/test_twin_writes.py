"""The machine takes a command once, wholly or not at all, and only from the present holder of the lease."""

from __future__ import annotations

import math

import pytest

from control.core.exchange import WriteCommand
from control.core.twin.line import UnknownEquipment
from control.core.twin.scenario import Event
from tests.core.twins import START, run, still_line


def command(command_id="c1", fence=1, **values):
    return WriteCommand(command_id, fence, values)


def pump(line):
    return line.read_back("coater", ["pump_top"], START)["pump_top"].value


def test_a_set_point_is_taken_at_once_and_ramped_to():
    line = still_line()
    assert line.write("coater", command(pump_top=66.0), START).code == "applied"
    assert pump(line) == 66.0
    seen = [scan.readings()["pump_top"].value for scan in run(line, 6) if scan.equipment == "coater"]
    assert seen == pytest.approx([63.0, 64.0, 65.0, 66.0, 66.0, 66.0])


def test_a_value_beyond_the_machine_limit_is_clamped_and_the_answer_says_so():
    line = still_line()
    ack = line.write("coater", command(pump_top=110.0), START)
    assert (ack.accepted, ack.code, dict(ack.values)) == (True, "clamped", {"pump_top": 82.0})
    assert pump(line) == 82.0


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"pump_top": 121.0}, "out_of_range"),
        ({"pump_top": -1.0}, "out_of_range"),
        ({"pump_top": math.nan}, "out_of_range"),
        ({"pump_top": math.inf}, "out_of_range"),
        ({"no_such_tag": 1.0}, "unknown_tag"),
        ({"solids": 70.0}, "not_writable"),
        ({}, "empty"),
    ],
)
def test_a_command_it_cannot_follow_is_refused_with_the_reason(values, code):
    line = still_line()
    ack = line.write("coater", WriteCommand("c1", 1, values), START)
    assert (ack.accepted, ack.code, dict(ack.values)) == (False, code, {})


def test_one_bad_value_refuses_the_whole_bundle():
    line = still_line()
    assert not line.write("coater", command(pump_top=62.5, bolt_top_1=2000.0), START).accepted
    assert pump(line) == 62.0


def test_a_machine_in_local_mode_takes_nothing_and_says_so_until_it_is_back():
    line = still_line()
    line.disturb(Event("remote_off", duration_s=30))
    assert line.write("coater", command(pump_top=62.5), START).code == "remote_off"
    assert run(line, 1)[0].readings()["remote_mode"].value == 0.0
    run(line, 30)
    assert line.write("coater", command("c2", pump_top=62.5), START).accepted
    assert run(line, 1)[0].readings()["remote_mode"].value == 1.0


def test_a_repeated_command_gets_the_same_answer_and_is_not_done_again():
    line = still_line()
    first = line.write("coater", command("c1", pump_top=62.5), START)
    line.write("coater", command("c2", pump_top=61.0), START + 1)
    assert line.write("coater", command("c1", pump_top=62.5), START + 2) == first
    assert pump(line) == 61.0
    assert [entry.ack.command_id for entry in line.take_unlogged()] == ["c1", "c2"]


def test_a_refusal_is_remembered_too():
    line = still_line()
    line.disturb(Event("remote_off", duration_s=5))
    refused = line.write("coater", command(pump_top=62.5), START)
    run(line, 10)
    assert line.write("coater", command(pump_top=62.5), START + 10) == refused


def test_a_command_id_with_other_values_is_refused():
    line = still_line()
    line.write("coater", command(pump_top=62.5), START)
    assert line.write("coater", command(pump_top=62.6), START).code == "id_reused"
    assert pump(line) == 62.5


def test_a_lower_fence_than_seen_on_the_line_is_refused_on_every_equipment():
    line = still_line()
    line.write("coater", command("c1", fence=7, pump_top=62.5), START)
    assert line.write("coater", command("c2", fence=6, pump_top=61.0), START).code == "stale_fence"
    assert line.write("press", command("c3", fence=6, line_force=655.0), START).code == "stale_fence"
    assert line.write("coater", command("c4", fence=7, pump_top=62.1), START).accepted
    assert line.write("press", command("c5", fence=8, line_force=655.0), START).accepted
    assert pump(line) == 62.1


def test_a_command_refused_for_its_fence_may_be_sent_again_by_the_new_holder():
    line = still_line()
    line.write("coater", command("other", fence=2, pump_bottom=62.5), START)
    assert not line.write("coater", command("c1", fence=1, pump_top=62.5), START).accepted
    assert line.write("coater", command("c1", fence=2, pump_top=62.5), START).accepted


def test_a_refused_command_raises_the_fence_all_the_same():
    line = still_line()
    line.write("coater", command("c1", fence=9, no_such_tag=1.0), START)
    assert line.write("coater", command("c2", fence=8, pump_top=62.5), START).code == "stale_fence"


def test_every_decision_is_in_the_log_with_a_number_and_whether_it_was_applied():
    line = still_line()
    line.write("coater", command("c1", fence=2, pump_top=62.5), START)
    line.write("coater", command("c2", fence=1, pump_top=62.6), START)
    line.write("press", command("c3", fence=2, line_force=9999.0), START)
    log = [entry.to_json() for entry in line.take_unlogged()]
    assert [(e["number"], e["command_id"], e["applied"]) for e in log] == [
        (1, "c1", True),
        (2, "c2", False),
        (3, "c3", False),
    ]


def test_reading_back_a_tag_without_a_set_point_reads_missing():
    readings = still_line().read_back("coater", ["solids", "pump_top"], START)
    assert readings["solids"].value is None
    assert readings["pump_top"].value == 62.0


def test_an_unknown_equipment_is_an_error():
    with pytest.raises(UnknownEquipment):
        still_line().write("oven", command(pump_top=1.0), START)
