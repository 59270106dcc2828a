"""What made a loop fall silent, or a move need more authority, is told to people in words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation

from control.core.policy import Reason
from dashboards import wording

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_words(reason):
    assert (reason in wording.SILENCES) != (reason in wording.NEEDS)


def test_a_change_taken_back_by_the_controller_says_why_and_a_persons_own_words_stay():
    assert "ran back" in wording.silence("web_reversed")
    assert wording.silence("the splice was due") == "the splice was due"


def objections() -> Iterator[str]:
    """The codes with which the dispatcher blocks a change."""
    for path in ("control/actions/writing.py", "control/dispatcher.py"):
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Objection", "writing.block"):
                codes = (one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str))
                yield from codes


@pytest.mark.parametrize("code", sorted({*objections(), Reason.MOVE_TOO_LARGE} - {"expired", "on_hold"}))
def test_what_blocked_a_change_is_told_in_words(code: str) -> None:
    assert wording.silence(code) != code


@pytest.mark.parametrize(("reason", "korean"), [("wild reading", "튄 값"), ("the shift so far", "지금까지의 근무")])
def test_what_the_system_writes_as_a_reason_is_told_in_the_language_of_the_reader(reason: str, korean: str) -> None:
    with translation.override("ko"):
        assert wording.silence(reason) == korean
