"""The page of a loop: everybody reads how it is set, an engineer sets it, and the cost in approvals is beside it."""

from __future__ import annotations

import uuid
from datetime import timedelta

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from control.actions import versions
from control.models import AuditEntry, Loop, Point, Version
from control.queries import loops as queries
from tests.factories import Plant, copied, hand

SEES = ("viewer", "operator", "supervisor", "engineer", "admin", "auditor")


def form(loop: Loop, **changes: str) -> dict[str, str]:
    told = loop.settings
    gains = {f"gain-{i}-{j}": str(g) for i, row in enumerate(told["gains"]) for j, g in enumerate(row)}
    weights = {f"weight-{i}": "1" for i in range(len(told["cvs"]))}
    usual = {
        "key": uuid.uuid4().hex, "number": str(loop.settings_number), "reason": "Quieter nights",
        "band": "deadband", "deadband": "0.06",
        "dead_time_m": "60", "ewma_weight": "0.3", "move_weight": "0.1", "nominal_weight": "0.02", "estimator": "ewma",
        "drift_weight": "", "wander_per_m": "",
    }  # fmt: skip
    return usual | gains | weights | changes


def at(plant: Plant) -> str:
    return f"/loops/{plant.loop.pk}/"


def reviewed(plant: Plant) -> None:
    """Somebody else puts the newest draft in force."""
    version, now = Version.objects.latest("pk"), timezone.now()
    versions.submit(version.pk, actor=plant.person("engineer"), now=now)
    by = hand(plant.person("supervisor"), now)
    versions.approve(version.pk, seen=version.sha256, by=by, now=now, then="now")


@pytest.mark.parametrize("name", SEES)
def test_who_has_a_role_reads_it_and_only_an_engineer_finds_a_button(plant: Plant, signed_in, name: str) -> None:
    page = signed_in(name).get(at(plant))
    assert page.status_code == 200
    assert ("Keep as a draft" in page.content.decode()) == (name == "engineer")
    assert ("disabled" in page.content.decode()) == (name != "engineer")


