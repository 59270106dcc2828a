"""Addresses outside are told in order, signed, again after a failure, and of nothing twice without the same number."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from control.actions import audit, changes, webhooks
from control.actions.errors import Conflict, Invalid, NoPermission
from control.connectors.post import NotTold, post
from control.models import Answer, AuditEntry, Change, Webhook
from tests import factories
from tests.factories import NOW, Plant

ACTIONS = ("change.propose", "change.reject")


@dataclass
class Listener:
    """A real server on this machine; ``answers`` are the next statuses it gives, then 204."""

    answers: list[int] = field(default_factory=list)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/apc?from=line"

    def numbers(self) -> list[int]:
        return [json.loads(body)["event"] for _headers, body in self.heard]


@pytest.fixture
def listener(settings: Any) -> Iterator[Listener]:
    found = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.heard.append((dict(self.headers), body))
            status = found.answers.pop(0) if found.answers else 204
            self.send_response(status)
            if status == 302:
                self.send_header("Location", found.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    settings.APC_WEBHOOK_HOSTS = [found.host]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def plant(db: None) -> Plant:
    return factories.plant()


def made(plant: Plant, listener: Listener) -> tuple[Webhook, str]:
    return webhooks.make(plant.line, listener.url, ACTIONS, actor=plant.person("engineer"), now=NOW)


def happened(plant: Plant, times: int = 1) -> list[int]:
    """Proposals that are rejected; the numbers of the rows that the address is to be told of."""
    head = AuditEntry.objects.count()  # numbers have no holes
    for _ in range(times):
        factories.snapshot(plant, NOW)
        change = factories.offered(plant, NOW)
        code = factories.reason_code().key
        changes.reject(change.pk, actor=plant.person("operator"), version=change.version, code=code, now=NOW)
        Change.objects.filter(pk=change.pk).update(state_since=NOW - timedelta(hours=1))
    rows = AuditEntry.objects.filter(number__gt=head, action__in=ACTIONS).order_by("number")
    return list(rows.values_list("number", flat=True))


def send(now: datetime = NOW) -> int:
    return webhooks.send_due(lambda: now)


def test_it_tells_of_what_was_chosen_in_order_from_now_on(plant: Plant, listener: Listener) -> None:
    happened(plant)
    made(plant, listener)
    numbers = happened(plant, 3)
    assert send() == len(numbers) == 6
    assert listener.numbers() == numbers
    assert send() == 0
    assert Webhook.objects.get().sent >= numbers[-1]


def test_what_it_tells_is_signed_with_the_secret_that_was_shown_once(plant: Plant, listener: Listener) -> None:
    _hook, secret = made(plant, listener)
    happened(plant)
    send()
    headers, body = listener.heard[0]
    told = dict(part.split("=", 1) for part in headers["APC-Signature"].split(","))
    expected = hmac.new(secret.encode(), f"{told['t']}.".encode() + body, hashlib.sha256).hexdigest()
    assert (told["v1"], int(told["t"])) == (expected, int(NOW.timestamp()))
    message = json.loads(body)
    assert headers["APC-Event"] == str(message["event"])
    assert (message["action"], message["line"], message["object"]) == ("change.propose", "cathode-1", "change")


def test_a_failure_stops_the_order_until_it_is_taken(plant: Plant, listener: Listener) -> None:
    made(plant, listener)
    numbers = happened(plant, 2)
    listener.answers = [204, 503, 500]
    assert send() == 1
    row = Webhook.objects.get()
    assert (row.attempts, row.last_error, row.next_at) == (1, "status_503", NOW + timedelta(seconds=5))
    assert send(NOW + timedelta(seconds=4)) == 0
    assert send(NOW + timedelta(seconds=5)) == 0
    assert Webhook.objects.get().next_at == NOW + timedelta(seconds=15)
    assert send(NOW + timedelta(seconds=15)) == 3
    assert listener.numbers() == [numbers[0], numbers[1], numbers[1], *numbers[1:]]
    row = Webhook.objects.get()
    assert (row.attempts, row.next_at, row.last_error) == (0, None, "")


def test_it_waits_longer_and_longer_and_is_given_up_after_a_day(plant: Plant, listener: Listener) -> None:
    made(plant, listener)
    happened(plant)
    listener.answers, now, waits = [500] * 60, NOW, []
    while (row := Webhook.objects.get()).is_active:
        now = row.next_at or now
        send(now)
        waits.append(((Webhook.objects.get().next_at or now) - now).total_seconds())
    assert waits[:4] == [5, 10, 20, 40]
    assert max(waits) == 3600
    assert now - NOW >= timedelta(hours=24)
    assert AuditEntry.objects.get(action="webhook.give_up").new["error"] == "status_500"
    heard = len(listener.heard)
    send(now + timedelta(days=1))
    assert len(listener.heard) == heard


def test_a_person_may_have_it_tried_at_once(plant: Plant, listener: Listener) -> None:
    hook, _secret = made(plant, listener)
    happened(plant)
    listener.answers = [500]
    send()
    webhooks.try_again(hook, actor=plant.person("engineer"), now=NOW + timedelta(seconds=1))
    assert send(NOW + timedelta(seconds=1)) == 2
    with pytest.raises(Conflict):
        webhooks.try_again(hook, actor=plant.person("engineer"), now=NOW)


def test_a_redirect_is_not_followed(plant: Plant, listener: Listener) -> None:
    made(plant, listener)
    happened(plant)
    listener.answers = [302]
    assert send() == 0
    assert (len(listener.heard), Webhook.objects.get().last_error) == (1, "status_302")


def test_nobody_there_is_a_failure_like_any() -> None:
    with pytest.raises(NotTold, match="ConnectionRefusedError"):
        post("http://127.0.0.1:9/", b"{}", {})


def test_an_answer_in_drops_is_waited_for_no_longer_than_another() -> None:
    def drip(at: socket.socket) -> None:
        with suppress(OSError):
            one, _ = at.accept()
            with one:
                while one.send(b"H"):
                    done.wait(0.02)

    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=[server])
        thread.start()
        with pytest.raises(NotTold, match="timeout"):
            post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, timeout_s=0.3)
        thread.join()


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH\r\n", b"x" * 5000])
def test_what_answers_in_another_tongue_has_not_taken_it(said: bytes) -> None:
    def answer(at: socket.socket) -> None:
        one, _ = at.accept()
        with one, suppress(OSError):
            one.recv(4096)
            one.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=[server])
        thread.start()
        with pytest.raises(NotTold, match=r"HTTPException|ConnectionResetError"):
            post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {})
        thread.join()


def test_one_that_is_stopped_while_it_is_told_hears_no_more(plant: Plant, listener: Listener) -> None:
    hook, _secret = made(plant, listener)
    happened(plant, 2)

    def stopping(url: str, body: bytes, headers: Any) -> None:
        webhooks.stop(hook, actor=plant.person("engineer"), now=NOW)
        post(url, body, headers)

    assert webhooks.send_due(lambda: NOW, stopping) == 0
    assert len(listener.heard) == 1
    assert not Webhook.objects.get().is_active


def test_a_round_ends_after_a_while_and_the_next_one_goes_on(plant: Plant, listener: Listener) -> None:
    made(plant, listener)
    numbers = happened(plant, 2)
    late = iter([NOW, NOW, NOW, NOW, *[NOW + timedelta(seconds=11)] * 9])
    assert 0 < webhooks.send_due(lambda: next(late)) < len(numbers)
    send(NOW + timedelta(seconds=20))
    assert listener.numbers() == numbers


def test_what_is_too_long_is_told_without_its_values(plant: Plant, listener: Listener) -> None:
    made(plant, listener)
    with audit.atomic():
        told = {"obj": plant.loop, "line": plant.line, "new": {"told": "x" * webhooks.MOST_BYTES}}
        audit.record(actor="test", action="change.propose", now=NOW, **told)
    assert send() == 1
    message = json.loads(listener.heard[0][1])
    assert (message["action"], message["old"], message["new"]) == ("change.propose", None, None)


def test_a_stopped_one_hears_nothing_and_its_address_may_be_told_anew(plant: Plant, listener: Listener) -> None:
    hook, secret = made(plant, listener)
    with pytest.raises(Conflict):
        made(plant, listener)
    webhooks.stop(hook, actor=plant.person("engineer"), now=NOW)
    happened(plant)
    assert send() == 0
    assert made(plant, listener)[1] != secret


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/hook",
        "http://hooks.example.com/plain",
        "https://user:pass@hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://hooks.example.com:port/",
        "https://hooks.example.com:6379/",
        "https://hooks.example.com.evil.example/",
        "https://hooks.example.com@evil.example/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\r\nHost: x",
        "//hooks.example.com/",
        "",
    ],
)
def test_only_a_host_that_is_named_is_told(plant: Plant, settings: Any, url: str) -> None:
    settings.APC_WEBHOOK_HOSTS = ["hooks.example.com"]
    assert webhooks.allowed("https://hooks.example.com/apc?x=1")
    with pytest.raises(Invalid):
        webhooks.make(plant.line, url, ACTIONS, actor=plant.person("engineer"), now=NOW)
    assert not Webhook.objects.exists()


def test_a_host_that_is_no_longer_named_is_told_nothing(plant: Plant, listener: Listener, settings: Any) -> None:
    made(plant, listener)
    happened(plant)
    settings.APC_WEBHOOK_HOSTS = []
    assert send() == 0
    assert (listener.heard, Webhook.objects.get().last_error) == ([], "host_not_allowed")


@pytest.mark.parametrize("name", ["viewer", "operator", "supervisor", "auditor", "admin", "outsider", "root"])
def test_it_is_for_engineers(plant: Plant, listener: Listener, name: str) -> None:
    hook, _secret = made(plant, listener)
    with pytest.raises(NoPermission):
        webhooks.make(plant.line, listener.url, ACTIONS, actor=plant.person(name), now=NOW)
    for verb in (webhooks.stop, webhooks.try_again):
        with pytest.raises(NoPermission):
            verb(hook, actor=plant.person(name), now=NOW)


def test_no_secret_is_in_any_row(plant: Plant, listener: Listener) -> None:
    _hook, secret = made(plant, listener)
    happened(plant)
    listener.answers = [500]
    send()
    for model in (Webhook, AuditEntry, Answer):
        for row in model.objects.values():
            assert secret not in json.dumps(row, default=str)


@pytest.mark.parametrize("told", [{"actions": []}, {"attempts": 1}, {"next_at": NOW}])
def test_a_row_that_says_nothing_clear_is_refused_by_the_database(
    plant: Plant, listener: Listener, told: dict[str, Any]
) -> None:
    made(plant, listener)
    with pytest.raises(IntegrityError), transaction.atomic():
        Webhook.objects.update(**told)


KILLED = """
import os, sys
sys.path.insert(0, {root!r})
os.environ["DJANGO_SETTINGS_MODULE"] = "apcweb.settings"
import django; django.setup()
from django.db import connection
connection.settings_dict["NAME"] = {name!r}
from django.conf import settings
settings.APC_WEBHOOK_HOSTS = [{host!r}]
from datetime import datetime, UTC
from control.actions import webhooks
from control.connectors.post import post
def told_and_dead(url, body, headers):
    post(url, body, headers)
    os.kill(os.getpid(), 9)
webhooks.send_due(lambda: datetime.now(UTC), told_and_dead)
"""


@pytest.mark.django_db(transaction=True)
def test_a_sender_that_is_killed_before_it_can_note_it_tells_the_same_number_again(
    listener: Listener, settings: Any
) -> None:
    plant = factories.plant()
    made(plant, listener)
    numbers = happened(plant)
    told = {"root": str(settings.BASE_DIR), "name": connection.settings_dict["NAME"], "host": listener.host}
    script = KILLED.format(**told)
    done = subprocess.run([sys.executable, "-c", script], env=os.environ, timeout=60, check=False)
    assert done.returncode == -9
    with connection.cursor() as cursor:  # the turn of the dead ends as soon as the database has noticed
        cursor.execute("SELECT pg_advisory_lock(hashtext('control_webhooks'))")
        cursor.execute("SELECT pg_advisory_unlock(hashtext('control_webhooks'))")
    assert send() == 2
    assert listener.numbers() == [numbers[0], *numbers]
