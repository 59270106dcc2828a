"""What the core's tests share: one trained tiny line, and how it stands after a while."""

from __future__ import annotations

from copy import deepcopy

import pytest

from control.core.loop import State
from tests.core import tiny_line


@pytest.fixture(scope="session")
def trained():
    return tiny_line.trained()


@pytest.fixture(scope="session")
def machine(trained):
    return tiny_line.machine(trained)


@pytest.fixture(scope="session")
def settled(machine):
    """The line after so many undisturbed seconds and the state of its loop; run once, a copy for each who asks."""
    known = {}

    def after(seed=5, seconds=400):
        if (seed, seconds) not in known:
            line, state = tiny_line.TinyLine(seed, disturbed=False), State()
            for _ in range(seconds):
                state = tiny_line.live(line, machine, state).state
            known[seed, seconds] = line, state
        return deepcopy(known[seed, seconds])

    return after
