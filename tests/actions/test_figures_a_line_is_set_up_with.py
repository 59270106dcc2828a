"""A plant file may say the figures that a line is set up with; from then on they are people's."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest

from control.actions import figures, plant, versions
from control.core.figures import Figures
from control.models import Version
from control.plantfile import PlantFileError, parse
from tests.core.twins import table
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def document(**told: Any) -> dict[str, Any]:
    file = copy.deepcopy(table("plants/cathode.toml"))
    file["line"]["figures"] = told
    return file


def store(file: dict[str, Any]) -> plant.Stored:
    return plant.store(parse(file), actor="test", reason="", now=NOW)


def test_they_hold_at_once_and_the_others_are_usual() -> None:
    line = store(document(operators=2, call_burst=4)).line
    assert figures.of(line.pk) == Figures(operators=2, call_burst=4)
    version = Version.objects.get(line=line, kind="figures")
    assert (version.source, version.state) == ("install", "active")


def test_a_file_without_them_leaves_the_usual_ones() -> None:
    line = store(document()).line
    assert figures.of(line.pk) == Figures()
    assert not Version.objects.exists()


def test_the_same_file_again_changes_nothing_and_another_leaves_what_is_in_force() -> None:
    store(document(operators=2))
    assert store(document(operators=2)).changed == []
    line = store(document(operators=3)).line
    assert figures.of(line.pk).operators == 2


def test_what_was_retired_does_not_come_back() -> None:
    line = store(document(operators=2)).line
    Version.objects.filter(line=line).update(state="retired", effective_to=NOW + timedelta(hours=1))
    assert figures.of(store(document(operators=2)).line.pk) == Figures()
    assert versions.active("figures", line.pk) is None


@pytest.mark.parametrize(
    ("told", "says"),
    [({"operators": 0}, "operators is below 1"), ({"operator": 2}, "operator is unknown")],
)
def test_a_figure_that_cannot_be_is_a_mistake_of_the_file(told: dict[str, Any], says: str) -> None:
    with pytest.raises(PlantFileError) as caught:
        parse(document(**told))
    assert caught.value.errors == [f"line.figures: {says}"]
