"""The figures of the workflow and the table of authority: usual values, bounds, and what is said of wrong ones."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.core.bounded import bounds, content, made
from control.core.figures import Figures, Shares
from control.core.policy import Authority

ROOT = Path(__file__).parents[2]
TABLES = (Figures, Shares)


@pytest.mark.parametrize("table", TABLES)
def test_the_usual_values_keep_their_own_bounds(table):
    assert table.faults({}) == []
    assert table.faults(content(table())) == []


@pytest.mark.parametrize("table", TABLES)
def test_what_is_stored_is_read_back_alike(table):
    assert made(table, json.loads(json.dumps(content(table())))) == table()


def test_the_shares_are_the_table_of_authority():
    assert Shares().table == Authority()
    assert Shares.of({"operator_move": 0.5}).table.operator.move == 0.5


def test_what_a_later_version_no_longer_knows_says_nothing():
    assert Figures.of({"long_gone": 3, "doubts": 4}).doubts == 4


@pytest.mark.parametrize(
    ("told", "codes"),
    [
        ({"doubts": 1.5}, {"doubts": "not_whole"}),
        ({"doubts": 0}, {"doubts": "below"}),
        ({"doubts": 11}, {"doubts": "above"}),
        ({"doubts": True}, {"doubts": "not_a_number"}),
        ({"veto_s": "soon"}, {"veto_s": "not_a_number"}),
        ({"veto_s": math.nan}, {"veto_s": "not_a_number"}),
        ({"veto_s": math.inf}, {"veto_s": "above"}),
        ({"veto": 30}, {"veto": "unknown"}),
        ({"doubts": 0, "veto_s": 90}, {"doubts": "below", "veto_s": "above"}),
    ],
)
def test_everything_that_is_wrong_is_said(told, codes):
    assert {fault.path: fault.code for fault in Figures.faults(told)} == codes


def test_nobody_lower_may_do_more():
    found = Shares.faults({"operator_move": 4.0})
    assert [(fault.path, fault.than) for fault in found] == [
        ("operator_move", "supervisor_move"), ("operator_move", "operator_shift"),
    ]  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
@given(data=st.data())
def test_a_fault_is_told_of_a_number_if_and_only_if_it_is_out_of_bounds(table, data):
    numbers = bounds(table)
    name = data.draw(st.sampled_from(sorted(numbers)))
    value = data.draw(st.integers(-100_000, 100_000) if numbers[name].whole else st.floats(-1e5, 1e5))
    beyond = not numbers[name].low <= value <= numbers[name].high
    assert beyond == any(
        fault.path == name and fault.code in {"above", "below"} for fault in table.faults({name: value})
    )


def test_every_figure_is_read_somewhere():
    declared = ROOT / "control/core/figures.py"
    code = "\n".join(path.read_text() for path in (ROOT / "control").rglob("*.py") if path != declared)
    assert {name for name in bounds(Figures) if f".{name}" not in code} == set()


@pytest.mark.parametrize("table", TABLES)
def test_the_docs_list_every_figure_with_its_bounds(table):
    docs = (ROOT / "docs/workflow.md").read_text()
    rows = [f"| `{name}` | {f'{one.usual:g} {one.unit}'.strip()} | {one.low:g} | {one.high:g} |"
            for name, one in bounds(table).items()]  # fmt: skip
    assert [row for row in rows if row not in docs] == []
