"""Whatever refuses a person is told in words of the page's language, not by the sentence meant for the API."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.actions.errors import Refused
from dashboards import wording

ROOT = Path(__file__).parents[2]
ROOMS = ("control/actions", "dashboards/*.py", "dashboards/views")  # the API's own codes are for machines


def kinds(of: type[Refused] = Refused) -> set[str]:
    return {of.__name__}.union(*(kinds(one) for one in of.__subclasses__()))


def codes() -> Iterator[str]:
    """The first argument, where it is a plain string, of every refusal that is made."""
    for room in ROOMS:
        for path in ROOT.glob(room if room.endswith(".py") else f"{room}/*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds():
                    yield from (one.value for one in node.args[:1] if isinstance(one, ast.Constant))


@pytest.mark.parametrize("code", sorted(set(codes())))
def test_a_code_that_refuses_has_words(code: str) -> None:
    assert wording.refusal(code)
