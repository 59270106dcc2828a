"""The figures of a line's workflow and its table of authority: usual values, bounds, units. A line may set its own.

Times end in ``_s`` (seconds), shares are fractions of 1, what is counted in scans is in cycles of the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control.core.bounded import Fault, faults, figure, made
from control.core.policy import Authority, Share

USUAL = Authority()
ORDERED = (  # the left never above the right
    ("auto_move", "operator_move"),
    ("operator_move", "supervisor_move"),
    ("auto_shift", "operator_shift"),
    ("operator_shift", "supervisor_shift"),
    ("auto_move", "auto_shift"),
    ("operator_move", "operator_shift"),
    ("supervisor_move", "supervisor_shift"),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Names end in their unit; the others are counts, or shares between 0 and 1.

    Life of a change: ``life_dead_times`` dead times and ``life_extra_s`` more, at most ``longest_life_s``; after
    ``escalate_after`` of it a supervisor is asked too. ``rest_s`` a no holds, ``undo_s`` the way back is open;
    ``ineffective_in_a_row`` and ``doubts`` about a sensor ``doubts_within_s`` demote a loop. For ``reauth_s`` a
    password is not asked again. Into auto: so many ``supervised_days`` and ``decisions``, so many of them
    ``accepted`` and ``effective``, the error of the predictions in contract for ``vm_hours``. Out of it:
    ``stale_scans`` without good data (``very_stale_scans``: shadow), ``out_of_spec`` values in a row, an error beyond
    ``vm_sigmas`` of its own history, no sign of the machine for ``heartbeat_s``; then ``calm_s`` before it may return.
    ``good_scans`` in a row end a shadow that only silence had brought.

    Shifts: the first of the day begins ``first_shift_h`` after midnight by the plant's clock, ``shifts_a_day`` of equal
    length; each is accepted ``accept_within_s`` after its end. Calls, for each of the ``operators``: one every
    ``call_every_s``, ``call_burst`` at once; a signal is put aside for ``shelve_longest_s`` at most.
    A machine is off its recipe once it has been for ``recipe_settle_s``.
    """

    life_dead_times: float = figure(2.0, 1.0, 5.0)
    life_extra_s: float = figure(300.0, 60.0, 1800.0, "s")
    longest_life_s: float = figure(900.0, 120.0, 3600.0, "s")
    escalate_after: float = figure(0.8, 0.1, 1.0)
    veto_s: float = figure(30.0, 30.0, 60.0, "s")
    undo_s: float = figure(600.0, 60.0, 3600.0, "s")
    rest_s: float = figure(600.0, 0.0, 3600.0, "s")
    read_back_s: float = figure(5.0, 1.0, 30.0, "s")
    ineffective_in_a_row: int = figure(2, 1, 5)
    doubts: int = figure(2, 1, 10)
    doubts_within_s: float = figure(3600.0, 300.0, 28800.0, "s")
    reauth_s: float = figure(300.0, 30.0, 900.0, "s")
    supervised_days: float = figure(14.0, 1.0, 90.0, "d")
    decisions: int = figure(50, 10, 1000)
    accepted: float = figure(0.85, 0.5, 1.0)
    effective: float = figure(0.80, 0.5, 1.0)
    vm_hours: float = figure(24.0, 1.0, 168.0, "h")
    stale_scans: int = figure(2, 1, 10)
    very_stale_scans: int = figure(10, 3, 60)
    good_scans: int = figure(10, 3, 60)
    out_of_spec: int = figure(2, 1, 5)
    vm_sigmas: float = figure(3.0, 2.0, 5.0)
    heartbeat_s: float = figure(10.0, 2.0, 60.0, "s")
    calm_s: float = figure(1800.0, 300.0, 28800.0, "s")
    first_shift_h: float = figure(6.0, 0.0, 23.75, "h")
    shifts_a_day: int = figure(3, 1, 4)
    accept_within_s: float = figure(1800.0, 300.0, 7200.0, "s")
    operators: int = figure(1, 1, 20)
    call_every_s: float = figure(600.0, 60.0, 3600.0, "s")
    call_burst: int = figure(10, 1, 30)
    shelve_longest_s: float = figure(28800.0, 600.0, 86400.0, "s")
    recipe_settle_s: float = figure(60.0, 10.0, 600.0, "s")

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Figures:
        return made(cls, told)

    @staticmethod
    def faults(told: Mapping[str, Any]) -> list[Fault]:
        return [*faults(Figures, told), *_disordered(told, (("stale_scans", "very_stale_scans"),), Figures)]


@dataclass(frozen=True, slots=True)
class Shares:
    """The table of authority as numbers: percent of the recipe set-point, of one move and of all moves of a shift."""

    auto_move: float = figure(USUAL.auto.move, 0.0, 2.0, "%")
    auto_shift: float = figure(USUAL.auto.shift, 0.0, 5.0, "%")
    auto_moves_per_hour: int = figure(USUAL.auto_moves_per_hour, 0, 60)
    auto_same_way: int = figure(USUAL.auto_same_way, 1, 10)
    operator_move: float = figure(USUAL.operator.move, 0.0, 5.0, "%")
    operator_shift: float = figure(USUAL.operator.shift, 0.0, 10.0, "%")
    supervisor_move: float = figure(USUAL.supervisor.move, 0.0, 10.0, "%")
    supervisor_shift: float = figure(USUAL.supervisor.shift, 0.0, 20.0, "%")

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Shares:
        return made(cls, told)

    @staticmethod
    def faults(told: Mapping[str, Any]) -> list[Fault]:
        return [*faults(Shares, told), *_disordered(told, ORDERED, Shares)]

    @property
    def table(self) -> Authority:
        return Authority(
            auto=Share(self.auto_move, self.auto_shift),
            operator=Share(self.operator_move, self.operator_shift),
            supervisor=Share(self.supervisor_move, self.supervisor_shift),
            auto_moves_per_hour=self.auto_moves_per_hour,
            auto_same_way=self.auto_same_way,
        )


def _disordered(told: Mapping[str, Any], pairs: tuple[tuple[str, str], ...], kind: type[Any]) -> list[Fault]:
    """Pairs of numbers that stand the wrong way round; what is no number was said already."""
    try:
        present = made(kind, told)
    except (TypeError, ValueError):
        return []
    return [Fault(low, "above_other", high) for low, high in pairs if getattr(present, low) > getattr(present, high)]
