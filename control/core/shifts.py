"""When shifts begin, by the clock on the plant's wall."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY_MIN = 24 * 60


@dataclass(frozen=True, slots=True)
class Shifts:
    """``a_day`` shifts of equal length on the wall's clock, one of which begins at ``first_h`` hours after midnight.

    In the night in which clocks are changed the shift is as long as it is: 7 or 9 hours of 8. A beginning that the
    clock shows twice is the first of the two; one that it leaves out comes as much later as the clock was put forward.
    """

    zone: str
    first_h: float
    a_day: int

    def begun(self, at: datetime) -> datetime:
        """The beginning of the shift that runs at ``at``, in UTC."""
        return max(one for one in self._around(at) if one <= at)

    def next(self, at: datetime) -> datetime:
        """The first beginning of a shift after ``at``, in UTC."""
        return min(one for one in self._around(at) if one > at)

    def _around(self, at: datetime) -> set[datetime]:
        here = ZoneInfo(self.zone)
        today = at.astimezone(here).date()
        days = [today + timedelta(days=ahead) for ahead in (-1, 0, 1)]
        return {datetime.combine(day, start, here).astimezone(UTC) for day in days for start in self._starts()}

    def _starts(self) -> list[time]:
        minutes = [round(60 * self.first_h + DAY_MIN * part / self.a_day) % DAY_MIN for part in range(self.a_day)]
        return [time(one // 60, one % 60) for one in minutes]
