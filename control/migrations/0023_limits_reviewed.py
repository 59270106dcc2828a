"""Limits become versions like everything else: each number of a stream one version, in the state it was in.

Rows of limits are from now on what is or was in force; a draft is a version alone. What was put in force before there
were reviews counts as what the line was set up with: nobody signed it.
"""

import hashlib
import json
from itertools import groupby

from django.db import migrations

TOLD = ("mean", "sigma", "n", "method", "rules", "parameters", "expected")
NEVER_IN_FORCE = ("draft", "rejected")


def _content(rows):
    charts = {
        row.chart: {name: getattr(row, name) for name in TOLD}
        | {"window_from": row.window_from.isoformat(), "window_to": row.window_to.isoformat()}
        for row in rows
    }
    return {"charts": charts, "excluded": rows[0].excluded}


def _sha256(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _version(apps, rows):
    one, content = rows[0], _content(rows)
    return apps.get_model("control", "Version").objects.create(
        kind="limits", line_id=one.stream.lane.equipment.line_id, scope=one.stream_id, number=one.number,
        state=one.state, content=content, sha256=_sha256(content), reason=one.reason,
        author_id=one.created_by_id or one.activated_by_id,
        source="page" if one.state in NEVER_IN_FORCE else "install",
        created_at=one.created_at or one.effective_from or one.window_to,
        effective_from=one.effective_from, effective_to=one.effective_to,
    )  # fmt: skip


def as_versions(apps, schema_editor):
    limits = apps.get_model("control", "Limits").objects
    stored = limits.select_related("stream__lane__equipment").order_by("stream_id", "number", "pk")
    for _, of_a_stream in groupby(stored, lambda row: row.stream_id):
        versions = [_version(apps, list(rows)) for _, rows in groupby(of_a_stream, lambda row: row.number)]
        active = next((version for version in versions if version.state == "active"), None)
        for version in versions:
            if version.state == "draft":
                version.base = active
                version.save()
    limits.filter(state__in=NEVER_IN_FORCE).delete()


def as_limits(apps, schema_editor):
    """Back: what is or was in force is in the rows of limits; what still waited for a review is given up."""
    schema_editor.execute("DELETE FROM control_version WHERE kind = 'limits'")


class Migration(migrations.Migration):
    dependencies = [("control", "0022_api_tokens")]

    operations = [migrations.RunPython(as_versions, as_limits)]
