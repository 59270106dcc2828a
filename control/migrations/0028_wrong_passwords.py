from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("control", "0027_action_codes")]

    operations = [
        migrations.AddField(model_name="guesses", name="wrong", field=models.PositiveSmallIntegerField(default=0)),
    ]
