"""Signals call people: how urgent, once for a cause, at most so often; and rules of streams shelved for a time."""

import datetime as dt

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models

LINE_NULL, LINE = (
    models.ForeignKey(null=null, on_delete=django.db.models.deletion.PROTECT, related_name="signals", to="control.line")
    for null in (True, False)
)
# What was there before has called already; rules 128: out of specification, 1 | 32 | 2048 | 4096 | 8192: beyond a limit
FILL = """
UPDATE control_signal s SET line_id = e.line_id, called_at = s.raised_at,
    priority = CASE WHEN s.rule & 128 > 0 THEN 1 WHEN s.rule & 14369 > 0 THEN 2 ELSE 3 END
FROM control_stream t JOIN control_lane l ON l.id = t.lane_id JOIN control_equipment e ON e.id = l.equipment_id
WHERE t.id = s.stream_id;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("control", "0016_shift"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Shelf",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rule", models.SmallIntegerField(help_text="One core.types.Rule bit")),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("reason", models.CharField(max_length=400)),
            ],
            options={
                "verbose_name_plural": "shelves",
            },
        ),
        migrations.AddField(
            model_name="signal",
            name="acknowledged_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="signal",
            name="acknowledged_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="signal",
            name="called_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="signal",
            name="detail",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AddField(
            model_name="signal",
            name="joins",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="joined",
                to="control.signal",
            ),
        ),
        migrations.AddField(
            model_name="signal",
            name="kind",
            field=models.CharField(
                choices=[
                    ("rule", "A rule is broken"),
                    ("write_failed", "A write failed"),
                    ("unconfirmed", "The outcome of a write is unknown"),
                ],
                default="rule",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="signal",
            name="loop",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="control.loop"
            ),
        ),
        migrations.AddField(
            model_name="signal",
            name="priority",
            field=models.PositiveSmallIntegerField(default=3, help_text="1 is the most urgent, 3 the least"),
        ),
        migrations.AlterField(
            model_name="signal",
            name="last_seq",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="signal",
            name="rule",
            field=models.SmallIntegerField(default=0, help_text="One core.types.Rule bit"),
        ),
        migrations.AlterField(
            model_name="signal",
            name="stream",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="signals", to="control.stream"
            ),
        ),
        migrations.AlterField(
            model_name="signal",
            name="value",
            field=models.FloatField(null=True),
        ),
        migrations.AddField("signal", "line", LINE_NULL),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField("signal", "line", LINE),
        migrations.AddIndex(
            model_name="signal",
            index=models.Index(fields=["line", "called_at"], name="signal_called"),
        ),
        migrations.AddConstraint(
            model_name="signal",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at__isnull", True), ("stream__isnull", True)),
                fields=("line", "kind", "loop"),
                name="signal_one_open_of_line",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="signal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "rule"), ("stream__isnull", False), ("value__isnull", False)),
                    models.Q(models.Q(("kind", "rule"), _negated=True), ("stream__isnull", True)),
                    _connector="OR",
                ),
                name="signal_of_stream_or_line",
            ),
        ),
        migrations.AddConstraint(
            model_name="signal",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__gte", 1), ("priority__lte", 3)), name="signal_priority"
            ),
        ),
        migrations.AddConstraint(
            model_name="signal",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("acknowledged_at", None), ("acknowledged_by", None)),
                    models.Q(("acknowledged_at__isnull", False), ("acknowledged_by__isnull", False)),
                    _connector="OR",
                ),
                name="signal_acknowledged_by_someone",
            ),
        ),
        migrations.AddField(
            model_name="shelf",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="shelf",
            name="stream",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="shelves", to="control.stream"
            ),
        ),
        migrations.AddIndex(
            model_name="shelf",
            index=models.Index(fields=["stream", "rule", "-until"], name="shelf_in_force"),
        ),
        migrations.AddConstraint(
            model_name="shelf",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("until__gt", models.F("since")),
                    (
                        "until__lte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("since"), "+", models.Value(dt.timedelta(days=1))
                        ),
                    ),
                ),
                name="shelf_never_for_ever",
            ),
        ),
        migrations.AddConstraint(
            model_name="shelf",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="shelf_has_a_reason"
            ),
        ),
    ]
