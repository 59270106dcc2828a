"""The measurements as one run: one that fails takes none of the others along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.__main__ import FIGURES, MODULES, Figure, measured
from bench.scratch import COLLECTED, table

ROOT = Path(__file__).parent.parent


def test_the_others_run_when_one_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert measured(("bench.no_such", "bench.scratch"), tmp_path / "tables") == ["bench.no_such"]
    assert "== bench.scratch" in capfd.readouterr().out


def test_a_figure_that_nothing_told_is_not_held() -> None:
    assert Figure("share", "ours", "a", at_least=0.5).told([]) == ["share", "at least 0.5", "-", "no"]


@pytest.mark.parametrize(
    ("cell", "held"), [("0.50", "yes"), ("0.49", "no"), ("50% .. 60%", "yes"), ("30 (18 .. 32)", "yes")]
)
def test_a_figure_is_held_by_the_first_number_of_its_cell(cell: str, held: str) -> None:
    assert Figure("share", "ours", "a", at_least=0.5).told([[{"way": "a b", "ours": cell}]])[2:] == [cell, held]


@pytest.mark.parametrize("module", MODULES)
def test_every_measurement_is_a_module_and_described(module: str) -> None:
    name = module.removeprefix("bench.")
    assert (ROOT / "bench" / f"{name}.py").exists()
    assert f"| `{name}` |" in (ROOT / "bench/README.md").read_text()


def test_every_figure_is_named_once() -> None:
    assert len({figure.what for figure in FIGURES}) == len(FIGURES)


def test_tables_are_collected_as_they_are_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COLLECTED, str(tmp_path / "tables"))
    table("A title", ["way", "ours"], [["a", 1]])
    assert json.loads((tmp_path / "tables").read_text()) == [{"way": "a", "ours": "1"}]
