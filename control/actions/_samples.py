"""What the gauge said of the metres that a laboratory has measured: so that a slow bias of the gauge is found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import psycopg
from psycopg import rows

from control.core.types import FloatArray, Measured, MeasuredBy, Quality
from control.core.vm.metrology import Doubt

NEAR_M = 60.0  # of web to either side of the sample
BESIDE = """
SELECT asked.k, (
    SELECT avg(p.value) FROM control_point p
    WHERE p.stream_id = asked.stream_id AND p.at >= r.started_at AND p.at <= to_timestamp(asked.at_s)
      AND p.equipment_id = r.equipment_id AND p.by = %(gauge)s AND p.roll = asked.roll
      AND abs(p.web_m - asked.web_m) <= %(near)s
      AND (p.quality = %(good)s OR p.doubt = %(blamed)s))
FROM unnest(%(k)s::int[], %(stream_id)s::int8[], %(roll)s::int8[], %(web_m)s::float8[], %(at_s)s::float8[])
    AS asked (k, stream_id, roll, web_m, at_s)
JOIN control_roll r ON r.equipment_id = %(equipment)s AND r.number = asked.roll
"""


def beside(
    conn: psycopg.Connection[rows.TupleRow], equipment_id: int, stream_ids: Sequence[int], measured: Measured
) -> FloatArray | None:
    """For each lab sample the mean of the gauge around its metre (k,), NaN elsewhere; None where there is no sample.

    A gauge that is blamed already is asked too: it must be seen when it was set right.
    """
    lab = np.flatnonzero((measured.by == int(MeasuredBy.LAB)) & np.isfinite(measured.web_m))
    if not len(lab):
        return None
    asked = {
        "k": lab.tolist(),
        "stream_id": [stream_ids[i] for i in measured.stream[lab].tolist()],
        "roll": measured.roll[lab].tolist(),
        "web_m": measured.web_m[lab].tolist(),
        "at_s": measured.at_s[lab].tolist(),
    }
    kinds = {"gauge": MeasuredBy.GAUGE, "good": Quality.GOOD, "blamed": Doubt.GAUGE_LAB}
    found = np.full(len(measured), np.nan)
    told = {name: int(value) for name, value in kinds.items()} | {"near": NEAR_M, "equipment": equipment_id}
    for k, value in conn.execute(BESIDE, {**asked, **told}).fetchall():
        found[k] = np.nan if value is None else value
    return found
