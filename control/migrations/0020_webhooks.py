"""Addresses outside that are told of what happens to changes."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("control", "0019_newest_change"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Webhook",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("url", models.CharField(max_length=300)),
                (
                    "actions",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), size=None),
                ),
                ("nonce", models.CharField(max_length=32)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField()),
                ("sent", models.BigIntegerField()),
                ("told_at", models.DateTimeField(null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_at", models.DateTimeField(null=True)),
                ("failing_since", models.DateTimeField(null=True)),
                ("last_error", models.CharField(blank=True, max_length=64)),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="webhooks", to="control.line"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_active", True)), fields=("line", "url"), name="webhook_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("actions", []), _negated=True), name="webhook_tells_something"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("attempts", 0), ("failing_since", None), ("next_at", None)),
                            models.Q(("attempts__gt", 0), ("failing_since__isnull", False), ("next_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="webhook_fails_since",
                    ),
                ],
            },
        ),
    ]
