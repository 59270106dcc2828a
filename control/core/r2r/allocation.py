"""One solve for all parameters of a loop: who moves how far.

    min |W (T - a - B u)|^2 + |S (u - u_now)|^2 + |E (u - u_nominal)|^2
    subject to   low <= u <= high,  |u - u_now| <= step,  sum of a group of moves = 0,
                 |u_(i-1) - 2 u_i + u_(i+1)| <= bend  for neighbours on one lip

W counts a deviation in deadbands, S a move in largest steps, E a distance from nominal in spans. S makes the problem
strictly convex. A lip that is already bent further than allowed may not be bent further still.

Where some parameters only share out between lanes (lip bolts, the tilt of a gap), the deviation e is taken apart into
the mean of each characteristic and side, M e, and what is left, e - M e. The others answer the first, these the second:

    |W (e - B u)|^2  becomes  |w M (e - B_mean u)|^2 + |W (1 - M)(e - B_cross u)|^2,   w^2 the mean of W^2

which is the same number if the weights are equal and the gains pure, and keeps the two apart if they are not, or if a
limit is reached: a pump never mends a profile, nor a bolt a mean. What nothing joins is marked as parts of the answer.

Every move comes apart into what each stream asked for, what was fed forward, the way back to nominal, and clipping.
What cannot be solved safely is not solved: the answer is no move, and why.

Solver: DAQP, a dual active-set method: exact to rounding in a handful of steps for problems this small. D. Arnström,
A. Bemporad, D. Axehill, IEEE Transactions on Automatic Control 67 (2022) 4362-4369.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

import daqp
import numpy as np

from control.core.machine import LoopConfig
from control.core.r2r.parts import parts
from control.core.types import BoolArray, Contribution, FloatArray, Move

NOMINAL, CLIPPING = "return to nominal", "clipping"
WORST_CONDITION = 1e10
ROUNDING = 1e-9  # what a group of moves that cancel may leave
NOTHING_FED: Mapping[str, FloatArray] = {}
_TOLERANCE = 1e-10  # of the largest step, on every constraint
_HELD = 1e-9  # a constraint with a larger multiplier held the moves back
_EQUALITY = 5  # DAQP's word for it


@dataclass(frozen=True, slots=True)
class Allocation:
    """The moves, and the constraints that held them back as ``tag:low``, ``tag:high``, ``tag:step`` or ``tag:bend``.

    ``refused`` says why there is no move at all.
    """

    moves: tuple[Move, ...]
    active: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """What of a loop's problem stays the same from pass to pass, for z = moves in largest steps: min |A z - b|^2.

    b = ``asks`` deviations + ``home`` distances from nominal. ``free`` answers b without bounds; the group cancels in
    every answer. ``rows`` are the constraints beside the bounds: the group first if there is one, then the bends.
    """

    low: FloatArray  # (mvs,), as are the next three
    high: FloatArray
    step: FloatArray
    nominal: FloatArray
    a: FloatArray  # (r, mvs)
    asks: FloatArray  # (r, cvs)
    home: FloatArray  # (r, mvs)
    hessian: FloatArray  # (mvs, mvs)
    condition: float
    free: FloatArray  # (mvs, r)
    group: BoolArray  # (mvs,)
    rows: FloatArray  # (0 or 1 + bends, mvs)
    bends: FloatArray  # (bends, mvs), of settings
    bent: tuple[str, ...]  # (bends,) the tag in the middle
    sense: FloatArray  # (mvs + rows,), for the solver
    part: tuple[int, ...]  # (mvs,)


def allocate(
    loop: LoopConfig, now: FloatArray, stands: FloatArray, fed: Mapping[str, FloatArray] = NOTHING_FED
) -> Allocation:
    """Moves from ``now`` (mvs,) that bring the streams to their targets from where they stand, a + B u_now (cvs,).

    ``fed`` names parts of where they stand, (cvs,) each, that are told apart in the contributions.
    """
    refused = _unusable(loop) or _unsafe(loop, now, stands)
    if refused:
        return Allocation((), refused=refused)
    form = _form(loop, None if loop.schedule is None else tuple(map(tuple, loop.gains_at(now).tolist())))
    if not form.condition <= WORST_CONDITION:
        return Allocation((), refused="ill-conditioned: the gains cannot tell the parameters apart")
    asked = _asked(loop, form, now, stands, fed)
    solved = _solve(loop, form, now, asked.sum(axis=1))
    if isinstance(solved, str):
        return Allocation((), refused=solved)
    z, held = solved
    goal = np.clip(now + z * form.step, form.low, form.high)  # which rounding may miss
    x = goal - now
    shares = (form.free @ asked) * form.step[:, None]
    shares = np.column_stack([shares, x - shares.sum(axis=1)])
    names = (*loop.cvs, *fed, NOMINAL, CLIPPING)
    moves = tuple(
        Move(mv.tag, float(now[j]), float(goal[j]), _contributions(names, shares[j]), form.part[j])
        for j, mv in enumerate(loop.mvs)
    )
    return Allocation(moves, _named(loop, form, now, held))


@lru_cache(maxsize=128)
def _unusable(loop: LoopConfig) -> str:
    for mv in loop.mvs:
        usable = all(map(isfinite, (mv.low, mv.high, mv.max_step, mv.nominal)))
        if not (usable and mv.low < mv.high and mv.max_step > 0):
            return f"{mv.tag} has no usable limits"
    return "" if np.isfinite(np.array(loop.gains)).all() else "a gain is not a number"


def _unsafe(loop: LoopConfig, now: FloatArray, stands: FloatArray) -> str:
    if not (np.isfinite(now).all() and np.isfinite(stands).all()):
        return "not every parameter and disturbance is known"
    for mv, value in zip(loop.mvs, now.tolist(), strict=True):
        if not mv.low <= value <= mv.high:
            return f"{mv.tag} stands outside its machine limits"
    return ""


@lru_cache(maxsize=128)
def _form(loop: LoopConfig, gains: tuple[tuple[float, ...], ...] | None) -> _Form:
    """``gains`` are the local ones where they change with the setting."""
    low, high, step, nominal = np.array([(mv.low, mv.high, mv.max_step, mv.nominal) for mv in loop.mvs]).T
    asks, effect = _deviations(loop, np.array(gains or loop.gains, np.float64))
    home = np.diag(loop.nominal_weight / (high - low))
    a = np.vstack([effect * step, np.eye(len(step)) * loop.move_weight, home * step])
    rows_of_moves = np.zeros_like(home)
    hessian = a.T @ a
    condition = float(np.linalg.cond(hessian))
    group = np.array([mv.tag in loop.sum_zero for mv in loop.mvs])
    bends, bent = _bends(loop)
    rows = np.vstack([group[None, :].astype(np.float64)] * bool(group.any()) + [bends]) * step
    return _Form(
        low=low,
        high=high,
        step=step,
        nominal=nominal,
        a=a,
        asks=np.vstack([asks, np.zeros((2 * len(step), len(loop.cvs)))]),
        home=np.vstack([np.zeros((len(asks), len(step))), rows_of_moves, home]),
        hessian=hessian,
        condition=condition,
        free=_free(a, hessian, group * step) if condition <= WORST_CONDITION else np.empty(0),
        group=group,
        rows=rows,
        bends=bends,
        bent=bent,
        sense=np.array([0] * len(step) + [_EQUALITY] * bool(group.any()) + [0] * len(bends), np.int32),
        part=parts(hessian, rows),
    )


def _deviations(loop: LoopConfig, gains: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How a deviation (cvs,) enters b, (r, cvs), and what of it the parameters answer, (r, mvs)."""
    w = np.array(loop.cv_weights or [1.0] * len(loop.cvs)) / loop.deadband
    cross = np.array([mv.tag in loop.redistributing for mv in loop.mvs])
    if not cross.any():
        return np.diag(w), w[:, None] * gains
    mean = _means(loop)
    w_mean = np.sqrt(mean @ w**2)
    level, profile = w_mean[:, None] * mean, w[:, None] * (np.eye(len(w)) - mean)
    return np.vstack([level, profile]), np.vstack([level @ gains * ~cross, profile @ gains * cross])


