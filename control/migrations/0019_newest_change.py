"""The newest change of a loop is asked for by every pass."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("control", "0016a_signals_that_call")]

    operations = [
        migrations.AddIndex(
            model_name="change", index=models.Index(fields=["loop", "-id"], name="change_newest_of_loop")
        ),
    ]
