"""One run of retraining at a time in the whole installation; no worker is at work while this migrates."""

from django.db import migrations, models

GIVE_UP = """
UPDATE control_trainingrun SET state = 'failed', ended_at = now(), error = 'the worker fell silent'
WHERE state = 'running'
"""


class Migration(migrations.Migration):
    dependencies = [("control", "0009_loop_stability")]

    operations = [
        migrations.RunSQL(GIVE_UP, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="trainingrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "running")), fields=("state",), name="training_one_running"
            ),
        ),
    ]
