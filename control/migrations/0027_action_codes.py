"""What was done about a signal is a code, with words of one's own where they say more; admins change the codes."""

import django.db.models.deletion
from django.db import migrations, models

ACTIONS = [  # key, English, Korean, needs a sentence
    ("nothing_needed", "Nothing had to be done", "조치 불필요", False),
    ("watched", "Watched more closely", "집중 관찰", False),
    ("set_point_changed", "Set-point changed", "설정값 변경", False),
    ("slurry_exchanged", "Slurry exchanged or mixed again", "슬러리 교체 또는 재혼합", False),
    ("filter_changed", "Filter changed", "필터 교체", False),
    ("pump_serviced", "Pump serviced", "펌프 정비", False),
    ("die_cleaned", "Die lip cleaned or shim changed", "다이 립 청소 또는 심 교체", False),
    ("rolls_cleaned", "Rolls cleaned or gap set", "롤 청소 또는 갭 조정", False),
    ("gauge_calibrated", "Gauge checked or calibrated", "측정기 점검 또는 교정", False),
    ("sensor_replaced", "Sensor checked or replaced", "센서 점검 또는 교체", False),
    ("sample_taken", "Sample sent to the laboratory", "시험실 시료 의뢰", False),
    ("foil_set_aside", "Foil set aside", "제품 격리", False),
    ("maintenance_called", "Maintenance called", "보전 요청", False),
    ("line_stopped", "Line stopped", "라인 정지", False),
    ("other", "Other", "기타", True),
]


def seed(apps, schema_editor):
    action = apps.get_model("control", "ActionCode")
    for key, name, name_ko, needs_text in ACTIONS:
        action.objects.get_or_create(key=key, defaults={"name": name, "name_ko": name_ko, "needs_text": needs_text})


class Migration(migrations.Migration):
    dependencies = [("control", "0026_counts")]

    operations = [
        migrations.CreateModel(
            name="ActionCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.SlugField(max_length=64)),
                ("name", models.CharField(max_length=120)),
                ("name_ko", models.CharField(blank=True, max_length=120)),
                ("needs_text", models.BooleanField(default=False)),
                ("is_active", models.BooleanField(default=True)),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("key",), name="action_key")]},
        ),
        migrations.AddField(
            model_name="signal",
            name="action",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to="control.actioncode"
            ),
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
