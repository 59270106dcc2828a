"""How a line is run where nothing is predicted: now and then somebody looks at the gauge and trims the set-points.

Such a line lives in a process of its own, ahead of what is stored of it, for the two take about as long. It needs
nothing from here but what its hands know.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import fmean

import numpy as np

from control.core.exchange import Scan, WriteCommand
from control.core.twin.line import Line as Twin
from control.core.types import FloatArray, MeasuredBy, Quality

STEP_S = 900
ROUND_S = 1800  # how often somebody looks
LOOKED_AT_S = 300.0  # of gauge values


@dataclass(frozen=True, slots=True, eq=False)
class Hand:
    """What somebody knows of a loop: ``gains`` (cvs, mvs), ``target`` (cvs,) and when he lets it be."""

    equipment: str
    loop: str
    cvs: Sequence[str]
    mvs: Sequence[str]
    gains: FloatArray
    target: FloatArray
    deadband: float


def lived(twin: Twin, hands: Sequence[Hand], since_s: float, seconds: int) -> Iterator[tuple[Twin, list[Scan]]]:
    """The scans of so many seconds from ``since_s`` (epoch seconds), in steps, with the twin as it was after each."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_live, args=(there, twin, hands, since_s, seconds), daemon=True)
    process.start()
    there.close()  # so that its end is heard here
    with closing(here):
        for _ in range(0, seconds, STEP_S):
            yield here.recv()
    process.join()


def _live(told: Connection, twin: Twin, hands: Sequence[Hand], since_s: float, seconds: int) -> None:
    """In the process of its own. It waits while what it told is not yet read, and ends when nobody listens."""
    with suppress(BrokenPipeError, KeyboardInterrupt):
        for begin in range(0, seconds, STEP_S):
            end = min(begin + STEP_S, seconds)
            scans = [scan for k in range(begin, end) for scan in twin.step(1.0, since_s + k + 1)]
            if end % ROUND_S == 0 or end == seconds:
                for hand in hands:
                    trim(twin, hand, scans, since_s + end)
            told.send((twin, scans))


def trim(twin: Twin, hand: Hand, scans: Sequence[Scan], at: float) -> None:
    """Take a loop that stands outside its deadband back to target, typed in at the machine."""
    gauged = _gauged(hand, scans, at - LOOKED_AT_S)
    off = np.array([fmean(gauged[cv]) if gauged[cv] else np.nan for cv in hand.cvs]) - hand.target
    if not np.abs(off).max() > hand.deadband:
        return
    moves = np.linalg.lstsq(hand.gains, -off, rcond=None)[0]
    now_is = twin.read_back(hand.equipment, hand.mvs, at)
    values = {tag: (now_is[tag].value or 0.0) + float(move) for tag, move in zip(now_is, moves, strict=True)}
    twin.write(hand.equipment, WriteCommand(f"by hand {hand.equipment}/{hand.loop} {at:.0f}", 0, values), at)


def _gauged(hand: Hand, scans: Sequence[Scan], since_s: float) -> dict[str, list[float]]:
    """What the gauge said of each stream of a loop, where it vouched for it."""
    said: dict[str, list[float]] = {cv: [] for cv in hand.cvs}
    for scan in scans:
        if scan.equipment != hand.equipment or scan.at <= since_s:
            continue
        for piece in scan.measurements:
            if piece.stream in said and piece.by == MeasuredBy.GAUGE and piece.quality == Quality.GOOD:
                said[piece.stream].append(piece.value or np.nan)
    return said
