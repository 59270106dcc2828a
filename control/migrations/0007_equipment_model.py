"""Which kinds of model an equipment's streams are predicted by; and what is measured is never a prediction."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("control", "0006_limits_versions")]

    operations = [
        migrations.AddField(
            "equipment",
            "model",
            models.JSONField(default=dict, blank=True, help_text="Which kinds of model predict its streams"),
        ),
        migrations.RunSQL(
            "ALTER TABLE control_measurement ADD CONSTRAINT measurement_real CHECK (by IN (1, 2))",
            "ALTER TABLE control_measurement DROP CONSTRAINT measurement_real",
        ),
    ]
