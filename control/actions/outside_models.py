"""A model made elsewhere is brought in: looked through, tried, trained around and compared like any challenger."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from control.actions import audit, machines
from control.actions._outside_trial import tried
from control.actions.audit import Actor
from control.actions.authority import Right, require
from control.actions.errors import Conflict, Invalid
from control.actions.retraining import asked
from control.core.vm.onnx import MOST_BYTES
from control.models import Equipment, Tag, TrainingRun

MOST_TEXT = 64 * 1024  # bytes of a declaration


@dataclass(frozen=True, slots=True)
class Outside:
    """A model that may run here: the main model of each of its streams, and what the audit says of it."""

    models: Mapping[str, Mapping[str, Any]]
    told: Mapping[str, Any]


def bring(
    equipment: Equipment, data: bytes, declaration: bytes, *, actor: User, now: datetime, reason: str
) -> TrainingRun:
    """Check a model and ask for a run that trains what stands around it and compares it with what is in force.

    Nothing is in force until the run has passed and a person, or a person's plan, has decided so.
    """
    line = equipment.line
    with audit.refusals(actor=actor, action="model.import", obj=equipment, now=now, reason=reason, line=line):
        require(actor, Right.CONFIGURE, line, now)
        if not reason.strip():
            raise Invalid("reason_needed", "Bringing in a model needs a reason.")
        found = checked(equipment, data, declaration)  # takes seconds: in no transaction
        with audit.atomic():
            run, new = asked(equipment, now=now, by=actor, reason=reason, outside=stored(found.models))
            if not new:
                raise Conflict("training_under_way", "A training is under way: wait for its end, or cancel it.")
            record(equipment, found, actor=actor, now=now, reason=reason, run=run.pk)
    return run


def checked(equipment: Equipment, data: bytes, declaration: bytes) -> Outside:
    """The models by stream; what is not taken is Invalid, with the reason."""
    if len(data) > MOST_BYTES or len(declaration) > MOST_TEXT:
        raise Invalid("not_a_model", f"{MOST_BYTES} bytes of model and {MOST_TEXT} of declaration are the most")
    tags = tuple(tag.key for tag in equipment.tags.order_by("slot") if tag.kind != Tag.Kind.STATUS)
    streams = {stream.key for stream in machines.predictable(equipment)}
    try:
        told = tomllib.loads(declaration.decode())
        models = tried(data, told, streams, tags)
    except RecursionError:
        raise Invalid("not_a_model", "declaration: nested too deeply") from None
    except UnicodeDecodeError:
        raise Invalid("not_a_model", "declaration: not a text in UTF-8") from None
    except ValueError as why:
        raise Invalid("not_a_model", str(why)[:400]) from None
    predicts = next(iter(models.values()))["predicts"]
    about = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "predicts": predicts}
    return Outside(models, about | {"streams": list(models)})


def record(
    equipment: Equipment, found: Outside, *, actor: Actor, now: datetime, reason: str, run: int | None = None
) -> None:
    """Tell the audit of a model that was taken; inside ``audit.atomic()``."""
    told = {**found.told, "run": run}
    audit.record(
        actor=actor, action="model.import", obj=equipment, now=now, new=told, reason=reason, line=equipment.line_id
    )


def stored(models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What the streams share once: the file may be large."""
    shared = {name: value for name, value in next(iter(models.values())).items() if name != "column"}
    return {"streams": {stream: model["column"] for stream, model in models.items()}, "model": shared}


def read(outside: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The main model of each stream again, of what :func:`stored` gave."""
    return {stream: {**outside["model"], "column": column} for stream, column in outside.get("streams", {}).items()}
