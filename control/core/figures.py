"""The figures of the workflow: how long, how often, how much. The defaults are the house's; a line may have its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """Names end in their unit; the others are counts, or shares between 0 and 1.

    Life of a change: ``life_dead_times`` dead times and ``life_extra_s`` more, at most ``longest_life_s``; after
    ``escalate_after`` of it a supervisor is asked too. Into auto: so many ``supervised_days`` and ``decisions``, so
    many of them ``accepted`` and ``effective``, the error of the predictions in contract for ``vm_hours``. Out of it:
    ``stale_scans`` without good data (``very_stale_scans``: shadow), ``out_of_spec`` values in a row, an error beyond
    ``vm_sigmas`` of its own history, no sign of the machine for ``heartbeat_s``; then ``calm_s`` before it may return.
    ``good_scans`` in a row end a shadow that only silence had brought.
    """

    life_dead_times: float = 2.0
    life_extra_s: float = 300.0
    longest_life_s: float = 900.0
    escalate_after: float = 0.8
    veto_s: float = 30.0
    undo_s: float = 600.0
    rest_s: float = 600.0
    read_back_s: float = 5.0
    ineffective_in_a_row: int = 2
    doubts: int = 2
    doubts_within_s: float = 3600.0
    reauth_s: float = 300.0
    supervised_days: float = 14.0
    decisions: int = 50
    accepted: float = 0.85
    effective: float = 0.80
    vm_hours: float = 24.0
    stale_scans: int = 2
    very_stale_scans: int = 10
    good_scans: int = 10
    out_of_spec: int = 2
    vm_sigmas: float = 3.0
    heartbeat_s: float = 10.0
    calm_s: float = 1800.0
    shift_starts: tuple[str, ...] = ("06:00", "14:00", "22:00")
    accept_within_s: float = 1800.0
    operators: int = 1
    call_every_s: float = 600.0
    call_burst: int = 6
    shelve_longest_s: float = 28800.0
