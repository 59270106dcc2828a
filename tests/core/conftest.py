"""What the core's tests share: one trained tiny line."""

from __future__ import annotations

import pytest

from tests.core import tiny_line


@pytest.fixture(scope="session")
def trained():
    return tiny_line.trained()


@pytest.fixture(scope="session")
def machine(trained):
    return tiny_line.machine(trained)
