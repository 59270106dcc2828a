"""Brings an event of one machine to the next one of its line, with the foil.

Other slurry or another filter makes other foil, and a press meets it minutes or a day later: when the metre that was at
the die comes to its nip. There it is an event of its own, of the same kind, and acts as the table of
:mod:`control.core.process_events` says. A roll keeps its number and its metres from machine to machine. Passes ask
nothing for it: this runs beside them, and an event told a little late still acts by its foil.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from control.actions import process_events
from control.actions._upstream import LONGEST_WAY
from control.actions.audit import Actor
from control.core.process_events import BREAKING, LATE_S, SPACING_S, Event, Kind

CARRIED = frozenset({*BREAKING, Kind.SPLICE})  # a new roll tells of itself
GAP_M = 50.0  # in the record of the next machine, over which the foil is still found
ARRIVED = """
SELECT next.id, next.line_id, e.kind, e.side, date_part('epoch', nip.at), made.note
FROM control_processevent e JOIN control_equipment u ON u.id = e.equipment_id
CROSS JOIN LATERAL (
    SELECT p.id, p.line_id FROM control_equipment p
    WHERE p.line_id = u.line_id AND p.position > u.position ORDER BY p.position LIMIT 1) next
CROSS JOIN LATERAL (
    SELECT s.roll, s.web_m, left(concat(u.key, ', ', s.roll, ': ', round(s.web_m::numeric, 1), ' m'), 200) AS note
    FROM control_snapshot s
    WHERE s.equipment_id = u.id AND s.at >= e.at AND s.at <= e.at + %(way)s ORDER BY s.at LIMIT 1) made
CROSS JOIN LATERAL (
    SELECT s.at FROM control_snapshot s
    WHERE s.equipment_id = next.id AND s.roll = made.roll
      AND s.web_m >= made.web_m AND s.web_m <= made.web_m + %(gap_m)s
      AND s.at > e.at AND s.at <= e.at + %(way)s ORDER BY s.web_m, s.at LIMIT 1) nip
WHERE e.at > %(now)s - %(way)s AND e.kind = ANY(%(kinds)s) AND nip.at > %(now)s - %(late)s
  AND NOT EXISTS (
    SELECT FROM control_processevent known
    WHERE known.equipment_id = next.id AND known.kind = e.kind AND known.side = e.side
      AND (known.at BETWEEN nip.at - %(spacing)s AND nip.at + %(spacing)s
           OR known.at > e.at AND known.note = made.note))
ORDER BY nip.at, e.id
"""


def carry(now: datetime, *, actor: Actor) -> int:
    """Record what reached a next machine within the last hour and is not known there; returns how many events."""
    told: dict[str, Any] = {
        "now": now,
        "kinds": sorted(CARRIED),
        "gap_m": GAP_M,
        "way": LONGEST_WAY,
        "late": timedelta(seconds=LATE_S),
        "spacing": timedelta(seconds=SPACING_S),
    }
    with connection.cursor() as cursor:
        cursor.execute(ARRIVED, told)
        found = cursor.fetchall()
    return sum(
        len(
            process_events.seen(
                equipment_id, line_id, [(Event(Kind(kind), at_s, side), note)], actor=actor, now=now, taken_at=None
            )
        )
        for equipment_id, line_id, kind, side, at_s, note in found
    )