def _means(loop: LoopConfig) -> FloatArray:
    """(cvs, cvs): takes the mean over the lanes of one characteristic and side."""
    kinds = [(cv.partition("/")[0], cv.partition("/")[2].partition("-")[2]) for cv in loop.cvs]
    alike = np.array([[float(one == other) for other in kinds] for one in kinds])
    return np.asarray(alike / alike.sum(axis=1, keepdims=True))


def _bends(loop: LoopConfig) -> tuple[FloatArray, tuple[str, ...]]:
    """Second differences of neighbouring settings, (bends, mvs), and the tag in the middle of each."""
    place = {mv.tag: j for j, mv in enumerate(loop.mvs)}
    threes = [three for lip in loop.neighbours for three in zip(lip, lip[1:], lip[2:], strict=False)]
    bends = np.zeros((len(threes), len(loop.mvs)))
    for row, three in zip(bends, threes, strict=True):
        row[[place[tag] for tag in three]] = 1.0, -2.0, 1.0
    return bends, tuple(middle for _, middle, _ in threes)


def _free(a: FloatArray, hessian: FloatArray, group: FloatArray) -> FloatArray:
    inverse = np.linalg.inv(hessian)
    if group.any():
        held = inverse @ group
        inverse = inverse - np.outer(held, held) / (group @ held)
    return np.asarray(inverse @ a.T)


