"""How far the points have been looked through for rolls that have news, whether or not a value came of them."""

import django.db.models.deletion
from django.db import migrations, models

AS_BEFORE = """
INSERT INTO control_rollcursor (equipment_id, seq)
SELECT equipment_id, max(seq) FROM control_rollvalue GROUP BY equipment_id
"""


class Migration(migrations.Migration):
    dependencies = [("control", "0010_one_training_at_a_time")]

    operations = [
        migrations.CreateModel(
            name="RollCursor",
            fields=[
                (
                    "equipment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="control.equipment",
                    ),
                ),
                ("seq", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.RunSQL(AS_BEFORE, migrations.RunSQL.noop),
    ]