def test_for_an_outsider_it_does_not_exist(plant: Plant, signed_in) -> None:
    assert signed_in("outsider").get(at(plant)).status_code == 404
    assert signed_in("outsider").post(at(plant) + "tune/", form(plant.loop)).status_code == 404
    assert Client().get(at(plant)).headers["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("name", ["viewer", "operator", "supervisor", "admin", "auditor"])
def test_the_door_is_an_engineers(plant: Plant, signed_in, name: str) -> None:
    assert signed_in(name).post(at(plant) + "tune/", form(plant.loop, deadband="0.2")).status_code == 403
    assert Loop.objects.get().settings_number == 1


def test_an_engineer_sets_it_and_sees_who_did_what(plant: Plant, signed_in) -> None:
    engineer = signed_in("engineer")
    changes = {"deadband": "0.09", "gain-1-0": "0.31", "weight-2": "2"}
    answer = engineer.post(at(plant) + "tune/", form(plant.loop, **changes))
    version = Version.objects.latest("pk")
    assert answer.headers["Location"] == f"/versions/{version.pk}/"
    assert Loop.objects.get().settings["deadband"] == 0.06
    review = engineer.get(f"/versions/{version.pk}/").content.decode()
    for words in ("Deadband", "Gains 2 1", "Weight"):
        assert words in review
    assert "draft 2: Draft" in engineer.get(at(plant)).content.decode()
    reviewed(plant)
    settings = Loop.objects.get().settings
    assert (settings["deadband"], settings["gains"][1][0], settings["cv_weights"]) == (0.09, 0.31, [1.0, 1.0, 2.0, 1.0])
    page = engineer.get(at(plant)).content.decode()
    assert "Deadband: 0.06 → <b>0.09</b>" in page
    assert "Quieter nights" in page
    assert "version 2" in page


def test_a_draft_that_was_sent_back_is_changed_on_the_page_of_its_loop(plant: Plant, signed_in) -> None:
    engineer, now = signed_in("engineer"), timezone.now()
    engineer.post(at(plant) + "tune/", form(plant.loop, deadband="0.09"))
    version = Version.objects.latest("pk")
    versions.submit(version.pk, actor=plant.person("engineer"), now=now)
    versions.rework(version.pk, actor=plant.person("supervisor"), now=now, reason="Too wide")
    assert f"/versions/{version.pk}/change/" in engineer.get(f"/versions/{version.pk}/").content.decode()
    page = engineer.get(f"/versions/{version.pk}/change/", follow=True).content.decode()
    assert 'value="0.09"' in page
    assert "These are the settings of draft 2, not those in force." in page
    told = {"draft": str(version.pk), "seen": version.sha256}
    wrong = engineer.post(at(plant) + "tune/", form(plant.loop, deadband="-1", **told))
    assert (wrong.status_code, "settings of draft 2" in wrong.content.decode()) == (422, True)
    assert engineer.post(at(plant) + "tune/", form(plant.loop, deadband="0.07", **told)).status_code == 302
    version.refresh_from_db()
    assert (version.content["deadband"], version.state) == (0.07, "draft")
    assert (
        engineer.post(at(plant) + "tune/", form(plant.loop, deadband="0.08", **told)).status_code == 409
    )  # seen before
    assert Loop.objects.get().settings["deadband"] == 0.06


@pytest.mark.parametrize("told", ["999999", "x", "", "-1", "٣", "9" * 40])
def test_a_draft_that_there_is_not_is_none(plant: Plant, signed_in, told: str) -> None:
    answer = signed_in("engineer").get(at(plant), {"draft": told})
    assert answer.status_code == (404 if told in ("999999", "٣") else 200)


def test_sending_the_page_as_it_stands_changes_no_gain_and_no_weight(plant: Plant, signed_in) -> None:
    engineer = signed_in("engineer")
    assert engineer.post(at(plant) + "tune/", form(plant.loop)).status_code == 409  # nothing is otherwise
    engineer.post(at(plant) + "tune/", form(plant.loop, nominal_weight="0.03"))
    settings = Version.objects.latest("pk").content
    for key in ("gains", "cvs", "mvs", "sum_zero", "deadband", "dead_time_m", "ewma_weight"):
        assert settings[key] == plant.loop.settings[key]


def test_a_mistake_is_said_and_what_was_typed_stays(plant: Plant, signed_in) -> None:
    engineer = signed_in("engineer")
    page = engineer.post(at(plant) + "tune/", form(plant.loop, deadband="-0.5", move_weight="0.77"))
    assert page.status_code == 422
    told = page.content.decode()
    assert "deadband: must be more than 0" in told
    assert 'value="0.77"' in told
    assert Loop.objects.get().settings_number == 1
    assert "not a number" in engineer.post(at(plant) + "tune/", form(plant.loop, deadband="wide")).content.decode()


def test_an_engineer_who_looked_at_an_older_version_is_told(plant: Plant, signed_in) -> None:
    engineer = signed_in("engineer")
    engineer.post(at(plant) + "tune/", form(plant.loop, deadband="0.09"))
    reviewed(plant)
    assert engineer.post(at(plant) + "tune/", form(plant.loop, deadband="0.2")).status_code == 409
    assert Loop.objects.get().settings["deadband"] == 0.09
    assert AuditEntry.objects.filter(action="loop.tune").count() == 1


def walked(plant: Plant, noise: float, hours: float = 4.0) -> None:
    """Predictions every five seconds that wander by ``noise`` a minute, the line at 60 m/min."""
    now, rng = timezone.now().replace(microsecond=0), np.random.default_rng(4)
    steps = int(hours * 720)
    at_s = [int(now.timestamp()) // 5 * 5 - 5 * (steps - i) for i in range(steps)]
    rows = []
    for number, stream in enumerate(plant.streams.values()):
        walk = 20 + np.cumsum(rng.normal(0, noise / np.sqrt(12), steps))
        rows += [
            Point(
                equipment=plant.coater, stream=stream, seq=number * steps + i + 1,
                at=now + timedelta(seconds=at_s[i] - now.timestamp()), known_at=now, by=0, roll=1, web_m=5.0 * i,
                value=float(walk[i]), quality=0, verdict=0, rules=0,
            )
            for i in range(steps)
        ]  # fmt: skip
    copied(rows)


def test_the_noise_of_a_loop_is_that_of_its_streams(plant: Plant) -> None:
    walked(plant, 0.03)
    found = queries.wander(plant.loop, 0.3, timezone.now())
    assert found is not None
    assert found.decision_s == pytest.approx(60.0)
    assert found.noise == pytest.approx(0.033, rel=0.15)  # the liveliest of four


def test_the_page_says_what_a_deadband_costs_and_takes_the_cost_instead(plant: Plant, signed_in) -> None:
    engineer = signed_in("engineer")
    assert "Too little was predicted" in engineer.get(at(plant)).content.decode()
    walked(plant, 0.03)
    assert "approvals per shift" in engineer.get(at(plant)).content.decode()
    wish = {"band": "approvals", "approvals_per_shift": "20", "noise": "0.03", "decision_s": "60"}
    assert engineer.post(at(plant) + "tune/", form(plant.loop, **wish)).status_code == 302
    reviewed(plant)
    settings = Loop.objects.get().settings
    assert settings["approvals_per_shift"] == 20.0
    assert settings["deadband"] == pytest.approx(0.03 * 4.3, rel=0.02)  # 480 decisions over 20: 24 intervals
    back = form(plant.loop, number="2", deadband="0.07")
    assert engineer.post(at(plant) + "tune/", back).status_code == 302
    reviewed(plant)
    assert "approvals_per_shift" not in {k for k, v in Loop.objects.get().settings.items() if v is not None}


def test_it_opens_where_nothing_moves_and_whatever_the_deadband_is(plant: Plant, signed_in) -> None:
    engineer = signed_in("engineer")
    walked(plant, 0.0)
    assert "Too little was predicted" in engineer.get(at(plant)).content.decode()
    Point.objects.all().delete()
    walked(plant, 0.03)
    Loop.objects.update(settings=plant.loop.settings | {"deadband": 1e160, "ewma_weight": 5e-324})
    assert engineer.get(at(plant)).status_code == 200


def test_it_says_what_is_fed_forward(plant: Plant, signed_in) -> None:
    plant.loop.settings = plant.loop.settings | {
        "feed_forward": [{"tag": "solids", "equipment": None, "streams": [], "gains": [0.286] * 4}]
    }
    plant.loop.save()
    page = signed_in("viewer").get(at(plant)).content.decode()
    assert "Fed forward: <b>Solids</b>, by 0.286, 0.286, 0.286, 0.286 mg/cm2" in page


def test_what_the_machine_before_measures_is_fed_forward_by_its_names(plant: Plant, signed_in) -> None:
    told = {"tag": None, "equipment": "coater", "streams": [["loading/1-top", "gone/1"]], "gains": [6.25]}
    plant.loop.settings = plant.loop.settings | {"feed_forward": [told]}
    plant.loop.save()
    page = signed_in("viewer").get(at(plant), headers={"Accept-Language": "ko"}).content.decode()
    assert "피드포워드: <b>코터: 로딩량, 레인 1 상면 + gone/1</b>" in page


def test_who_may_not_look_into_the_history_reads_no_dangling_dot(plant: Plant, signed_in) -> None:
    heads = {
        name: signed_in(name).get(at(plant)).content.decode().partition("</h1>")[0] for name in ("viewer", "engineer")
    }
    assert heads["viewer"].endswith(f"{plant.line}</a></small>")
    assert heads["engineer"].endswith("History</a></small>")


def test_the_overview_leads_to_it(plant: Plant, signed_in) -> None:
    assert f'href="{at(plant)}"' in signed_in("viewer").get(f"/lines/{plant.line.key}/").content.decode()
