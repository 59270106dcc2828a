"""Counts beside measured values: what is counted, the size of each sample, and the charts of counts."""

from django.db import migrations, models

CHARTS = [
    ("i_mr", "Individuals and moving range"),
    ("p", "Share of defectives (p)"),
    ("np", "Number of defectives (np)"),
    ("laney_p", "Share of defectives, Laney (p′)"),
    ("u", "Defects per unit (u)"),
    ("c", "Number of defects (c)"),
    ("laney_u", "Defects per unit, Laney (u′)"),
    ("xbar_r", "Means and ranges of groups (Xbar-R)"),
    ("xbar_s", "Means and standard deviations of groups (Xbar-S)"),
    ("three_way", "Three-way chart of groups (I-MR-R/S)"),
    ("ewma", "EWMA"),
    ("cusum", "CUSUM"),
    ("residual", "Error of the prediction"),
    ("t2", "Hotelling T²"),
    ("mewma", "Multivariate EWMA"),
]
COUNTED = [("defectives", "defective pieces of a sample"), ("defects", "defects on an area or in a number of units")]


def size(table: str, model: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD COLUMN n double precision CONSTRAINT {model}_of_a_sample"
        " CHECK (n > 0 AND n NOT IN ('NaN', 'Infinity'))",
        f"ALTER TABLE {table} DROP COLUMN n",
        state_operations=[migrations.AddField(model, "n", models.FloatField(null=True))],
    )


class Migration(migrations.Migration):
    dependencies = [("control", "0025_reviewed_estimators")]

    operations = [
        migrations.AddField(
            "characteristic",
            "counted",
            models.CharField(
                blank=True,
                choices=COUNTED,
                default="",
                help_text="What of it is counted, if it is not measured; its values come with the size of their sample",
                max_length=16,
            ),
        ),
        migrations.AlterField("limits", "chart", models.CharField(choices=CHARTS, max_length=16)),
        size("control_measurement", "measurement"),
        size("control_point", "point"),
    ]
