"""A demo that an older version made: its machines send tags that its plant does not have, until the plant follows."""

from __future__ import annotations

import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from control.actions import audit, ingest, plant
from control.core.twin.line import Line as Twin
from control.core.twin.parameters import line_parameters
from control.core.twin.scenario import Scenario
from control.demo import plants
from control.demo.people import SYSTEM
from control.models import AuditEntry, Estimator, Loop, Point, Site, Tag
from control.plantfile import parse
from tests.running import FIXTURES, START, Running

pytestmark = pytest.mark.django_db
NEWER = ("batch_number", "filter_changes", "pump_services")


def toml(*parts: str) -> dict[str, Any]:
    return tomllib.loads(FIXTURES.joinpath(*parts).read_text())


def older(name: str) -> dict[str, Any]:
    """A plant file before there were counters of events and anything was fed forward."""
    document = toml("plants", f"{name}.toml")
    for machine in document["equipment"]:
        machine["tags"] = [tag for tag in machine["tags"] if not tag["key"].startswith(NEWER)]
        machine.pop("events", None)
        for loop in machine["loop"]:
            loop.pop("feed_forward", None)
    press = document["equipment"][1]
    press["loop"] = [loop for loop in press["loop"] if loop["key"] == "density"]  # which then had the force too
    gains = [[0.00096, *row] for row in press["loop"][0]["gains"]]
    press["loop"][0] |= {"gains": gains, "mvs": ["line_force", "gap_tilt"], "gain_schedule": "compaction"}
    return document


def machines(document: dict[str, Any]) -> Twin:
    return Twin(line_parameters(document, toml("twins", "cathode-1.toml")), Scenario(), 20)


@pytest.fixture
def demo(settings, tmp_path: Path) -> Running:
    """As the older version left it: the cathode line with estimators in force, and both plants as they were."""
    settings.APC_DEMO, settings.APC_DEMO_PASSWORD, settings.APC_VAR_DIR = True, "a-demo-password", tmp_path
    stored = [plant.store(parse(older(name)), actor=SYSTEM, reason="", now=START) for name in plants.PLANTS]
    with audit.atomic():
        audit.record(actor=SYSTEM, action=plants.SEEDED, obj=Site.objects.get(), now=START, new={"hours": 8.0})
    for loop in Loop.objects.all():
        loop.settings.pop("feed_forward")
        loop.save()
    who = ingest.known(ingest.raw(), stored[0].source.pk)
    line = Running(stored[0].line, machines(older("cathode")), who)
    line.run(900)
    line.advance()
    line.train()
    return line


def renew() -> str:
    said = StringIO()
    call_command("seed_demo", stdout=said, verbosity=0)
    return said.getvalue()


def test_its_machines_are_read_and_predicted_again_once_the_plant_follows(demo: Running) -> None:
    trained = set(Estimator.objects.values_list("pk", "state"))
    slots = dict(Tag.objects.values_list("pk", "slot"))
    memory, demo.twin = demo.twin.snapshot(), machines(toml("plants", "cathode.toml"))
    demo.twin.restore(memory)
    with pytest.raises(LookupError, match="batch_number"):
        demo.run(10)
    assert plants.outdated()
    assert "new or changed" in renew()
    assert not plants.outdated()
    before = Point.objects.filter(by=0).count()
    demo.who = ingest.known(ingest.raw(), demo.who.source_id)
    demo.run(30)
    demo.advance()
    predicted = Point.objects.filter(by=0, quality=0, value__isnull=False)
    assert predicted.count() > before
    assert predicted.filter(at__gt=START, stream__lane__equipment__key="coater").latest("at").at == demo.now
    assert set(Estimator.objects.values_list("pk", "state")) == trained
    assert dict(Tag.objects.filter(pk__in=slots).values_list("pk", "slot")) == slots


def test_its_loops_feed_forward_as_the_files_say_and_a_second_start_changes_nothing(demo: Running) -> None:
    renew()
    settings = Loop.objects.get(equipment__line=demo.line, key="loading-top").settings
    assert [one["tag"] for one in settings["feed_forward"]] == ["solids", "slurry_density"]
    press = Loop.objects.filter(equipment__line=demo.line, equipment__key="press").order_by("key")
    assert [(loop.key, loop.settings["mvs"]) for loop in press] == [
        ("density", ["gap_tilt"]),
        ("thickness", ["line_force"]),
    ]
    assert press[1].settings["feed_forward"][0]["equipment"] == "coater"
    entries = AuditEntry.objects.count()
    assert "nothing was changed" in renew()
    assert AuditEntry.objects.count() == entries


def test_what_no_seeding_made_is_not_outdated() -> None:
    plant.store(parse(older("cathode")), actor="test", reason="", now=START)
    assert not plants.outdated()
