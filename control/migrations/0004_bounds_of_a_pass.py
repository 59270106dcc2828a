"""Where a pass must begin to look, so that it opens few of the day partitions, and how often it failed there."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("control", "0003_codes")]

    operations = [
        migrations.AddField("intake", "earliest_at", models.DateTimeField(null=True)),
        migrations.AddField("cursor", "failures", models.PositiveSmallIntegerField(default=0)),
    ]
