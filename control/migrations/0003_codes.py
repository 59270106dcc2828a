"""The reasons and causes a new installation starts with; admins change them afterwards."""

from django.db import migrations

REASONS = [  # key, English, Korean, needs a sentence
    ("process_upset", "Process upset", "공정 이상", False),
    ("wrong_material", "Wrong material or lot", "자재 또는 로트 불일치", False),
    ("sensor_doubtful", "Sensor doubtful", "센서 신뢰 불가", False),
    ("adjusted_by_hand", "Already adjusted by hand", "이미 수동 조정함", False),
    ("move_too_large", "Move too large", "변경량 과다", False),
    ("wrong_direction", "Wrong direction", "방향 오류", False),
    ("machine_limit", "Machine limit", "설비 한계", False),
    ("other", "Other", "기타", True),
]
CAUSES = [
    ("slurry_batch", "Slurry batch change", "슬러리 배치 변경"),
    ("slurry_ageing", "Slurry ageing or settling", "슬러리 경시 변화 또는 침강"),
    ("filter_clogged", "Filter clogged", "필터 막힘"),
    ("pump_wear", "Pump wear", "펌프 마모"),
    ("die_lip", "Die lip or shim", "다이 립 또는 심"),
    ("roll_gap", "Roll gap or pressure", "롤 갭 또는 압력"),
    ("roll_temperature", "Roll temperature", "롤 온도"),
    ("line_speed", "Line speed change", "라인 속도 변경"),
    ("splice", "Splice or foil change", "접합 또는 포일 교체"),
    ("gauge_fault", "Gauge fault or calibration", "측정기 고장 또는 교정"),
    ("sensor_fault", "Sensor fault", "센서 고장"),
    ("set_point_change", "Set-point change", "설정값 변경"),
    ("no_cause_found", "No cause found", "원인 미상"),
]


def seed(apps, schema_editor):
    reason, cause = apps.get_model("control", "ReasonCode"), apps.get_model("control", "CauseCode")
    for key, name, name_ko, needs_text in REASONS:
        reason.objects.get_or_create(key=key, defaults={"name": name, "name_ko": name_ko, "needs_text": needs_text})
    for key, name, name_ko in CAUSES:
        cause.objects.get_or_create(key=key, defaults={"name": name, "name_ko": name_ko})


class Migration(migrations.Migration):
    dependencies = [("control", "0002_partitions_and_guards")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
