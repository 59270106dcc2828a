"""A measured disturbance is acted on at once, under its own name, and never counted twice."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from control.core.loop import Machine, State, run
from control.core.machine import Actuator, LoopConfig, StreamConfig
from control.core.policy import Reason
from control.core.r2r import feedforward
from control.core.r2r.allocation import allocate
from control.core.r2r.disturbance import Seen, belief, stored
from control.core.r2r.feedforward import FeedForward
from control.core.r2r.schedule import Compaction
from control.core.state import LoopState
from control.core.twin.press import Press
from control.core.types import Measured, Trace
from control.core.vm.estimator import Estimator
from tests.core.tiny_line import LANES, LOOP, SOLIDS, TAGS, TARGET, TinyLine, live
from tests.core.twins import parameters

OF_SOLIDS = FeedForward("solids", ("solids",), ((TARGET / SOLIDS,),) * LANES)


def with_loop(machine, loop):
    return Machine(machine.key, machine.tags, machine.streams, machine.estimator, (loop,))


def stepped(machine, loop, seconds=60, seed=31):
    """A calm line that has learned, a step of 1 % in solids, and what the loop thinks of it second by second."""
    line, state, watching = TinyLine(seed, disturbed=False), State(), with_loop(machine, replace(loop, deadband=10.0))
    for _ in range(150):
        state = live(line, watching, state).state
    line.solids *= 1.01
    acting, found = with_loop(machine, loop), []
    for _ in range(seconds):
        found.append(live(line, acting, state))
        state = found[-1].state
    return found


def first_proposal(passes):
    return next((i, one.proposals[0]) for i, one in enumerate(passes) if one.proposals)


def test_a_solids_step_is_met_sooner_and_as_a_contribution_of_its_own(machine):
    late, plain = first_proposal(stepped(machine, LOOP))
    soon, fed = first_proposal(stepped(machine, replace(LOOP, feed_forward=(OF_SOLIDS,))))
    assert soon < late
    named = {part.name: part.amount for part in fed.moves[0].contributions}
    assert fed.moves[0].tag == "pump"
    assert named["solids"] == pytest.approx(-0.6, rel=0.2)
    assert abs(named["solids"]) > 0.8 * abs(fed.moves[0].delta)
    assert "solids" not in {part.name for part in plain.moves[0].contributions}


def carried(loop, held, y, u, v):
    """What a pass does with one value, given what the signal was over its window."""
    gains = np.array(loop.feed_forward[0].gains)
    held = feedforward.anew(feedforward.fed_by(held, loop.feed_forward), None)
    g = feedforward.changes(held, v[None, :])
    seen = (y - loop.effect(u[None, :])[0] - gains @ g[0])[None, :]
    found = loop.disturbance.after(belief(held), Seen(seen, np.ones(1), np.ones(seen.shape)))
    return feedforward.after(stored(held, found), v[None, :], g)


ONE = LoopConfig(
    "one", ("loading/1",), (20.0,), (Actuator("pump", 20, 100, 2, 60),), ((0.33,),), 0.05, 60.0, ewma_weight=0.1,
    feed_forward=(FeedForward("solids", ("solids",), ((0.29,),)),),
)  # fmt: skip
FRESH = LoopState(ONE.cvs, ("pump",), ONE.gains)


def total(loop, held, v):
    fed = feedforward.parts(loop.feed_forward, held, np.array([v]))
    return float(belief(held).level[0] + sum(fed.values())[0])


@pytest.mark.parametrize("gain", [0.0, 0.145, 0.29, 0.6], ids=lambda g: f"assumed {g}")
def test_whatever_gain_is_assumed_the_whole_disturbance_is_found_once(gain):
    """The prediction contains the signal with its true gain of 0.29; the loop ends at the same disturbance."""
    loop = replace(ONE, feed_forward=(FeedForward("solids", ("solids",), ((gain,),)),))
    held, u = FRESH, np.array([60.0])
    for k in range(300):
        v = 70.0 if k < 100 else 70.7
        y = np.array([0.33 * 60 + 0.5 + 0.29 * (v - 70.0)])
        held = carried(loop, held, y, u, np.array([v]))
    assert total(loop, held, 70.7) == pytest.approx(0.5 + 0.29 * 0.7, abs=1e-6)


def test_with_the_right_gain_the_disturbance_does_not_notice_the_signal_and_the_loop_knows_it_at_once():
    held, u, levels = FRESH, np.array([60.0]), []
    for k in range(120):
        window = 70.0 + 0.7 * np.clip((k - 100) / 30, 0, 1)  # of the mean over the window, while it fills
        held = carried(ONE, held, np.array([20.3 + 0.29 * (window - 70.0)]), u, np.array([window]))
        levels.append(float(belief(held).level[0]))
    assert np.ptp(levels) < 1e-9
    assert total(ONE, held, 70.7) == pytest.approx(0.5 + 0.29 * 0.7, abs=1e-9)


def test_after_a_move_what_was_fed_belongs_to_the_disturbance_and_nothing_jumps():
    held = carried(ONE, FRESH, np.array([20.3]), np.array([60.0]), np.array([70.0]))
    held = carried(ONE, held, np.array([20.5]), np.array([60.0]), np.array([70.7]))
    moved = feedforward.anew(held, 1_000.0)
    assert total(ONE, moved, 70.7) == pytest.approx(total(ONE, held, 70.7), abs=1e-12)
    assert moved.fed == (0.0,)
    assert feedforward.anew(moved, 1_000.0) == moved


def test_a_signal_that_is_missing_feeds_nothing_and_its_return_is_no_news():
    held, u = carried(ONE, FRESH, np.array([20.3]), np.array([60.0]), np.array([70.0])), np.array([60.0])
    assert total(ONE, held, np.nan) == pytest.approx(total(ONE, held, 70.0))
    for _ in range(200):  # meanwhile feedback finds the step by itself
        held = carried(ONE, held, np.array([20.5]), u, np.array([np.nan]))
    before = total(ONE, held, np.nan)
    back = carried(ONE, held, np.array([20.5]), u, np.array([70.7]))
    assert total(ONE, back, 70.7) == pytest.approx(before, abs=1e-6)


def test_what_is_missing_is_named_with_the_proposal(machine):
    loop = replace(LOOP, feed_forward=(OF_SOLIDS, FeedForward("room", ("room",), ((0.0,),) * LANES)))
    line, state = TinyLine(31, disturbed=False), State()
    watching = with_loop(machine, replace(loop, deadband=10.0))
    for _ in range(150):
        state = live(line, watching, state).state
    line.solids *= 1.01
    for _ in range(60):
        line.step()
        line.rows[-1][TAGS.index("room")] = np.nan
        trace = line.trace(last=200)
        found = run(with_loop(machine, loop), state, trace, trace.at_s == line.at_s - 1, Measured.none())
        state = found.state
        if found.proposals:
            break
    assert found.proposals[0].not_fed == ("room",)


def test_a_state_kept_before_anything_was_fed_is_taken_up():
    told = json.loads(State(loops={"one": FRESH}).to_json())
    for name in ("fed", "fed_last", "fed_since_s", "fed_tags", "fed_gains"):
        del told["loops"]["one"][name]
    assert State.from_json(json.dumps(told)).loops["one"] == FRESH


# Other signals or another K

IDENTITY = {"intercept": 1.0, "coef": [1.0] + [0.0] * 8}  # y = solids + pump - 5
TWO_TAGS = {
    "version": 2, "stream": "loading/1", "physics": {"kind": "none"}, "gains": {"pump": 1.0},
    "inputs": {
        "tags": ["solids", "pump", "room"], "window_s": 10.0, "mean": [1.0, 5.0, 20.0] + [0.0] * 6, "scale": [1.0] * 9,
        "similarity": [[1.0, 0.0, 0.0], [0.0] * 3, [0.0] * 3], "gsi_threshold": 50.0,
        "consistency": [[0.0] * 3] * 3, "dqix_threshold": 1.0, "operating": [[0.0] * 3],
    },
    "main": {"kind": "ridge", **IDENTITY}, "reference": {"kind": "pls", **IDENTITY},
    "label_mean": 1.0, "label_sigma": 1.0, "residual_sigma": 0.1, "half_width": 0.2, "bias_weight": 0.2,
    "ri_threshold": 0.5,
}  # fmt: skip
STAGE_S = 200
ON, OFF = (FeedForward("solids", ("solids",), ((1.0,),)),), ()
HALF, OTHER = (FeedForward("solids", ("solids",), ((0.5,),)),), (FeedForward("room", ("room",), ((0.1,),)),)


def fed_with(signals):
    tags, stream = ("solids", "pump", "room"), StreamConfig("loading/1", target=1.0)
    pump = Actuator("pump", 0, 10, 1, 5)
    loop = LoopConfig("loading", ("loading/1",), (1.0,), (pump,), ((1.0,),), 0.1, 10.0, feed_forward=signals)
    return Machine("coater", tags, (stream,), Estimator.load([TWO_TAGS], tags, [stream.key]), (loop,))


def on_target(stages):
    """In the middle of every stage the solids fall by .3 and a hand on the pump makes up for it."""
    at_s = np.arange(float(stages * STAGE_S))
    falls = 0.3 * ((at_s + STAGE_S / 2) // STAGE_S)
    values = np.column_stack([1.0 - falls, 5.0 + falls, 20.0 + falls])
    return Trace(at_s, np.ones(len(at_s), np.int64), at_s.copy(), values, np.zeros(values.shape, np.int64))


def over_stages(stages, kept=lambda state: state):
    """The passes over each stage's first second and its rest, of a model that the line has long known.

    ``kept`` is what becomes of a state between stages.
    """
    trace, state, passes = on_target(len(stages)), State(estimator=fed_with(ON).estimator.hash), []
    for k, signals in enumerate(stages):
        first_s = k * STAGE_S
        for begin_s, end_s in ((first_s, first_s + 1), (first_s + 1, first_s + STAGE_S)):
            seen = trace.between(max(0, begin_s - 60), end_s)
            passes.append(run(fed_with(signals), state, seen, seen.at_s >= begin_s, Measured.none()))
            state = State.from_json(passes[-1].state.to_json())
        state = kept(state)
    return passes


@pytest.mark.parametrize(
    "stages",
    [(ON, OFF), (OFF, ON), (ON, OFF, ON), (ON, HALF, ON), (ON, OTHER, ON), (ON, ON + OTHER, OTHER)],
    ids=["off", "on", "off and on", "another gain", "another tag", "one more and one less"],
)
def test_a_loop_on_target_stays_there_whatever_is_fed_forward_from_now_on(stages):
    passes = over_stages(stages)
    assert [note.reason for one in passes[1:] for note in one.notes] == [Reason.IN_DEADBAND] * (len(passes) - 1)


@pytest.mark.parametrize("stages", [(ON, ON), (ON, OFF), (ON, HALF)])
def test_a_state_that_does_not_tell_its_gains_learns_anew_and_proposes_nothing(stages):
    def untold(state):
        loop = replace(state.loops["loading"], fed_tags=(), fed_gains=())
        return replace(state, loops={"loading": loop})

    passes = over_stages(stages, untold)
    assert not any(one.proposals for one in passes)


# The press and the loading of the foil that comes in: the twin's own press, a gauge 12 m behind the nip

GAUGE_M = 12


def pressed(fed, seed, metres=1_500):
    """Root mean square of the thickness about its target (um), the loop writing whatever it solves, once in 12 m."""
    p = parameters().press
    press, rng = Press(p, {"line_force": 650.0}), np.random.default_rng(seed)
    across = press.across
    physics = {"force": "force", "rho_0": p.rho_0_g_cm3, "rho_max": p.rho_max_g_cm3, "gamma_n_mm": p.gamma_n_mm}
    cvs, targets = tuple(f"thickness/{i + 1}" for i in range(4)), (117.65,) * 4
    k = 117.65 / 40.0 * np.eye(4)  # dt / t = dm / m
    loop = LoopConfig(
        "thickness", cvs, targets,
        (Actuator("force", 400, 900, 10, 650), Actuator("tilt", -20, 20, 1, 0)),
        tuple((-0.035, -0.045 * x) for x in across), 0.3, GAUGE_M, ewma_weight=0.3, cross_direction=("tilt",),
        schedule=Compaction.of(physics, cvs, targets, {"force": 650.0, "tilt": 0.0}),
        feed_forward=(FeedForward("loading", tuple("1234"), tuple(map(tuple, (fed * k).tolist()))),),
    )  # fmt: skip
    held = LoopState(cvs, ("force", "tilt"), loop.gains, schedule=loop.schedule.numbers)
    loading, u, level = np.full(4, 40.0), np.array([650.0, 0.0]), dict.fromkeys(("hardness", "crown"), 0.0)
    history, off = [], []
    for metre in range(metres):
        if metre % 150 == 0:  # the coater was moved, or a batch changed: a step by lane
            loading = 40.0 * (1 + rng.normal(0, 0.006) + rng.normal(0, 0.001, 4))
        actual = {"line_force": u[0], "gap_tilt": u[1], "roll_temperature": p.temperature_degc}
        thickness = press.step(1.0, actual, level, loading, rng)[0]
        incoming = loading + rng.normal(0, 0.02, 4)
        history.append((thickness + rng.normal(0, 0.18, 4), np.array([press.force_n_mm, u[1]]), incoming))
        off.append(thickness - 117.65)
        if metre < GAUGE_M:
            continue
        y, made_by, came = history[metre - GAUGE_M]
        held = carried(loop, held, y, made_by, came)
        if metre % GAUGE_M == 0:
            parts = feedforward.parts(loop.feed_forward, held, incoming)
            stands = belief(held).level + loop.effect(u[None, :])[0] + parts["loading"]
            if np.abs(stands - 117.65).max() > loop.deadband:
                u = np.array([move.to_value for move in allocate(loop, u, stands, parts).moves])
    return float(np.sqrt(np.mean(np.square(off[100:]))))


def test_the_press_varies_less_with_the_coaters_loading_fed_forward(capsys):
    plain, fed = ([pressed(share, seed) for seed in range(3)] for share in (0.0, 1.0))
    with capsys.disabled():
        print(f"\nthickness of the press, rms over 3 seeds: {np.mean(plain):.3f} -> {np.mean(fed):.3f} um", end=" ")
    assert all(with_it < without for with_it, without in zip(fed, plain, strict=True))
    assert np.mean(np.square(fed)) < 0.9 * np.mean(np.square(plain))
