"""Charts of groups among those a version of limits may have."""

from django.db import migrations, models

CHARTS = [
    ("i_mr", "Individuals and moving range"),
    ("xbar_r", "Means and ranges of groups (Xbar-R)"),
    ("xbar_s", "Means and standard deviations of groups (Xbar-S)"),
    ("three_way", "Three-way chart of groups (I-MR-R/S)"),
    ("ewma", "EWMA"),
    ("cusum", "CUSUM"),
    ("residual", "Error of the prediction"),
    ("t2", "Hotelling T²"),
    ("mewma", "Multivariate EWMA"),
]


class Migration(migrations.Migration):
    dependencies = [("control", "0011_rolls_looked_up")]

    operations = [
        migrations.AlterField("limits", "chart", models.CharField(choices=CHARTS, max_length=16)),
    ]
