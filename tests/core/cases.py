"""Reference cases computed outside this project; the tests that need them say so when they are not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "cases"


def case(name: str) -> dict:
    path = FOLDER / f"{name}.json"
    if not path.exists():
        pytest.skip(f"the reference case {name} is not beside the project (../shared/cases)")
    return json.loads(path.read_text())
