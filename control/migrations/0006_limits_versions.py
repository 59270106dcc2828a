"""Limits as versions that people draft: who, why, which points were left out, and the false alarms foretold."""

from django.conf import settings
from django.db import migrations, models


def person() -> models.ForeignKey:
    return models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")


CHARTS = [
    ("i_mr", "Individuals and moving range"),
    ("ewma", "EWMA"),
    ("cusum", "CUSUM"),
    ("residual", "Error of the prediction"),
    ("t2", "Hotelling T²"),
    ("mewma", "Multivariate EWMA"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("control", "0005_process_events"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField("limits", "chart", models.CharField(max_length=16, choices=CHARTS)),
        migrations.AddField("limits", "excluded", models.JSONField(default=list, blank=True)),
        migrations.AddField("limits", "expected", models.JSONField(default=dict, blank=True)),
        migrations.AddField("limits", "reason", models.CharField(max_length=400, blank=True, default=""), False),
        migrations.AddField("limits", "created_at", models.DateTimeField(null=True)),
        migrations.AddField("limits", "created_by", person()),
        migrations.AddField("limits", "activated_by", person()),
    ]
