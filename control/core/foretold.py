"""Where streams go by other moves than those a proposal was solved for: by the gains it was solved with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def lands(do_nothing: float, gains_and_steps: Iterable[tuple[float, float]]) -> float:
    """One stream after some moves, do_nothing + sum of g u, with ``g`` its gain on the parameter moved by ``u``."""
    return do_nothing + sum(gain * step for gain, step in gains_and_steps)


def all_land(do_nothing: Sequence[float], columns: Sequence[tuple[Sequence[float], float]]) -> list[float]:
    """Every stream (cvs,) after some moves; of each move the gains on all streams (cvs,) and the step."""
    return [
        lands(stands, ((gains[i], step) for gains, step in columns)) for i, stands in enumerate(do_nothing)
    ]  # fmt: skip
