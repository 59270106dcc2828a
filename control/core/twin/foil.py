"""The moving web: which roll a metre belongs to, and what was laid on it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import Any

import numpy as np

from control.core.types import FloatArray

SPACING_M = 0.25  # closest stored pieces; a crawling line would otherwise store for ever


class Rolls:
    """Where on the endless web each roll begins. Positions are metres through the die since the line was built."""

    def __init__(self, first_roll: int, roll_length_m: float) -> None:
        self.numbers = [first_roll - 1, first_roll]
        self.starts_m = [-roll_length_m, 0.0]

    @property
    def number(self) -> int:
        return self.numbers[-1]

    @property
    def start_m(self) -> float:
        return self.starts_m[-1]

    def begin(self, position_m: float) -> None:
        """A new roll begins here; only the rolls that can still be on the line are remembered."""
        self.numbers = [*self.numbers[-3:], self.number + 1]
        self.starts_m = [*self.starts_m[-3:], position_m]

    def locate(self, position_m: float) -> tuple[int, float]:
        """The roll and the metres since it began, of the piece at this position of the endless web."""
        index = max(bisect_right(self.starts_m, position_m) - 1, 0)
        return self.numbers[index], position_m - self.starts_m[index]

    def to_json(self) -> dict[str, Any]:
        return {"numbers": list(self.numbers), "starts_m": list(self.starts_m)}

    def load(self, saved: Mapping[str, Any]) -> None:
        self.numbers = [int(x) for x in saved["numbers"]]
        self.starts_m = [float(x) for x in saved["starts_m"]]


class Foil:
    """What was made at each position of the web, kept as long as someone downstream may still ask.

    ``piece`` is a vector with one value for each lane and side; between stored positions it is interpolated.
    """

    def __init__(self, reach_m: float, position_m: float, piece: FloatArray) -> None:
        self.reach_m = reach_m + 5.0
        self.positions_m = [position_m - self.reach_m, position_m]
        self.pieces = [piece, piece]

    def lay(self, position_m: float, piece: FloatArray) -> None:
        if position_m - self.positions_m[-1] < SPACING_M:
            return
        self.positions_m.append(position_m)
        self.pieces.append(piece)
        if len(self.positions_m) > 64 and self.positions_m[64] < position_m - self.reach_m:
            del self.positions_m[:64], self.pieces[:64]

    def at(self, position_m: float) -> FloatArray:
        after = bisect_right(self.positions_m, position_m)
        if after == 0:
            return self.pieces[0]
        if after == len(self.positions_m):
            return self.pieces[-1]
        low, high = self.positions_m[after - 1], self.positions_m[after]
        share = (position_m - low) / (high - low)
        return self.pieces[after - 1] * (1 - share) + self.pieces[after] * share

    def to_json(self) -> dict[str, Any]:
        return {"positions_m": list(self.positions_m), "pieces": [piece.tolist() for piece in self.pieces]}

    def load(self, saved: Mapping[str, Any]) -> None:
        self.positions_m = [float(x) for x in saved["positions_m"]]
        self.pieces = [np.array(piece, dtype=np.float64) for piece in saved["pieces"]]
