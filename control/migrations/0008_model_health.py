"""Retraining with its plans and runs, two values a roll, and why a measured value is not believed."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("control", "0007_equipment_model"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TrainingRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("proposed", "Waits for a decision"),
                            ("in_force", "Put in force"),
                            ("not_better", "Not good enough"),
                            ("declined", "Declined"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=16,
                    ),
                ),
                ("asked_at", models.DateTimeField()),
                ("reason", models.CharField(blank=True, max_length=400)),
                ("step", models.CharField(blank=True, max_length=64)),
                ("share", models.FloatField(default=0.0)),
                ("started_at", models.DateTimeField(null=True)),
                ("heard_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("cancel_asked", models.BooleanField(default=False)),
                ("verdict", models.JSONField(default=dict)),
                ("error", models.CharField(blank=True, max_length=400)),
                (
                    "asked_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "equipment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="training_runs",
                        to="control.equipment",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.AddField(
            model_name="estimator",
            name="run",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="estimators",
                to="control.trainingrun",
            ),
        ),
        migrations.CreateModel(
            name="RollValue",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("roll", models.BigIntegerField()),
                ("made_from", models.DateTimeField()),
                ("made_to", models.DateTimeField()),
                ("model", models.CharField(blank=True, max_length=64)),
                ("seq", models.BigIntegerField()),
                ("first", models.FloatField()),
                ("first_low", models.FloatField()),
                ("first_high", models.FloatField()),
                ("first_n", models.PositiveIntegerField()),
                ("first_at", models.DateTimeField()),
                ("by", models.SmallIntegerField(null=True)),
                ("measured", models.FloatField(null=True)),
                ("measured_n", models.PositiveIntegerField(default=0)),
                ("second", models.FloatField(null=True)),
                ("second_low", models.FloatField(null=True)),
                ("second_high", models.FloatField(null=True)),
                ("second_at", models.DateTimeField(null=True)),
                (
                    "equipment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="roll_values", to="control.equipment"
                    ),
                ),
                (
                    "stream",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="roll_values", to="control.stream"
                    ),
                ),
            ],
            options={
                "ordering": ["-roll", "stream_id"],
                "indexes": [models.Index(fields=["equipment", "-roll"], name="roll_value_recent")],
                "constraints": [models.UniqueConstraint(fields=("stream", "roll"), name="roll_value_once")],
            },
        ),
        migrations.CreateModel(
            name="TrainingPlan",
            fields=[
                (
                    "equipment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="training_plan",
                        serialize=False,
                        to="control.equipment",
                    ),
                ),
                ("every_rolls", models.PositiveIntegerField(blank=True, null=True)),
                ("every_hours", models.FloatField(blank=True, null=True)),
                ("history_hours", models.FloatField(default=24.0, help_text="How far back the history reaches")),
                (
                    "then",
                    models.CharField(
                        choices=[("propose", "Propose it"), ("put_in_force", "Put it in force")],
                        default="propose",
                        max_length=16,
                    ),
                ),
                ("decided_at", models.DateTimeField()),
                ("reason", models.CharField(max_length=400)),
                (
                    "decided_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("history_hours__gt", 0),
                            models.Q(("every_hours__isnull", True), ("every_hours__gt", 0), _connector="OR"),
                            models.Q(("every_rolls__isnull", True), ("every_rolls__gt", 0), _connector="OR"),
                        ),
                        name="training_plan_positive",
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="trainingrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("waiting", "running"))),
                fields=("equipment",),
                name="training_one_open",
            ),
        ),
        migrations.RunSQL(
            "ALTER TABLE control_point ADD COLUMN doubt smallint NOT NULL DEFAULT 0",
            "ALTER TABLE control_point DROP COLUMN doubt",
            state_operations=[
                migrations.AddField(
                    model_name="point",
                    name="doubt",
                    field=models.SmallIntegerField(default=0),
                )
            ],
        ),
    ]
