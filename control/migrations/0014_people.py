"""Signatures, append-only like the audit, and the count of wrong passwords."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

GUARD = """
CREATE TRIGGER signature_append_only BEFORE UPDATE OR DELETE ON control_signature
    FOR EACH ROW EXECUTE FUNCTION control_audit_refuse();
CREATE TRIGGER signature_no_truncate BEFORE TRUNCATE ON control_signature
    FOR EACH STATEMENT EXECUTE FUNCTION control_audit_refuse();
ALTER TABLE control_signature ENABLE ALWAYS TRIGGER signature_append_only;
ALTER TABLE control_signature ENABLE ALWAYS TRIGGER signature_no_truncate;
"""
NO_GUARD = """
DROP TRIGGER signature_append_only ON control_signature;
DROP TRIGGER signature_no_truncate ON control_signature;
"""


class Migration(migrations.Migration):
    dependencies = [("control", "0017_audit_append"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="Guesses",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name_sha256", models.CharField(max_length=64)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("failures", models.PositiveSmallIntegerField(default=0)),
                ("since", models.DateTimeField()),
                ("locked_until", models.DateTimeField(null=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("name_sha256", "address"), name="guesses_once")],
            },
        ),
        migrations.CreateModel(
            name="Signature",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("printed_name", models.CharField(help_text="As it was then", max_length=310)),
                ("at", models.DateTimeField()),
                ("meaning", models.CharField(max_length=32)),
                ("reason", models.CharField(blank=True, max_length=400)),
                (
                    "method",
                    models.CharField(
                        choices=[("session", "signed in"), ("password", "password asked again")], max_length=8
                    ),
                ),
                ("station", models.CharField(blank=True, max_length=80)),
                ("address", models.CharField(blank=True, max_length=45)),
                ("line_id", models.BigIntegerField(null=True)),
                ("object_type", models.CharField(max_length=32)),
                ("object_id", models.CharField(max_length=64)),
                ("content_sha256", models.CharField(max_length=64)),
                (
                    "screen_of",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signatures",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["object_type", "object_id"], name="signature_object")],
            },
        ),
        migrations.RunSQL(GUARD, NO_GUARD),
    ]
