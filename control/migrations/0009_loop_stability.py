"""How well each loop fits its machine."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("control", "0008_model_health")]

    operations = [
        migrations.CreateModel(
            name="LoopStability",
            fields=[
                (
                    "loop",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="stability",
                        serialize=False,
                        to="control.loop",
                    ),
                ),
                ("settings_number", models.PositiveIntegerField()),
                ("seq", models.BigIntegerField(default=0)),
                ("state", models.JSONField()),
                ("ratio", models.FloatField()),
                ("low", models.FloatField()),
                ("high", models.FloatField()),
                ("moved", models.PositiveIntegerField()),
                ("limit", models.FloatField()),
                ("harris", models.FloatField(null=True)),
                ("swing", models.FloatField()),
                (
                    "concern",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "none"),
                            ("wrong_sign", "wrong sign"),
                            ("too_strong", "too strong"),
                            ("swinging", "swinging"),
                        ],
                        default="",
                        max_length=16,
                    ),
                ),
                ("valued_at", models.DateTimeField()),
            ],
        ),
    ]
