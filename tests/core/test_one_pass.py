"""One pass: what it predicts, believes, charts and remembers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from control.core.loop import Machine, State, StreamConfig, run
from control.core.types import Measured, MeasuredBy, Quality, Rule, Verdict
from tests.core.tiny_line import STREAMS, TAGS, TARGET, TinyLine, joined, live, measured
from tests.core.tiny_line import machine as machine_of

ARRAYS = ("value", "low", "high", "ri", "gsi", "culprit", "verdict", "quality")


def record(seconds=400, seed=11):
    line = TinyLine(seed)
    for _ in range(seconds):
        line.step()
    return line, line.trace(), joined([line.gauge(at_s) for at_s in range(seconds)])


def part(values: Measured, chosen) -> Measured:
    names = ("at_s", "roll", "web_m", "stream", "value", "quality", "by")
    return Measured(**{name: getattr(values, name)[chosen] for name in names})


def same(one: State, other: State):
    assert rounded(json.loads(one.to_json())) == rounded(json.loads(other.to_json()))


def rounded(value):
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return round(value, 7) if isinstance(value, float) else value


def test_second_by_second_and_all_at_once_come_to_the_same(machine):
    _, trace, gauge = record()
    whole = run(machine, State(), trace, np.ones(len(trace), bool), gauge)
    state, values, rules, errors = State(), [], [], []
    for second in range(len(trace)):
        seen = np.arange(len(trace)) <= second
        upto = type(trace)(*(getattr(trace, name)[seen] for name in ("at_s", "roll", "web_m", "values", "quality")))
        found = run(machine, state, upto, upto.at_s == second, part(gauge, gauge.at_s == second))
        state = State.from_json(found.state.to_json())
        values.append(found.predictions.value)
        rules.extend(found.judged.rules)
        errors.extend(found.judged.error)
    assert np.allclose(np.vstack(values), whole.predictions.value, atol=1e-9, equal_nan=True)
    assert rules == list(whole.judged.rules)
    assert np.allclose(errors, whole.judged.error, atol=1e-9, equal_nan=True)
    same(state, whole.state)


def test_a_late_gauge_value_is_paired_with_the_setting_that_made_it(machine):
    line = TinyLine(12, disturbed=False)
    for second in range(300):
        if second == 150:
            line.setting["pump"] *= 1.02
        line.step()
    late = [measured([(299.0, 1, metre, 0, float(line.loading[int(metre) - 1][0]))]) for metre in (120.0, 200.0)]
    before, after = (run(machine, State(), line.trace(), np.zeros(300, bool), one).judged for one in late)
    assert [*before.row, *after.row] == [119, 199]
    assert after.predicted[0] - before.predicted[0] == pytest.approx(0.02 * TARGET, rel=0.1)
    assert after.error[0] == pytest.approx(before.error[0], abs=0.05)


def test_late_snapshots_in_the_middle_are_predicted_and_teach_nothing(machine):
    _, trace, gauge = record()
    late = (trace.at_s >= 200) & (trace.at_s < 205)
    without = type(trace)(*(getattr(trace, n)[~late] for n in ("at_s", "roll", "web_m", "values", "quality")))
    before = run(machine, State(), without, np.ones(len(without), bool), gauge)
    after = run(machine, before.state, trace, late, Measured.none())
    assert list(after.predictions.row) == list(range(200, 205))
    assert np.isfinite(after.predictions.value).all()
    assert after.state == before.state
    assert not after.proposals


def test_a_gauge_value_older_than_the_last_one_moves_no_bias_and_enters_no_run(machine):
    _, trace, gauge = record()
    before = run(machine, State(), trace, np.ones(len(trace), bool), gauge)
    old = measured([(150.0, 1, 80.0, 0, 20.4)])
    after = run(machine, before.state, trace, np.zeros(len(trace), bool), old)
    assert after.state == before.state
    assert after.judged.quality[0] == Quality.DOUBTFUL
    assert after.judged.rules[0] == Rule.BEYOND_3_SIGMA
    assert np.isfinite(after.judged.error[0])


def test_a_first_call_with_a_single_snapshot_is_predicted_but_doubtful(machine):
    line = TinyLine(13)
    line.step()
    found = run(machine, State(), line.trace(), np.array([True]), Measured.none())
    assert np.isfinite(found.predictions.value).all()
    assert (found.predictions.quality == Quality.DOUBTFUL).all()
    assert (found.predictions.verdict == Verdict.MEASURE).all()
    assert found.notes[0].reason == "input_doubtful"


def test_an_empty_pass_changes_nothing(machine):
    empty = TinyLine(14)
    empty.rows.append([0.0] * len(TAGS))
    trace = empty.trace()
    trace = type(trace)(np.empty(0), np.empty(0, np.int64), np.empty(0), np.empty((0, 9)), np.empty((0, 9), np.int64))
    found = run(machine, State(), trace, np.empty(0, bool), measured([(1.0, 1, 5.0, 2, 20.0)]))
    assert len(found.predictions) == 0
    assert np.isnan(found.judged.predicted[0])
    assert found.judged.row[0] == -1


def test_without_an_estimator_nothing_is_predicted_and_what_is_measured_is_still_judged():
    _, trace, gauge = record()
    bare = machine_of(None)
    wild = joined([gauge, measured([(400.0, 1, 300.0, 1, 25.0)])])
    found = run(bare, State(), trace, np.ones(len(trace), bool), wild)
    assert len(found.predictions) == 0
    assert found.judged.rules[-1] & Rule.BEYOND_3_SIGMA
    assert found.judged.rules[-1] & Rule.OUT_OF_SPEC
    assert found.state.streams["loading/1"].chart.count > 50
    assert [note.reason for note in found.notes] == ["no_estimator"]


def test_an_equipment_without_loops_predicts_and_proposes_nothing(trained):
    _, trace, gauge = record()
    found = run(machine_of(trained, loops=()), State(), trace, np.ones(len(trace), bool), gauge)
    assert np.isfinite(found.predictions.value[50:]).all()
    assert not found.proposals
    assert not found.notes


def test_the_bias_follows_what_the_tags_do_not_show(machine):
    line, state = TinyLine(15, disturbed=False), State()
    line.drift = np.array([0.01, -0.01, 0.005, -0.005])
    for _ in range(400):
        found = live(line, machine, state)
        state = found.state
    biases = [state.streams[stream.key].bias for stream in STREAMS]
    model = found.predictions.value[-1] - biases
    assert np.abs(found.predictions.value[-1] - line.loading[-1]).max() < 0.06
    assert np.abs(model - line.loading[-1]).max() > 0.1


def test_a_wild_gauge_value_is_doubted_and_moves_no_bias(machine):
    _, trace, gauge = record()
    before = run(machine, State(), trace, np.ones(len(trace), bool), gauge).state
    wild = measured([(401.0, 1, 341.0, 2, 26.0)])
    after = run(machine, before, trace, np.zeros(len(trace), bool), wild)
    assert after.judged.quality[0] == Quality.DOUBTFUL
    assert after.judged.rules[0] & Rule.BEYOND_3_SIGMA
    assert after.state.streams["loading/3"].bias == before.streams["loading/3"].bias
    assert after.state.streams["loading/3"].chart == before.streams["loading/3"].chart


def test_two_wild_values_in_a_row_that_agree_are_believed(machine):
    _, trace, gauge = record()
    before = run(machine, State(), trace, np.ones(len(trace), bool), gauge).state
    wild = measured([(401.0, 1, 341.0, 2, 26.0), (405.0, 1, 345.0, 2, 26.1)])
    after = run(machine, before, trace, np.zeros(len(trace), bool), wild)
    assert list(after.judged.quality) == [Quality.DOUBTFUL, Quality.GOOD]
    assert after.state.streams["loading/3"].bias > before.streams["loading/3"].bias + 1.0


def test_two_wild_values_in_a_row_that_contradict_each_other_are_both_doubted(machine):
    _, trace, gauge = record()
    wild = measured([(401.0, 1, 341.0, 2, 26.0), (405.0, 1, 345.0, 2, 14.0)])
    found = run(machine, State(), trace, np.ones(len(trace), bool), joined([gauge, wild]))
    assert list(found.judged.quality[-2:]) == [Quality.DOUBTFUL, Quality.DOUBTFUL]


def test_a_neighbouring_lane_far_off_in_the_same_way_bears_witness(machine):
    _, trace, gauge = record()
    step = measured([(401.0, 1, 341.0, 1, 21.5), (402.0, 1, 342.0, 2, 21.6)])
    found = run(machine, State(), trace, np.ones(len(trace), bool), joined([gauge, step]))
    assert list(found.judged.quality[-2:]) == [Quality.DOUBTFUL, Quality.GOOD]


def test_bad_and_non_finite_values_are_kept_but_judge_nothing(machine):
    _, trace, gauge = record()
    bad = measured([(401.0, 1, 341.0, 2, 0.0), (402.0, 1, 342.0, 3, float("nan"))])
    bad = replace(bad, quality=np.array([int(Quality.BAD), int(Quality.MISSING)]))
    before = run(machine, State(), trace, np.ones(len(trace), bool), gauge).state
    after = run(machine, before, trace, np.zeros(len(trace), bool), bad)
    assert list(after.judged.rules) == [0, 0]
    assert list(after.judged.quality) == [Quality.BAD, Quality.MISSING]
    assert after.state == before


def test_a_lab_value_is_compared_but_charted_and_fed_back_only_where_the_stream_lives_on_it(machine):
    _, trace, gauge = record()
    before = run(machine, State(), trace, np.ones(len(trace), bool), gauge).state
    lab = measured([(500.0, 1, 300.0, 0, 20.1)], MeasuredBy.LAB)
    after = run(machine, before, trace, np.zeros(len(trace), bool), lab)
    assert np.isfinite(after.judged.error[0])
    assert after.state == before
    fed = tuple(replace(stream, feedback=MeasuredBy.LAB) for stream in STREAMS)
    by_lab = Machine("coater", TAGS, fed, machine.estimator)
    after = run(by_lab, before, trace, np.zeros(len(trace), bool), lab)
    assert after.state.streams["loading/1"].bias != before.streams["loading/1"].bias


def test_the_state_survives_json_and_another_version_is_refused(machine):
    _, trace, gauge = record()
    state = run(machine, State(), trace, np.ones(len(trace), bool), gauge).state.moved("loading", 399.0)
    assert State.from_json(state.to_json()) == state
    assert State.from_json("{}") == State()
    with pytest.raises(ValueError, match="version 7"):
        State.from_json(replace(state, version=7).to_json())


def test_new_limits_break_the_stage_and_another_model_drops_the_bias(trained, machine):
    _, trace, gauge = record()
    state = run(machine, State(), trace, np.ones(len(trace), bool), gauge).state
    moved = tuple(replace(stream, chart=replace(stream.chart, mean=19.9)) for stream in STREAMS)
    one = measured([(401.0, 1, 341.0, 2, 19.9)])
    after = run(Machine("coater", TAGS, moved, machine.estimator), state, trace, np.zeros(len(trace), bool), one).state
    assert after.streams["loading/3"].chart.count == 1
    other = machine_of(replace(trained, contents=dict(list(trained.contents.items())[:2])), loops=())
    after = run(other, state, trace, np.zeros(len(trace), bool), Measured.none()).state
    assert {kept.bias for kept in after.streams.values()} == {0.0}
    assert after.streams["loading/3"].chart == state.streams["loading/3"].chart


def test_a_new_stream_or_one_less_does_not_upset_a_kept_state(machine):
    _, trace, gauge = record()
    state = run(machine, State(), trace, np.ones(len(trace), bool), gauge).state
    wider = Machine("coater", TAGS, (*STREAMS[1:], StreamConfig("thickness/1")))
    found = run(wider, state, trace, np.zeros(len(trace), bool), measured([(401.0, 1, 300.0, 3, 80.0)]))
    assert set(found.state.streams) == {stream.key for stream in wider.streams}
