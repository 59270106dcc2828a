from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("control", "0023_limits_reviewed")]

    operations = [
        migrations.AddField(
            model_name="signal",
            name="told",
            field=models.JSONField(blank=True, default=dict, help_text="Parameters that are off: expected and found"),
        ),
        migrations.AlterField(
            model_name="signal",
            name="kind",
            field=models.CharField(
                choices=[
                    ("rule", "A rule is broken"),
                    ("write_failed", "A write failed"),
                    ("unconfirmed", "The outcome of a write is unknown"),
                    ("recipe_drift", "A machine is off its recipe (expected → found)"),
                ],
                default="rule",
                max_length=16,
            ),
        ),
        migrations.AddIndex(
            model_name="signal",
            index=models.Index(
                condition=models.Q(("kind", "recipe_drift"), models.Q(("told", {}), _negated=True)),
                fields=["line"],
                name="signal_of_a_drift",
            ),
        ),
        migrations.AddIndex(
            model_name="setpointmove",
            index=models.Index(fields=["tag", "-id"], name="move_newest_of_tag"),
        ),
    ]
