"""A loop is tuned by an engineer, and set anew once somebody else has looked at it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from control.actions import audit, versions
from control.actions.errors import Conflict
from control.actions.loops import lock
from control.models import Loop, Version


def draft(loop: Loop, settings: Mapping[str, Any], *, actor: User, now: datetime, reason: str) -> Version:
    """A draft of other settings, checked as a plant file is.

    ``loop`` is as the engineer saw it; if it was set anew since, that is said instead. Once they are in force, open
    proposals notice by the number of the settings.
    """
    line = loop.equipment.line
    with audit.attempt(actor=actor, action="loop.tune", obj=loop, line=line, now=now, reason=reason):
        lock(line.pk)
        if Loop.objects.get(pk=loop.pk).settings_number != loop.settings_number:
            raise Conflict("overtaken", "The loop has been set anew in the meantime.")
        return versions.draft("loop", line, loop.pk, settings, actor=actor, now=now, reason=reason)