def _asked(
    loop: LoopConfig, form: _Form, now: FloatArray, stands: FloatArray, fed: Mapping[str, FloatArray]
) -> FloatArray:
    """b by its parts (r, cvs + fed + 1): each stream's deviation without what was fed forward, that, and nominal."""
    known = np.array([*fed.values()]).reshape(len(fed), len(stands))
    wanted = np.array(loop.targets) - stands + known.sum(axis=0)
    return np.column_stack([form.asks * wanted, -form.asks @ known.T, form.home @ (form.nominal - now)])


def _solve(loop: LoopConfig, form: _Form, now: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray] | str:
    """Moves in largest steps (mvs,) with the multipliers of all constraints (mvs + rows,), or why there are none."""
    lower, upper = np.maximum((form.low - now) / form.step, -1.0), np.minimum((form.high - now) / form.step, 1.0)
    bent = form.bends @ now
    allowed = np.maximum(np.abs(bent), loop.bend_um)
    nothing = np.zeros(len(form.rows) - len(bent))
    z, _, flag, told = daqp.solve(
        form.hessian,
        -form.a.T @ b,
        form.rows,
        np.concatenate([upper, nothing, allowed - bent]),
        np.concatenate([lower, nothing, -allowed - bent]),
        form.sense,
        primal_tol=_TOLERANCE,
    )
    if flag != 1 or not np.isfinite(z).all():
        return f"the solver found no answer ({flag})"
    z = _cancelled(np.clip(z, lower, upper), lower, upper, form)
    after = np.abs(form.bends @ (now + z * form.step))
    if (after > allowed + ROUNDING).any() or abs(float((z * form.step)[form.group].sum())) > ROUNDING:
        return "the solver's answer breaks a constraint"
    return z, np.asarray(told["lam"])


def _cancelled(z: FloatArray, lower: FloatArray, upper: FloatArray, form: _Form) -> FloatArray:
    """Take the rounding left in the group's sum off its members that have room."""
    left = float((z * form.step)[form.group].sum())
    room = np.minimum(z - lower, upper - z) * form.step * form.group
    if not left or room.sum() <= abs(left):
        return z
    return np.asarray(z - left * room / room.sum() / form.step)


def _contributions(names: tuple[str, ...], amounts: FloatArray) -> tuple[Contribution, ...]:
    return tuple(Contribution(name, amount) for name, amount in zip(names, amounts.tolist(), strict=True) if amount)


def _named(loop: LoopConfig, form: _Form, now: FloatArray, held: FloatArray) -> tuple[str, ...]:
    active = []
    for j, mv in enumerate(loop.mvs):
        if held[j] > _HELD:
            active.append(f"{mv.tag}:{'high' if mv.high - now[j] <= mv.max_step else 'step'}")
        elif held[j] < -_HELD:
            active.append(f"{mv.tag}:{'low' if now[j] - mv.low <= mv.max_step else 'step'}")
    bends = held[len(held) - len(form.bent) :]
    return (*active, *(f"{tag}:bend" for tag, force in zip(form.bent, bends, strict=True) if abs(force) > _HELD))
