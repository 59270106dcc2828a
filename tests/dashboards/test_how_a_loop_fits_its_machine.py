"""What is told of a loop once a minute: from the points of its gauge and the settings that made them."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from control.actions import stability
from control.core.types import MeasuredBy, Quality
from control.models import Cursor, Loop, LoopStability, Point, Snapshot
from dashboards import wording
from tests.factories import NOW, USUAL, Plant, copied
from tests.factories import plant as make_plant

SECONDS = 1_500
EVERY = 5  # seconds between two values of a lane


def record(plant: Plant, xi: float, seed: int = 1, moved: bool = True) -> None:
    """A web of half a metre a second; the pump moves half a turn to and fro every two minutes."""
    rng, slots = np.random.default_rng(seed), {key: tag.slot for key, tag in plant.tags.items()}
    gain, seq, snapshots, points = 0.33, 0, [], []
    for k in range(SECONDS):
        at = NOW - timedelta(seconds=SECONDS - k)
        pump = 60.0 + (0.5 * (k // 120 % 2) if moved else 0.0)
        values = [0.0] * len(slots)
        for key, slot in slots.items():
            values[slot] = float({**USUAL, "pump_top": pump}[key])
        snapshots.append(
            Snapshot(
                equipment=plant.coater, at=at, source=plant.source, sequence=k, arrival=k + 1, received_at=at, roll=7,
                web_m=k * 0.5, values=values, quality=[0] * len(values),
            )
        )  # fmt: skip
        if k % EVERY:
            continue
        for stream in plant.streams.values():
            seq += 1
            loading = 20.0 + xi * gain * (pump - 60.0) + rng.normal(0, 0.01)
            points.append(
                Point(
                    equipment=plant.coater, seq=seq, at=at, known_at=at, stream=stream, by=MeasuredBy.GAUGE, roll=7,
                    web_m=k * 0.5, value=loading, quality=Quality.GOOD, verdict=0, rules=0,
                )
            )  # fmt: skip
    copied(snapshots)
    copied(points)
    Cursor.objects.update_or_create(equipment=plant.coater, defaults={"head_seq": seq})


@pytest.mark.parametrize(("xi", "concern"), [(1.0, ""), (2.5, "too_strong"), (-1.0, "wrong_sign")])
def test_the_gain_error_of_a_loop_is_found_from_its_moves_and_a_concern_told(
    plant: Plant, xi: float, concern: str
) -> None:
    record(plant, xi)
    assert stability.value_all(NOW) == 1
    row = LoopStability.objects.get(loop=plant.loop)
    assert row.ratio == pytest.approx(xi, abs=0.1)
    assert row.low < xi < row.high
    assert (row.moved > 20, row.concern) == (True, concern)
    assert f"{row.ratio:.1f} times" in wording.stability(row)


def test_a_second_look_goes_on_where_the_first_ended(plant: Plant) -> None:
    record(plant, 1.4)
    head = Cursor.objects.get(pk=plant.coater.pk).head_seq
    whole = _valued(plant, [head])
    LoopStability.objects.all().delete()
    in_parts = _valued(plant, [head // 3, head // 2, head])
    assert in_parts.ratio == pytest.approx(whole.ratio, abs=0.02)
    assert in_parts.moved >= whole.moved - 8
    assert stability.value_all(NOW) == 0


def _valued(plant: Plant, heads: list[int]) -> LoopStability:
    for head in heads:
        Cursor.objects.filter(pk=plant.coater.pk).update(head_seq=head)
        stability.value_all(NOW)
    return LoopStability.objects.get(loop=plant.loop)


def test_other_settings_make_it_learn_anew(plant: Plant) -> None:
    record(plant, 1.0)
    stability.value_all(NOW)
    halved = plant.loop.settings | {"gains": [[g / 2 for g in row] for row in plant.loop.settings["gains"]]}
    Loop.objects.filter(pk=plant.loop.pk).update(settings=halved, settings_number=2)
    assert stability.value_all(NOW) == 1
    row = LoopStability.objects.get(loop=plant.loop)
    assert (row.settings_number, row.concern) == (2, "too_strong")
    assert row.ratio == pytest.approx(2.0, abs=0.1)


def test_a_machine_that_cannot_be_read_holds_up_no_other_and_the_log_tells(plant: Plant, caplog) -> None:
    Loop.objects.update(settings=plant.loop.settings | {"cvs": ["colour/9"]})
    other = make_plant("anode-1", area=plant.area)
    record(other, 1.0)
    assert stability.value_all(NOW) == 1
    assert LoopStability.objects.get().loop_id == other.loop.pk
    assert f"stability: equipment {plant.coater.pk} is left out" in caplog.text


def test_without_a_move_only_the_scatter_is_told(plant: Plant) -> None:
    record(plant, 1.0, moved=False)
    stability.value_all(NOW)
    row = LoopStability.objects.get(loop=plant.loop)
    assert (row.moved, row.ratio, row.concern) == (0, 1.0, "")
    assert row.harris is not None
    assert row.harris > 0.85
    assert wording.stability(row).startswith("Gain not yet estimated")


def test_a_loop_without_points_is_left_alone(plant: Plant) -> None:
    assert stability.value_all(NOW) == 0
    assert not LoopStability.objects.exists()


def test_the_line_page_says_how_a_loop_fits_and_warns_in_words(plant: Plant, signed_in) -> None:
    page = f"/lines/{plant.line.key}/"
    assert "Harris index" not in signed_in("operator").get(page).content.decode()
    record(plant, 2.5)
    stability.value_all(NOW)
    shown = signed_in("operator").get(page).content.decode()
    assert "times the assumed" in shown
    assert "Harris index" in shown
    assert "about to hunt" in shown
    assert "times the assumed" in signed_in("operator").get(f"/loops/{plant.loop.pk}/").content.decode()
