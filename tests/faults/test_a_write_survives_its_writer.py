"""The dispatcher is killed while it writes: the machine's own log says how often the command was done."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from functools import partial

import httpx
import pytest

from tests.installation import PASSWORD, Installation, wait_until
from tests.trials import SEED, rounds

LOOP = "loading-top"
PROPOSED_S = 400  # what came of the last change is known first
ON_ITS_WAY = ("approved", "writing")
DONE = ("applied", "verifying", "effective", "ineffective")
UNKNOWN = ("unconfirmed", "write_failed")  # anything else ended before a byte left
pytestmark = [pytest.mark.timeout(500)]


def state_of(site: Installation, change: int) -> str:
    return site.sql("SELECT state FROM control_change WHERE id = %s", change)[0][0]


def done(site: Installation, change: int) -> list[dict]:
    """What the machine did under the change's command id."""
    command = str(site.sql("SELECT command_id FROM control_change WHERE id = %s", change)[0][0])
    return [entry for entry in site.written("cathode-1") if entry["command_id"] == command and entry["applied"]]


def proposed(site: Installation, size: float) -> tuple[int, str]:
    """The change that waits for somebody, and for whom; a batch of that share more solids brings one."""
    if not site.open_change(LOOP):
        site.another_batch(size)
    return wait_until(lambda: site.open_change(LOOP), PROPOSED_S, "a change is proposed")


def approved(site: Installation, size: float) -> tuple[int, httpx.Response, Callable[[], httpx.Response]]:
    """The change that was approved, the answer, and the same request again. A change just taken back is let go."""
    while True:
        change, needs = proposed(site, size)
        person = site.signed_in(needs)
        version = person.get(f"/api/v1/changes/{change}").json()["version"]
        body, key = {"version": version, "reason": "", "password": PASSWORD}, uuid.uuid4().hex
        ask = partial(site.post, person, f"/api/v1/changes/{change}/approve", body, **{"Idempotency-Key": key})
        answer = ask()
        if answer.status_code == 200:
            return change, answer, ask
        assert answer.json()["difference"]["state"] in ("withdrawn", "superseded"), answer.text


@pytest.mark.parametrize("times", rounds(1, 4))
def test_an_approved_change_is_done_once_though_its_dispatcher_dies(installation: Installation, times: int) -> None:
    chance = random.Random(SEED)
    for number in range(times):
        dies_while_writing(installation, (-1) ** (number + 1) * 0.0065, chance.uniform(0.0, 0.5) if number else 0.0)


def dies_while_writing(site: Installation, size: float, after_s: float) -> None:
    change, answer, approve_again = approved(site, size)
    time.sleep(after_s)  # what it does meanwhile is what must not matter
    site.kill("manage.py dispatch")
    again = approve_again()
    assert (again.status_code, again.json()) == (200, answer.json())
    end = wait_until(lambda: (state := state_of(site, change)) not in ON_ITS_WAY and state, 60, "the write is settled")
    times = len(done(site, change))
    assert times <= 1
    assert end in UNKNOWN or times == (end in DONE)
