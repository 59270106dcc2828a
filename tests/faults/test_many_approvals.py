"""Two people approve each of many changes at once, over HTTP, while parts of the installation are killed (-9)."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress

import httpx
import pytest

from tests.faults.many import DONE, Crowd, check, found, persistently
from tests.installation import ROOT, Installation
from tests.trials import SEED, rounds, trial

PARTS = ("manage.py dispatch", "apcweb.web", "postgres", "celery.*worker", "manage.py collect")
LOST = 0.3  # share of the answers that never come back
pytestmark = [pytest.mark.timeout(300)]


def kill(site: Installation, part: str) -> None:
    with suppress(AssertionError, OSError):  # it is just being started again
        site.kill_postgres() if part == "postgres" else site.kill(part)


class Killer:
    """Kills so many parts one after another, in an order and after pauses drawn from a seed."""

    def __init__(self, site: Installation, seed: int, most: int, pause_s: tuple[float, float]) -> None:
        self.site, self.chance, self.most, self.pause_s = site, random.Random(seed), most, pause_s
        self.killed: Counter[str] = Counter()
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        while self.killed.total() < self.most and not self.enough.wait(self.chance.uniform(*self.pause_s)):
            part = min(PARTS, key=lambda part: (self.killed[part], self.chance.random()))  # each lives for a while
            self.killed[part] += 1
            kill(self.site, part)

    def __enter__(self) -> Killer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.enough.set()
        self.thread.join(20)


def the_audit_is_whole(site: Installation) -> bool:
    command = [sys.executable, "manage.py", "verify_audit"]
    return subprocess.run(command, cwd=ROOT, env=site.env, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("races", rounds(4, 1000))
def test_of_two_who_approve_at_once_one_does_and_the_machine_moves_once(installation: Installation, races: int) -> None:
    asked = Crowd(installation).approve(races)
    ends = check(installation, asked)
    won = [one for one in asked if one.acknowledged]
    assert len(won) >= races
    assert all(sorted(map(str, one.answers.values())) == ["200", "409"] for one in won)
    assert all(status in (200, 409) for one in asked for status in one.answers.values())
    for change, what in found(installation, [one.change for one in won]).items():
        assert what.told["change.approve.refused"] == 1, (change, what)
    assert sum(ends[state] for state in DONE) >= 0.9 * races, ends
    assert the_audit_is_whole(installation)


@pytest.mark.parametrize("course", [(4, 3, (0.5, 2.0), 30), trial((1000, 1000, (8.0, 16.0), SEED), "trial-1000")])
def test_killed_again_and_again_nothing_acknowledged_is_lost_doubled_or_guessed(
    installation: Installation, course: tuple[int, int, tuple[float, float], int]
) -> None:
    count, kills, pause_s, seed = course
    chance = random.Random(seed)
    with Killer(installation, seed, kills, pause_s) as killer:
        asked = Crowd(installation, loses=lambda: chance.random() < LOST).approve(count)
    persistently(lambda: httpx.get(f"{installation.url}/readyz").raise_for_status())
    ends = check(installation, asked)
    print(f"{len(asked)} asked, killed {dict(killer.killed)}, ended {dict(ends)}")
    assert sum(len(one.acknowledged) for one in asked) >= count
    assert ends["looked up"] <= max(1, 0.01 * count), ends
    assert the_audit_is_whole(installation)
