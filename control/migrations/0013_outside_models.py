"""A run of training may try a model from elsewhere."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("control", "0012_charts_of_groups")]

    operations = [
        migrations.AddField(
            "trainingrun",
            "outside",
            models.JSONField(
                blank=True,
                default=dict,
                help_text="A model from elsewhere that is tried: its streams, and what they share",
            ),
        ),
    ]
