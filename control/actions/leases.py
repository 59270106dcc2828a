"""Which dispatcher may write to a line, by the database's clock alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from control.actions.errors import Conflict
from control.models import Lease

TTL_S = 15.0  # longer than the deadlines of one write and its read-back together
LAPSE_S = 5.0  # without a renewal, after which the holder was away: what did not come meanwhile is nobody's fault

TAKE = """
INSERT INTO control_lease AS lease (line_id, holder, fence, since, expires_at)
VALUES (%(line)s, %(holder)s, 1, clock_timestamp(), clock_timestamp() + make_interval(secs => %(ttl)s))
ON CONFLICT (line_id) DO UPDATE SET
    holder = EXCLUDED.holder,
    expires_at = EXCLUDED.expires_at,
    fence = lease.fence
        + CASE WHEN lease.holder = EXCLUDED.holder AND lease.expires_at > clock_timestamp() THEN 0 ELSE 1 END,
    since = CASE WHEN lease.holder = EXCLUDED.holder AND lease.since IS NOT NULL
                  AND lease.expires_at > EXCLUDED.expires_at - make_interval(secs => %(lapse)s)
            THEN lease.since ELSE EXCLUDED.since END
WHERE lease.holder = EXCLUDED.holder OR lease.expires_at IS NULL OR lease.expires_at <= clock_timestamp()
RETURNING fence
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A lease as its holder knows it. ``fence`` changes whenever it may have been somebody else's in between."""

    line_id: int
    holder: str
    fence: int


def take(line_id: int, holder: str, ttl_s: float = TTL_S) -> Held | None:
    """Take or renew the lease of a line; None while another holds it."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"line": line_id, "holder": holder, "ttl": ttl_s, "lapse": LAPSE_S})
        row = cursor.fetchone()
    return Held(line_id, holder, row[0]) if row else None


def release(held: Held) -> None:
    """Let the next one in at once."""
    Lease.objects.filter(line=held.line_id, holder=held.holder, fence=held.fence).update(expires_at=None)


def require(held: Held) -> None:
    """The lease is still ours, and stays so until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM control_lease WHERE line_id = %s AND holder = %s AND fence = %s"
            " AND expires_at > clock_timestamp() FOR NO KEY UPDATE",
            [held.line_id, held.holder, held.fence],
        )
        if cursor.fetchone() is None:
            raise Conflict("lease_lost", "Another dispatcher has the line.")


def database_now() -> datetime:
    """The one clock that dispatchers agree on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found
