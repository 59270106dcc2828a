"""How large a change is said to be."""

import pytest

from tests.factories import offered, plant

pytestmark = pytest.mark.django_db


def test_a_change_is_as_large_as_its_largest_move_whichever_move_needs_most_authority():
    line = plant()
    change = offered(line, pump_top=60.3, bolt_top_1=504.0, bolt_top_2=496.0)
    moves = {row.tag.key: row for row in change.moves.select_related("tag")}
    recipe = line.recipe.content["set_points"]
    sizes = [100 * abs(row.to_value - row.from_value) / recipe[f"coater.{tag}"] for tag, row in moves.items()]
    assert change.size_percent == pytest.approx(max(sizes))
