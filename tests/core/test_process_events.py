"""Each kind of event does exactly what its row of the table says, by the foil it concerns."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.core import interventions
from control.core.loop import Machine, State, run
from control.core.policy import Reason
from control.core.process_events import BREAKING, LATE_S, TABLE, Bias, Effect, Event, Kind, Watched
from control.core.r2r.disturbance import belief
from control.core.state import LoopState, StreamState
from control.core.types import Measured, Quality, Rule
from tests.core.tiny_line import BOLTS, LOOP, STREAMS, TAGS, TARGET, TinyLine, joined, live, measured
from tests.core.tiny_line import machine as tiny_machine
from tests.trials import seeds

HELD = LoopState(
    cvs=LOOP.cvs,
    mvs=tuple(mv.tag for mv in LOOP.mvs),
    gains=LOOP.gains,
    disturbance=(0.4, 0.3, 0.2, 0.1),
    trend=(0.4, 0.3, 0.2, 0.1),
    drift=(0.01, 0.02, 0.03, 0.04),
)
ROOM = TAGS.index("room")
CHARTED = tuple(replace(stream, chart=replace(stream.chart, sigma=0.05)) for stream in STREAMS)


def watching(machine: Machine, *watched: Watched) -> Machine:
    return Machine(machine.key, machine.tags, machine.streams, machine.estimator, machine.loops, watched=watched)


def one(made_s: float, value: float, stream: int = 0) -> Measured:
    """What the gauge says of the foil made at that second, a minute later."""
    return measured([(made_s + 60.0, 1, made_s + 1.0, stream, value)])


# What the table says


@pytest.mark.parametrize("kind", Kind)
def test_a_loop_is_left_as_the_table_says(machine, kind):
    event, does = Event(kind, 10.0), TABLE[kind]
    left = interventions.treated(machine, LOOP, replace(HELD, waiting=(event,)), [event])
    known = belief(left)
    assert np.isnan(known.level).all() == (does.level is Effect.RESET)
    assert does.level is Effect.RESET or left.disturbance == HELD.disturbance
    assert (left.drift == ()) == (does.drift is Effect.RESET)
    assert does.drift is Effect.RESET or left.drift == HELD.drift
    raised = does.uncertainty if np.isfinite(does.uncertainty) else 0.0
    assert known.uncertainty.tolist() == [raised] * 4
    assert left.waiting == ()


@pytest.mark.parametrize("kind", Kind)
def test_a_stream_is_left_as_the_table_says(machine, kind):
    does = TABLE[kind]
    streams = {stream.key: StreamState() for stream in STREAMS}
    state = interventions.await_measured(machine, State(at_s=100.0, streams=streams), [Event(kind, 100.0)])
    values = one(110.0, TARGET)
    stream = interventions.after_measured(machine, state.streams, values, np.array([110.0]))["loading/1"]
    assert stream.stage_s == (100.0 if does.breaks_stage else None)
    assert stream.relearned == (0 if does.bias is Bias.RELEARN else None)
    assert stream.waiting == ()


def test_what_must_be_learned_anew_is_charted_anew_too():
    assert {kind for kind, does in TABLE.items() if does.bias is Bias.RELEARN} < BREAKING


@pytest.mark.parametrize(("uncertainty", "share"), [(9.0, 0.9)])
def test_a_raised_uncertainty_is_what_the_next_value_counts(machine, uncertainty, share):
    assert TABLE[Kind.BATCH_CHANGE].uncertainty == uncertainty
    assert uncertainty / (1 + uncertainty) == pytest.approx(share)


def test_an_event_of_one_side_leaves_the_other_alone(machine):
    sides = tuple(
        replace(stream, key=f"{stream.key}-{'top' if i < 2 else 'bottom'}") for i, stream in enumerate(STREAMS)
    )
    loop = replace(LOOP, cvs=tuple(stream.key for stream in sides))
    both = Machine("coater", TAGS, sides, None, (loop,))
    event = Event(Kind.MAINTENANCE, 10.0, "top")
    left = interventions.treated(both, loop, replace(HELD, cvs=loop.cvs, waiting=(event,)), [event])
    assert left.disturbance == (None, None, 0.2, 0.1)
    waiting = interventions.await_measured(both, State(at_s=0.0), [event]).streams
    assert [bool(waiting[s.key].waiting) for s in sides if s.key in waiting] == [True, True]


# Seen in the trace


def test_every_change_of_a_watched_tag_is_an_event_and_the_first_value_is_none(machine):
    line = TinyLine(1)
    for second in range(20):
        line.step()
        line.rows[-1][ROOM] = float("nan") if second == 9 else 41.0 + (second >= 10)
    on = watching(machine, Watched("room", Kind.BATCH_CHANGE, "top"))
    found, held = interventions.notice(on, State(), line.trace(), np.ones(20, bool))
    assert [tuple(seen) for seen in found] == [((Kind.BATCH_CHANGE, 10.0, "top"), "room", 41.0, 42.0)]
    assert held == {"room": 42.0, "roll number": 1.0}
    again = interventions.notice(on, State(at_s=19.0, watched=held), line.trace(), np.ones(20, bool))
    assert again == ([], held)


def test_a_tag_that_tells_of_two_kinds_of_event_is_refused(machine):
    with pytest.raises(ValueError, match="room tells of more than one kind"):
        watching(machine, Watched("room", Kind.BATCH_CHANGE), Watched("room", Kind.FILTER_CHANGE))


def test_a_change_across_a_hole_in_the_record_is_seen(machine):
    line = TinyLine(1)
    for _ in range(3):
        line.step()
        line.rows[-1][ROOM], line.roll = 42.0, 2
    on = watching(machine, Watched("room", Kind.FILTER_CHANGE))
    state = State(at_s=-500.0, watched={"room": 41.0, "roll number": 1.0})
    found, _ = interventions.notice(on, state, line.trace(), np.ones(3, bool))
    assert [(seen.event.kind, seen.event.at_s) for seen in found] == [
        (Kind.FILTER_CHANGE, 0.0),
        (Kind.ROLL_CHANGE, 1.0),
    ]


# Charts


def charted(machine, values, *events):
    """Rules broken by (made_s, value) of the first stream, second by second, with events at their instants."""
    on = Machine("coater", TAGS, CHARTED, machine.estimator)
    line, state, rules = TinyLine(3, disturbed=False), State(), []
    told = dict(values)
    for second in range(int(max(told)) + 62):
        line.step()
        gauge = one(second - 60.0, told[second - 60.0]) if second - 60.0 in told else Measured.none()
        trace = line.trace(last=200)
        happened = [event for event in events if event.at_s == second]
        found = run(on, state, trace, trace.at_s == second, gauge, happened)
        state = State.from_json(found.state.to_json())
        rules.extend(found.judged.rules.tolist())
    return rules, state.streams["loading/1"]


ONE_SIDE = [(5.0 * i, TARGET + 0.04) for i in range(1, 12)]


def test_a_run_is_not_carried_over_an_event_that_breaks_the_stage(machine):
    unbroken, _ = charted(machine, ONE_SIDE)
    assert any(rule & Rule.RUN_ONE_SIDE for rule in unbroken)
    broken, stream = charted(machine, ONE_SIDE, Event(Kind.BATCH_CHANGE, 27.0))
    assert not any(rule & Rule.RUN_ONE_SIDE for rule in broken)
    assert (stream.chart.count, stream.stage_s) == (6, 27.0)
    spliced, _ = charted(machine, ONE_SIDE, Event(Kind.SPLICE, 27.0))
    assert spliced == unbroken


def test_a_moving_range_does_not_reach_over_an_event(machine):
    values = [(10.0, TARGET - 0.1), (20.0, TARGET + 0.1)]
    rules = replace(CHARTED[0].chart.rules, rules=Rule.MOVING_RANGE)
    on = Machine(
        "coater", TAGS, tuple(replace(s, chart=replace(s.chart, rules=rules)) for s in CHARTED), machine.estimator
    )
    for event, expected in (((), Rule.MOVING_RANGE), ((Event(Kind.FILTER_CHANGE, 15.0),), 0)):
        line = TinyLine(3, disturbed=False)
        for _ in range(90):
            line.step()
        gauge = joined([one(made_s, value) for made_s, value in values])
        found = run(on, State(), line.trace(), np.ones(90, bool), gauge, event)
        assert found.judged.rules[1] & Rule.MOVING_RANGE == expected


def test_foil_of_before_the_event_that_is_measured_after_it_belongs_to_the_old_stage(machine):
    rules, stream = charted(machine, ONE_SIDE, Event(Kind.BATCH_CHANGE, 56.0))
    assert any(rule & Rule.RUN_ONE_SIDE for rule in rules)
    assert (stream.chart.count, stream.stage_s, len(stream.waiting)) == (11, None, 1)


# The model's bias


def jump(line):
    line.lost = 0.012  # a filter that takes more than the old one: no tag shows it


def after_jump(machine, settled, seed, told, seconds=100):
    """How far predictions are off the foil, second by second after a jump, and what the loop says."""
    line, state = settled(seed)
    errors, reasons, quality = [], [], []
    jump(line)
    event = Event(Kind.FILTER_CHANGE, float(line.at_s))
    for second in range(seconds):
        line.step()
        trace = line.trace(last=200)
        events = [event] if told and second == 0 else []
        found = run(machine, state, trace, trace.at_s == line.at_s - 1, line.gauge(line.at_s - 1), events)
        state = found.state
        errors.append(np.abs(found.predictions.value[-1] - line.loading[-1]).max())
        quality.append(found.predictions.quality[-1].max())
        reasons.extend(note.reason.value for note in found.notes)
    return np.array(errors), np.array(quality), reasons


@pytest.mark.parametrize("seed", seeds([5], more=6))
def test_a_jump_that_no_tag_shows_is_learned_from_the_first_foil_measured_after_it(machine, settled, seed):
    told, quality, reasons = after_jump(machine, settled, seed, told=True)
    untold, *_ = after_jump(machine, settled, seed, told=False)
    learned = slice(68, 80)  # the foil of the jump reaches the gauge after 60 s, each lane is read every 4 s
    assert told[learned].mean() < 0.7 * untold[learned].mean()
    assert (quality[1:60] == Quality.DOUBTFUL).all()
    assert (quality[75:] == Quality.GOOD).all()
    assert set(reasons[1:60]) == {"process_event"}
    assert "process_event" not in reasons[80:]


def test_foil_made_before_the_event_teaches_the_new_bias_nothing(machine, settled):
    line, state = settled()
    before = state.streams["loading/1"].bias
    now = float(line.at_s - 1)
    state = interventions.await_measured(machine, state, [Event(Kind.FILTER_CHANGE, now - 50.0)])
    trace = line.trace(last=200)
    values = joined([one(now - 55.0, 19.9), one(now - 45.0, 19.9), one(now - 52.0, 19.9)])
    values = replace(values, at_s=np.array([now, now + 1, now + 2]))
    found = run(machine, state, trace, np.zeros(len(trace), bool), part(values, [0]))
    assert found.state.streams["loading/1"].relearned is None
    learned = run(machine, found.state, trace, np.zeros(len(trace), bool), part(values, [1]))
    assert learned.state.streams["loading/1"].relearned == 1
    assert abs(learned.judged.error[0]) > 0
    again = run(machine, learned.state, trace, np.zeros(len(trace), bool), part(values, [2]))
    assert again.state.streams["loading/1"].bias == learned.state.streams["loading/1"].bias != before


def part(values: Measured, chosen: list[int]) -> Measured:
    names = ("at_s", "roll", "web_m", "stream", "value", "quality", "by")
    return Measured(**{name: getattr(values, name)[chosen] for name in names})


@given(st.floats(0.01, 1.0))
@settings(max_examples=30, deadline=None)
def test_values_of_a_new_stage_are_averaged_until_the_usual_weight_is_more(weight):
    relearned, shares = 0, []
    while relearned is not None:
        share, relearned = interventions.share_of(relearned, weight)
        shares.append(share)
    assert shares == [max(weight, 1 / (n + 1)) for n in range(len(shares))]
    assert interventions.share_of(None, weight) == (weight, None)


def test_another_model_does_not_forget_what_waits_to_be_measured(trained, machine, settled):
    line, state = settled(seconds=120)
    event = Event(Kind.FILTER_CHANGE, float(line.at_s))
    found = live(line, machine, interventions.await_measured(machine, state, [event]))
    other = tiny_machine(replace(trained, contents=dict(list(trained.contents.items())[:2])), loops=())
    trace = line.trace(last=150)
    kept = run(other, found.state, trace, np.zeros(len(trace), bool), Measured.none()).state
    assert kept.streams["loading/1"].waiting == (event,)


# The loops


def relearning(machine: Machine, relearned: int | None) -> State:
    stream = StreamState(bias=0.5, relearn_s=170.0, relearned=relearned)
    return State(at_s=180.0, estimator="another", streams={STREAMS[0].key: stream})


@pytest.mark.parametrize("relearned", [0, 1, 5, None])
def test_a_bias_that_is_being_relearned_is_relearned_by_another_model_from_the_start(machine, settled, relearned):
    line = settled(seconds=200)[0]
    trace = line.trace()
    found = run(machine, relearning(machine, relearned), trace, trace.at_s > 180, Measured.none())
    left = found.state.streams[STREAMS[0].key]
    assert (left.bias, left.relearn_s, left.relearned) == (0.0, 170.0, None if relearned is None else 0)
    quality = Quality.GOOD if relearned is None else Quality.DOUBTFUL
    assert (found.predictions.quality[:, 0] == int(quality)).all()


@pytest.mark.parametrize("changed", ["gains", "model"])
def test_what_waits_at_a_loop_outlives_other_gains_and_another_model(machine, settled, changed):
    line = settled(seconds=200)[0]
    trace, event = line.trace(), Event(Kind.BATCH_CHANGE, 195.0)
    gains = tuple(tuple(1.1 * gain for gain in row) for row in LOOP.gains)
    held = replace(HELD, gains=gains if changed == "gains" else HELD.gains, waiting=(event,))
    model = "another" if changed == "model" else machine.estimator.hash
    state = State(at_s=197.0, estimator=model, loops={LOOP.key: held})
    found = run(machine, state, trace, trace.at_s > 197, Measured.none())
    left = found.state.loops[LOOP.key]
    assert left.waiting == (event,)
    assert [note.reason for note in found.notes] == [Reason.PROCESS_EVENT]
    assert left.gains == LOOP.gains
    assert left.disturbance == (None,) * 4


def test_inputs_that_hold_foil_of_both_sides_teach_a_loop_nothing(machine, settled):
    line, state = settled()
    held = state.loops["loading"].disturbance
    event = Event(Kind.BATCH_CHANGE, float(line.at_s))
    line.solids *= 1.01
    window_s = int(machine.estimator.window_s)
    for second in range(window_s + 1):
        line.step()
        trace = line.trace(last=200)
        found = run(machine, state, trace, trace.at_s == line.at_s - 1, Measured.none(), [event] if not second else [])
        state = found.state
        if second < window_s:
            assert state.loops["loading"].disturbance == held
            assert [note.reason for note in found.notes] == ["process_event"]
    jumped = np.array(state.loops["loading"].disturbance) - np.array(held)
    assert jumped == pytest.approx(0.9 * 0.01 * TARGET, rel=0.25)
    assert state.loops["loading"].waiting == ()


def test_an_event_told_late_acts_at_once_and_one_told_much_later_not_at_all(machine, settled):
    line, state = settled()
    line.step()
    trace = line.trace(last=200)
    now = trace.at_s == line.at_s - 1
    late = run(machine, state, trace, now, Measured.none(), [Event(Kind.BATCH_CHANGE, line.at_s - 100.0)]).state
    assert late.loops["loading"].waiting == ()
    held, level = (np.array(one.loops["loading"].disturbance) for one in (state, late))
    alone = run(
        machine, State(at_s=state.at_s, estimator=state.estimator, streams=state.streams), trace, now, Measured.none()
    )
    seen = np.array(alone.state.loops["loading"].disturbance)
    assert level == pytest.approx(held + 0.9 * (seen - held))
    usual = run(machine, state, trace, now, Measured.none()).state
    history = run(machine, state, trace, now, Measured.none(), [Event(Kind.MAINTENANCE, line.at_s - 3 - LATE_S)]).state
    assert history == usual


def test_an_event_told_ahead_of_the_foil_waits_for_it(machine, settled):
    line, state = settled()
    event = Event(Kind.FILTER_CHANGE, line.at_s + 5.0)
    for second in range(7):
        line.step()
        trace = line.trace(last=200)
        found = run(machine, state, trace, trace.at_s == line.at_s - 1, Measured.none(), [event] if not second else [])
        state = found.state
        doubtful = (found.predictions.quality[-1] == Quality.DOUBTFUL).all()
        assert doubtful == (second >= 5)


# The state


def test_a_state_of_before_there_were_events_goes_on(machine, settled):
    _, state = settled(seconds=120)
    told = json.loads(state.to_json())
    del told["watched"]
    for item in told["streams"].values():
        for name in ("waiting", "stage_s", "relearn_s", "relearned"):
            del item[name]
    del told["loops"]["loading"]["waiting"]
    assert State.from_json(json.dumps(told)) == replace(state, watched={})


def test_waiting_events_survive_json():
    events = (Event(Kind.FILTER_CHANGE, 1.5, "top"), Event(Kind.SPLICE, 2.5))
    state = State(
        streams={"loading/1": StreamState(waiting=events, stage_s=1.0, relearn_s=0.5, relearned=1)},
        loops={"loading": replace(HELD, waiting=events)},
        watched={"batch_number": 41.0},
    )
    assert State.from_json(state.to_json()) == state


def test_second_by_second_and_all_at_once_come_to_the_same_over_events(machine):
    line = TinyLine(21)
    for second in range(400):
        if second == 180:
            jump(line)
        if second == 260:
            line.setting[BOLTS[0]] = 2.0
        line.step()
        line.rows[-1][ROOM] = 41.0 + (second >= 180)
    trace, gauge = line.trace(), joined([line.gauge(at_s) for at_s in range(400)])
    on = watching(machine, Watched("room", Kind.FILTER_CHANGE))
    whole = run(on, State(), trace, np.ones(400, bool), gauge)
    state, values, quality, rules = State(), [], [], []
    for second in range(400):
        seen = trace.between(0, second + 1)
        found = run(on, state, seen, seen.at_s == second, part(gauge, np.flatnonzero(gauge.at_s == second).tolist()))
        state = State.from_json(found.state.to_json())
        values.append(found.predictions.value)
        quality.append(found.predictions.quality)
        rules.extend(found.judged.rules)
    assert np.allclose(np.vstack(values), whole.predictions.value, atol=1e-9, equal_nan=True)
    assert (np.vstack(quality) == whole.predictions.quality).all()
    assert rules == list(whole.judged.rules)
    for key, stream in whole.state.streams.items():
        other = state.streams[key]
        assert (stream.stage_s, stream.relearn_s, stream.relearned) == (other.stage_s, other.relearn_s, other.relearned)
    level = [np.array(one.loops["loading"].disturbance) for one in (state, whole.state)]
    assert level[0] == pytest.approx(level[1], abs=1e-9)
