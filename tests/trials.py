"""What `make test` proves once and `make trials` over and over: more seeds, more kills, more races.

A test asks here for what it is parametrised with. The long forms bear the marker ``trial`` and are drawn from one seed:
APC_SEED, or another each time, which is printed so that the same ones can be drawn again.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from typing import Any

import pytest

SEED = int(os.environ["APC_SEED"])
LONG_S = 1800


def trial(value: Any, name: str) -> Any:
    return pytest.param(value, id=name, marks=[pytest.mark.trial, pytest.mark.timeout(LONG_S)])


def seeds(usual: Iterable[int], *, more: int) -> list[Any]:
    """The usual seeds, and so many more in the trials."""
    chance = random.Random(SEED)
    return [*usual, *(trial(chance.randrange(10**6), f"trial-{number}") for number in range(1, more + 1))]


def rounds(usual: int, long: int) -> list[Any]:
    """How often a thing is done, and how often in the trials."""
    return [usual, trial(long, f"trial-{long}")]
