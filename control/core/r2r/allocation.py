"""One solve for all parameters of a loop: who moves how far.

    min |W (T - a - B u)|^2 + |S (u - u_now)|^2 + |E (u - u_nominal)|^2
    subject to   low <= u <= high,  |u - u_now| <= step,  sum of a group of moves = 0

W counts a deviation in deadbands, S a move in largest steps, E a distance from nominal in spans. S makes the problem
strictly convex. The equality enters as a row so heavy that what it leaves is rounding, which is then taken off the
free members. Every move comes apart into what each stream asked for, the way back to nominal, and clipping.

What cannot be solved safely is not solved: the answer is no move, and why.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

from control.core.machine import LoopConfig
from control.core.types import Contribution, FloatArray, Move

NOMINAL, CLIPPING = "return to nominal", "clipping"
WORST_CONDITION = 1e10
ROUNDING = 1e-9  # what a group of moves that cancel may leave
_HEAVY = 1e5
_NEAR = 1e-7  # of the largest step: a move this near its bound is at it


@dataclass(frozen=True, slots=True)
class Allocation:
    """The moves, and the constraints that held them back as ``tag:low``, ``tag:high`` or ``tag:step``.

    ``refused`` says why there is no move at all.
    """

    moves: tuple[Move, ...]
    active: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """In moves x (mvs,): min |A x - b|^2, lower <= x <= upper, group . x = 0. ``asked`` are the columns of b."""

    a: FloatArray  # (cvs + 2 mvs, mvs)
    asked: FloatArray  # (cvs + 2 mvs, cvs + 1): by stream, and nominal
    group: FloatArray  # (mvs,) 1 for members
    lower: FloatArray
    upper: FloatArray
    step: FloatArray


def allocate(loop: LoopConfig, now: FloatArray, disturbance: FloatArray) -> Allocation:
    """Moves from ``now`` (mvs,) that bring the streams to their targets under ``disturbance`` (cvs,)."""
    refused = _unsafe(loop, now, disturbance)
    if refused:
        return Allocation((), refused=refused)
    problem = _problem(loop, now, disturbance)
    hessian = problem.a.T @ problem.a
    scaled = hessian * np.outer(problem.step, problem.step)
    if np.linalg.cond(scaled) > WORST_CONDITION:
        return Allocation((), refused="ill-conditioned: the gains cannot tell the parameters apart")
    x = _solve(problem)
    if x is None:
        return Allocation((), refused="the solver did not converge")
    parts = _free(problem, hessian)
    clipped = x - parts.sum(axis=1)
    names = (*loop.cvs, NOMINAL, CLIPPING)
    moves = tuple(
        Move(mv.tag, float(now[j]), float(now[j] + x[j]), _contributions(names, np.append(parts[j], clipped[j])))
        for j, mv in enumerate(loop.mvs)
    )
    return Allocation(moves, _active(loop, now, x, problem))


def _unsafe(loop: LoopConfig, now: FloatArray, disturbance: FloatArray) -> str:
    if not (np.isfinite(now).all() and np.isfinite(disturbance).all()):
        return "not every parameter and disturbance is known"
    for mv, value in zip(loop.mvs, now, strict=True):
        if not (np.isfinite([mv.low, mv.high, mv.max_step, mv.nominal]).all() and mv.low < mv.high and mv.max_step > 0):
            return f"{mv.tag} has no usable limits"
        if not mv.low <= value <= mv.high:
            return f"{mv.tag} stands outside its machine limits"
    return "" if np.isfinite(np.array(loop.gains)).all() else "a gain is not a number"


def _problem(loop: LoopConfig, now: FloatArray, disturbance: FloatArray) -> _Problem:
    gains = np.array(loop.gains, np.float64)
    low, high, step, nominal = np.array([(mv.low, mv.high, mv.max_step, mv.nominal) for mv in loop.mvs]).T
    w = np.array(loop.cv_weights or [1.0] * len(loop.cvs)) / loop.deadband
    s, e = loop.move_weight / step, loop.nominal_weight / (high - low)
    wanted = np.array(loop.targets) - disturbance - gains @ now
    cvs, mvs = gains.shape
    asked = np.zeros((cvs + 2 * mvs, cvs + 1))
    asked[:cvs, :cvs] = np.diag(w * wanted)
    asked[cvs + mvs :, cvs] = e * (nominal - now)
    return _Problem(
        a=np.vstack([w[:, None] * gains, np.diag(s), np.diag(e)]),
        asked=asked,
        group=np.array([float(mv.tag in loop.sum_zero) for mv in loop.mvs]),
        lower=np.maximum(low - now, -step),
        upper=np.minimum(high - now, step),
        step=step,
    )


def _solve(problem: _Problem) -> FloatArray | None:
    """Bounded least squares in units of the largest step."""
    a, b = problem.a * problem.step, problem.asked.sum(axis=1)
    if problem.group.any():
        heavy = _HEAVY * np.abs(a).max() / np.abs(problem.group * problem.step).max()
        a, b = np.vstack([a, heavy * problem.group * problem.step]), np.append(b, 0.0)
    lower, upper = problem.lower / problem.step, problem.upper / problem.step
    found = lsq_linear(a, b, (lower, upper), method="bvls", tol=1e-14)
    if not found.success:
        return None
    x = np.clip(found.x, lower, upper) * problem.step
    return _cancelled(x, problem)


def _cancelled(x: FloatArray, problem: _Problem) -> FloatArray | None:
    """Take the rounding left in the group's sum off its members that have room; None if it is more than rounding."""
    if not problem.group.any():
        return x
    left = float(problem.group @ x)
    if abs(left) > 1e-6 * float(problem.group @ problem.step):
        return None
    room = np.minimum(x - problem.lower, problem.upper - x) * problem.group
    if room.sum() > abs(left):
        return np.asarray(x - left * room / room.sum())
    return x if abs(left) < ROUNDING else None


def _free(problem: _Problem, hessian: FloatArray) -> FloatArray:
    """What each column of ``asked`` would move without bounds (mvs, cvs + 1); the group cancels in every one."""
    inverse = np.linalg.inv(hessian)
    if problem.group.any():
        held = inverse @ problem.group
        inverse = inverse - np.outer(held, held) / (problem.group @ held)
    return np.asarray(inverse @ problem.a.T @ problem.asked)


def _contributions(names: tuple[str, ...], amounts: FloatArray) -> tuple[Contribution, ...]:
    return tuple(Contribution(name, float(amount)) for name, amount in zip(names, amounts, strict=True) if amount)


def _active(loop: LoopConfig, now: FloatArray, x: FloatArray, problem: _Problem) -> tuple[str, ...]:
    active = []
    for j, mv in enumerate(loop.mvs):
        near = _NEAR * mv.max_step
        if x[j] >= problem.upper[j] - near:
            active.append(f"{mv.tag}:{'high' if mv.high - now[j] <= mv.max_step else 'step'}")
        elif x[j] <= problem.lower[j] + near:
            active.append(f"{mv.tag}:{'low' if now[j] - mv.low <= mv.max_step else 'step'}")
    return tuple(active)
