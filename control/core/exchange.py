"""What passes between a machine and whoever reads or sets it, whatever the protocol.

A value the machine does not have is None; a value it has but cannot vouch for keeps its number and says so in its
quality. Instants are epoch seconds, positions metres of web since the roll began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from control.core.types import MeasuredBy, Quality


@dataclass(frozen=True, slots=True)
class Reading:
    """One tag's value as the machine gave it."""

    value: float | None
    quality: Quality
    at: float  # epoch seconds


@dataclass(frozen=True, slots=True)
class MeasuredPiece:
    """One value of real metrology and the piece of foil it was measured on."""

    stream: str  # "<characteristic>/<lane>-<side>", or "<characteristic>/<lane>" when one value covers both sides
    roll: int
    web_m: float  # of the piece, not of the encoder at that moment
    value: float | None
    quality: Quality
    by: MeasuredBy
    taken_at: float  # epoch seconds
    n: float | None = None  # of a count, which is the value: sample size, or the area it was found on


@dataclass(frozen=True, slots=True)
class Scan:
    """All tags of one equipment at one instant, and the metrology that came in with it.

    ``values`` and ``quality`` follow ``tags``. ``sequence`` grows with every scan of the equipment and is never used
    twice, also not after a restart of the machine.
    """

    equipment: str
    sequence: int
    at: float  # epoch seconds
    roll: int
    web_m: float  # encoder at the die or nip
    tags: tuple[str, ...]
    values: tuple[float | None, ...]
    quality: tuple[int, ...]
    measurements: tuple[MeasuredPiece, ...]

    def readings(self) -> dict[str, Reading]:
        """The same values by tag."""
        return {
            tag: Reading(value, Quality(quality), self.at)
            for tag, value, quality in zip(self.tags, self.values, self.quality, strict=True)
        }


@dataclass(frozen=True, slots=True)
class WriteCommand:
    """Absolute set-points for one equipment, to be taken all together or not at all.

    ``command_id`` names the command for ever; ``fence`` is the number of the lease under which it is sent.
    """

    command_id: str
    fence: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ack:
    """The machine's answer to one command.

    ``code`` is "applied" or "clamped" when accepted, otherwise the reason of the refusal. ``values`` are the
    set-points as the machine took them; empty when it took none.
    """

    command_id: str
    fence: int
    accepted: bool
    code: str
    detail: str
    values: Mapping[str, float]
    at: float  # epoch seconds
