"""One table for all that is drafted, reviewed and put in force; the database keeps what was submitted as it was."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FROZEN = """
CREATE FUNCTION control_version_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.kind, NEW.line_id, NEW.scope, NEW.number, NEW.created_at)
            IS DISTINCT FROM (OLD.kind, OLD.line_id, OLD.scope, OLD.number, OLD.created_at)
        OR OLD.state <> 'draft' AND (NEW.content, NEW.sha256, NEW.source, NEW.author_id, NEW.base_id)
            IS DISTINCT FROM (OLD.content, OLD.sha256, OLD.source, OLD.author_id, OLD.base_id) THEN
        RAISE EXCEPTION 'version % is no draft: its content cannot change', OLD.id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER version_frozen BEFORE UPDATE ON control_version
    FOR EACH ROW EXECUTE FUNCTION control_version_frozen();
ALTER TABLE control_version ENABLE ALWAYS TRIGGER version_frozen;
"""
NOT_FROZEN = """
DROP TRIGGER version_frozen ON control_version;
DROP FUNCTION control_version_frozen();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("control", "0014_people"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Version",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=16)),
                ("scope", models.BigIntegerField()),
                ("number", models.PositiveIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "Draft"),
                            ("in_review", "In review"),
                            ("approved", "Approved"),
                            ("scheduled", "Scheduled"),
                            ("active", "Active"),
                            ("superseded", "Superseded"),
                            ("retired", "Retired"),
                            ("rejected", "Rejected"),
                        ],
                        default="draft",
                        max_length=16,
                    ),
                ),
                ("content", models.JSONField()),
                ("sha256", models.CharField(max_length=64)),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("page", "Page"),
                            ("api", "API"),
                            ("file", "Plant file"),
                            ("import", "Import"),
                            ("training", "Training"),
                            ("install", "Set up with the line"),
                        ],
                        default="page",
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("reason", models.CharField(blank=True, max_length=400)),
                ("approved_at", models.DateTimeField(blank=True, null=True)),
                (
                    "waits_for",
                    models.CharField(
                        blank=True,
                        choices=[("", "Nothing"), ("lot", "The next roll"), ("time", "A time")],
                        default="",
                        max_length=8,
                    ),
                ),
                ("scheduled_at", models.DateTimeField(blank=True, null=True)),
                ("due_at", models.DateTimeField(blank=True, null=True)),
                ("effective_from", models.DateTimeField(blank=True, null=True)),
                ("effective_to", models.DateTimeField(blank=True, null=True)),
                (
                    "approved_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "base",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="control.version",
                    ),
                ),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="versions", to="control.line"
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["line", "-id"], name="version_of_line")],
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "scope", "number"), name="version_number"),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "active")), fields=("kind", "scope"), name="version_one_active"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "scheduled")),
                        fields=("kind", "scope"),
                        name="version_one_scheduled",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("approved_by__isnull", True),
                            ("author__isnull", True),
                            models.Q(("approved_by", models.F("author")), _negated=True),
                            _connector="OR",
                        ),
                        name="version_approved_by_another",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ("approved", "scheduled", "active")), _negated=True),
                            ("approved_by__isnull", False),
                            ("source", "install"),
                            _connector="OR",
                        ),
                        name="version_approved_before_in_force",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "active"), _negated=True),
                            models.Q(("effective_from__isnull", False), ("effective_to__isnull", True)),
                            _connector="OR",
                        ),
                        name="version_active_since",
                    ),
                ],
            },
        ),
        migrations.RunSQL(FROZEN, NOT_FROZEN),
    ]
