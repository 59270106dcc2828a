"""The ladder of a loop's modes: what each one lets the system do."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """Lowest first."""

    OFF = "off"  # computes nothing
    SHADOW = "shadow"  # computes, engineers see
    ADVISORY = "advisory"  # the operator types it at the machine
    SUPERVISED = "supervised"  # we write after a person approved
    AUTO = "auto"  # we write inside guardrails, after a veto window

    @property
    def computes(self) -> bool:
        return self is not Mode.OFF

    @property
    def offers(self) -> bool:
        """Whether what it computes is put before an operator."""
        return self.rank >= Mode.ADVISORY.rank

    @property
    def writes(self) -> bool:
        return self.rank >= Mode.SUPERVISED.rank

    @property
    def decides(self) -> bool:
        """Whether a change inside the guardrails needs no approval, only that nobody stops it."""
        return self is Mode.AUTO

    @property
    def rank(self) -> int:
        return list(Mode).index(self)


def lower(one: Mode, other: Mode) -> Mode:
    return min(one, other, key=lambda mode: mode.rank)
