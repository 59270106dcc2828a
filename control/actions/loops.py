"""Loops, as everything outside this room asks for them: HOLD and modes.

Anyone on the line may stop; only a supervisor lets go again or raises a mode. How it is set is a version of its own.
"""

from __future__ import annotations

from control.actions._lock import lock
from control.actions.holds import hold, hold_reason, release
from control.actions.modes import demote, lift, request, stand_down

__all__ = ["demote", "hold", "hold_reason", "lift", "lock", "release", "request", "stand_down"]
