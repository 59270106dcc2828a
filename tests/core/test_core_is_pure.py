"""The core imports the language, numpy and scipy, and itself; a few modules one library more."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import control.core

ROOT = Path(control.core.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
ONLY = {
    "datetime": {"control/core/shifts.py"},  # the calendar of a wall, for an instant it is given
    "daqp": {"control/core/r2r/allocation.py"},
    "onnxruntime": {"control/core/vm/onnx.py"},
    "pydantic": {"control/core/state.py"},
    "sklearn": {"control/core/vm/fitting.py"},
}
CLOCKS = {"time", "random", "os", "socket", "subprocess", "pathlib"}
NOWS = {"now", "utcnow", "today"}


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_core_module_imports_no_framework_clock_or_io(path):
    name = path.relative_to(ROOT.parent.parent).as_posix()
    for module in imported(path):
        top = module.split(".")[0]
        if top == "control":
            assert module == "control.core" or module.startswith("control.core."), f"{name} imports {module}"
        elif top in ONLY:
            assert name in ONLY[top], f"{name} imports {module}"
        else:
            assert top in {"numpy", "scipy"} or (top in sys.stdlib_module_names and top not in CLOCKS), module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_core_module_asks_no_clock(path):
    nodes = ast.walk(ast.parse(path.read_text()))
    assert not [node.lineno for node in nodes if isinstance(node, ast.Attribute) and node.attr in NOWS]


def test_a_pass_needs_no_module_that_trains():
    seen, waiting = set(), ["control.core.loop"]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        path = ROOT.parent.parent / (module.replace(".", "/") + ".py")
        if path.exists():
            waiting += [name for name in imported(path) if name.startswith("control.core")]
            assert not any(name.startswith("sklearn") for name in imported(path)), module


def test_no_part_of_scipy_is_loaded_before_it_is_used():
    """`import scipy` fetches a part when it is first named; scipy.signal takes every process a second."""
    assert [path.name for path in FILES if any(name.startswith("scipy.") for name in imported(path))] == []
