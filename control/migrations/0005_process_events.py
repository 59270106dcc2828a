"""What happened to a machine that is no drift, and the status tags in which a machine tells of it by itself."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

KINDS = [
    ("maintenance", "Maintenance"),
    ("pump_service", "Pump service"),
    ("filter_change", "Filter change"),
    ("batch_change", "Slurry batch change"),
    ("product_change", "Product or recipe change"),
    ("splice", "Foil splice"),
    ("roll_change", "Foil or roll change"),
]
SIDES = [("", "both sides"), ("top", "top"), ("bottom", "bottom")]


class Migration(migrations.Migration):
    dependencies = [
        ("control", "0004_bounds_of_a_pass"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "equipment",
            "events",
            models.JSONField(blank=True, default=list, help_text="Status tags whose change of value is an event"),
        ),
        migrations.CreateModel(
            name="ProcessEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=KINDS, max_length=16)),
                ("side", models.CharField(blank=True, choices=SIDES, default="", max_length=8)),
                ("at", models.DateTimeField()),
                ("note", models.CharField(blank=True, max_length=200)),
                ("recorded_at", models.DateTimeField()),
                ("taken_at", models.DateTimeField(null=True)),
                (
                    "equipment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="process_events",
                        to="control.equipment",
                    ),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-at", "-id"],
                "indexes": [
                    models.Index(fields=["equipment", "-at"], name="process_event_recent"),
                    models.Index(
                        fields=["equipment"], condition=models.Q(taken_at__isnull=True), name="process_event_waiting"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=["equipment", "kind", "side", "at"], name="process_event_once")
                ],
            },
        ),
    ]
