"""HOLD on a whole site; in which mode a loop was and since when; which machines answer; since when a lease is held."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

MODES = [
    ("off", "Off"),
    ("shadow", "Shadow"),
    ("advisory", "Advisory"),
    ("supervised", "Supervised"),
    ("auto", "Auto"),
]
AS_BEFORE = """
INSERT INTO control_modespell (loop_id, requested, actual, since, code, detail)
SELECT id, requested_mode, actual_mode, coalesce(mode_since, now()), 'asked', '' FROM control_loop
"""


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("control", "0018_versions"),
    ]

    operations = [
        migrations.AddField("lease", "since", models.DateTimeField(null=True)),
        migrations.AddField(
            "hold",
            "site",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="holds",
                to="control.site",
            ),
        ),
        migrations.AlterField(
            "hold",
            "line",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="holds",
                to="control.line",
            ),
        ),
        migrations.RemoveConstraint("hold", "hold_one_open"),
        migrations.AddConstraint(
            "hold",
            models.UniqueConstraint(
                condition=Q(ended_at__isnull=True),
                fields=("site", "line", "loop"),
                name="hold_one_open",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            "hold",
            models.CheckConstraint(
                condition=Q(line__isnull=True, loop__isnull=True, site__isnull=False)
                | Q(line__isnull=False, site__isnull=True),
                name="hold_one_scope",
            ),
        ),
        migrations.CreateModel(
            name="Handshake",
            fields=[
                (
                    "equipment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="handshake",
                        serialize=False,
                        to="control.equipment",
                    ),
                ),
                ("heard_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="ModeSpell",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("requested", models.CharField(choices=MODES, max_length=16)),
                ("actual", models.CharField(choices=MODES, max_length=16)),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                ("code", models.CharField(max_length=32)),
                ("detail", models.CharField(blank=True, max_length=400)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "loop",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="spells", to="control.loop"
                    ),
                ),
            ],
            options={
                "ordering": ["-since", "-id"],
                "indexes": [models.Index(fields=["loop", "-since"], name="spell_recent")],
                "constraints": [
                    models.UniqueConstraint(condition=Q(until__isnull=True), fields=("loop",), name="spell_one_open")
                ],
            },
        ),
        migrations.RunSQL(AS_BEFORE, migrations.RunSQL.noop),
    ]
