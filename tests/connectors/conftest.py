from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.plcs import RunningPlc


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: a Unix socket's may not be longer than 100 characters."""
    path = Path(tempfile.mkdtemp(prefix="apc"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def plc(folder: Path) -> Iterator[RunningPlc]:
    with RunningPlc(folder) as running:
        yield running
