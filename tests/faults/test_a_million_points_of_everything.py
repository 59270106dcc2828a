"""Points by the hundred thousand, in the trials a million: a fifth doubled, a fifth shuffled, some an hour late, some
impossible, and all stored as expected.
"""

import math
import random
from collections import Counter
from datetime import timedelta

import pytest

from control.actions import ingest
from control.models import Equipment, Intake, SetAside, Snapshot, Source
from tests.running import START, running
from tests.trials import rounds

SEED = 20261121
BODY = 2_000
NOW = START + timedelta(hours=14)
IMPOSSIBLE = (math.nan, math.inf, -math.inf, 1e308, 10**400)


def bad_rows(row, rng):
    """A row with one mistake, and the code it must be refused with."""
    wrong = rng.choice(
        [
            ("not_a_number", {"values": row["values"] | {"pump_top": "62"}}),
            ("unknown_tag", {"values": row["values"] | {"pump_tip": 62.0}}),
            ("stamp_in_future", {"at": (NOW + timedelta(hours=1)).isoformat()}),
            ("stamp_without_zone", {"at": row["at"].partition("+")[0]}),
            ("wrong_unit", {"values": row["values"] | {"pump_top": {"value": 1.0, "unit": "Hz"}}}),
        ]
    )
    return wrong[0], row | wrong[1] | {"sequence": row["sequence"] + 10**6}


@pytest.mark.django_db
@pytest.mark.parametrize("count", rounds(8_000, 40_000))  # rows of 26 tags
def test_what_arrives_is_stored_exactly_once_and_a_second_run_changes_no_row(count):
    rng = random.Random(SEED)
    line = running()
    coater = Equipment.objects.get(line=line.line, key="coater")
    source = Source.objects.get(line=line.line)
    tags = list(coater.tags.order_by("slot").values_list("key", flat=True))
    expected, rows, refused = {}, [], Counter()
    for i in range(count):
        values = {tag: 50.0 + i % 7 + slot for slot, tag in enumerate(tags)} | {
            "web_position": float(i),
            "roll_number": 1,
        }
        if rng.random() < 0.05:
            values[rng.choice(tags[:20])] = rng.choice(IMPOSSIBLE)
        at = START + timedelta(seconds=i)
        row = {"equipment": "coater", "at": at.isoformat(), "sequence": i, "values": values}
        kept = (float(v) if abs(v) < 1e100 else None for v in values.values())
        expected[i] = (at, list(kept))
        rows.append((i + (3600 if rng.random() < 0.05 else 0), row))
        if rng.random() < 0.2:
            rows.append((i + rng.randrange(7200), row))
        if rng.random() < 0.01:
            code, bad = bad_rows(row, rng)
            refused[code] += 1
            rows.append((i, bad))
    sent = [row for _, row in sorted(rows, key=lambda item: item[0])]
    shuffled = rng.sample(range(len(sent)), len(sent) // 5)
    moved = [sent[i] for i in shuffled]
    rng.shuffle(moved)
    for place, row in zip(shuffled, moved, strict=True):
        sent[place] = row

    def send():
        stored = doubled = 0
        for begin in range(0, len(sent), BODY):
            receipt = ingest.store(source, sent[begin : begin + BODY], now=NOW)
            stored, doubled = stored + receipt.stored, doubled + receipt.doubled
        return stored, doubled

    stored, doubled = send()
    told = Snapshot.objects.filter(equipment=coater).values_list("sequence", "at", "values")
    assert {sequence: (at, values) for sequence, at, values in told} == expected
    assert (stored, doubled) == (count, len(sent) - count - refused.total())
    assert Counter(SetAside.objects.values_list("reason", flat=True)) == refused
    arrived = Intake.objects.get(equipment=coater).arrived
    assert send() == (0, len(sent) - refused.total())
    assert Intake.objects.get(equipment=coater).arrived == arrived
    assert SetAside.objects.count() == refused.total()
