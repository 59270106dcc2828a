"""Every way into the application, found by itself so that none is forgotten; and who knocks there with what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from psycopg.sql import SQL, Identifier

from control.actions import tokens
from control.actions.plant import new_token
from control.models import Change, Grant, Handover, Hold, Signal, TrainingRun, Version, Webhook
from dashboards import version_doors
from dashboards.views.change import VERBS as change_verbs  # noqa: N811
from tests.factories import Plant, hand

ACTORS = (
    "nobody", "outsider", "viewer", "operator", "supervisor", "engineer", "admin", "auditor", "superuser", "source",
    "token",
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REFUSED = ("door", "401", "403", "404", "405")
TOKEN = "the token of a gateway"
BY_TOKEN = ("source", "token")  # who come without a session
WRITES = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)', re.IGNORECASE)
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
SEVERAL = {"key", "pk"}  # names that mean something else under each address
SIGNING = ("signature_needed", "wrong_password")
APART = {  # what a refusal leaves behind: that it was one, and how often a password was tried
    "control_auditentry", "control_audithead", "control_answer", "control_guesses", "django_session",
    "control_apitoken",  # when it was last used
}  # fmt: skip

HOOK = {"url": "https://example.com/", "actions": ["change.approve"], "nonce": "n", "sent": 0}
VERBS = {  # a place in the address, or a field of the form, that says what is done
    "versions/<int:pk>/decide/<slug:verb>/": (*version_doors.PLAIN, *version_doors.SIGNED),
    "api/v1/versions/<version_id>/<verb>": tuple(version_doors.PLAIN),
    "models/runs/<int:pk>/<slug:verb>/": ("cancel", "submit", "decline"),
    "changes/<int:pk>/decide/": (*change_verbs, "reject"),
}
MODES = {"loops/<int:pk>/mode/": ("shadow", "auto"), "api/v1/loops/<loop_id>/mode": ("shadow", "auto")}
STATES = {  # of the version that a verb is said of
    "submit": "draft", "discard": "draft", "edit": "draft", "rework": "in_review", "reject": "in_review",
    "approve": "in_review", "put_in_force": "approved", "recall": "scheduled", "retire": "superseded",
    "again": "superseded",
}  # fmt: skip


def addresses(resolver: Any = None, before: str = "") -> Iterator[str]:
    """Every address outside the administration, as the resolver has it."""
    for one in (resolver or get_resolver()).url_patterns:
        address = before + str(one.pattern)
        if isinstance(one, URLResolver):
            if one.namespace != "admin":
                yield from addresses(one, address)
        elif isinstance(one, URLPattern):
            yield address


def doors(address: str) -> list[str]:
    """An address, once for each thing that can be asked there."""
    if address in MODES:
        return [f"{address} mode={mode}" for mode in MODES[address]]
    if address not in VERBS:
        return [address]
    place = re.search(r"<(?:\w+:)?verb>", address)
    return [address.replace(place[0], verb) if place else f"{address} verb={verb}" for verb in VERBS[address]]


def said(door: str) -> dict[str, str]:
    """What the form says of what is done, if its address does not."""
    name, _, value = door.partition(" ")[2].partition("=")
    return {name: value} if name else {}


@dataclass(frozen=True)
class World:
    """A plant in which there is one of everything that an address can name."""

    plant: Plant
    change: Change
    places: dict[str, object]
    versions: dict[str, Version]

    def url(self, door: str) -> str:
        address = door.partition(" ")[0]
        parts = address.removeprefix("api/v1/").split("/")
        kind = "runs" if parts[:2] == ["models", "runs"] else parts[0]
        version = self._version(address).pk
        found = self.places | {"versions.pk": version, "version_id": version}

        def named(match: re.Match[str]) -> str:
            name = match.group(1)
            return str(found[f"{kind}.{name}" if name in SEVERAL else name])

        return "/" + PARAMETER.sub(named, address)

    def _version(self, address: str) -> Version:
        """In the state that what is asked at the address wants."""
        return self.versions[next((STATES[part] for part in address.split("/") if part in STATES), "draft")]

    def body(self, door: str) -> dict[str, Any]:
        """What has the form it should, so that only the right to it is asked for."""
        address = door.partition(" ")[0]
        told = self._api(address) if address.startswith("api/") else {"key": "k", "reason": "x", **self._page(address)}
        return told | said(door)

    def _page(self, address: str) -> dict[str, Any]:
        version = self.change.version
        seen = {"seen": self._version(address).sha256, "when": "now"}
        return {
            "changes/<int:pk>/decide/": {"version": version, "code": "sensor_odd", "text": "x"},
            "inbox/reject/": {"change": f"{self.change.pk}:{version}", "code": "sensor_odd"},
            "lines/<slug:key>/events/": {"kind": "splice", "minutes_ago": "0"},
            "lines/<slug:key>/signals/acknowledge/": {"signal": self.places["signals.pk"]},
            "loops/<int:pk>/tune/": {"number": "1"},
            "models/<int:pk>/kinds/": {"main": "pls", "reference": "ridge"},
            "models/<int:pk>/plan/": {"then": "propose"},
            "shifts/<int:pk>/notes/": {"text": "x"},
            "sign/": {"password": "not this one"},
            "tokens/make/": {"name": "x", "days": "1"},
            "signals/<int:pk>/close/": {"cause": "batch", "action": "watched"},
            "signals/<int:pk>/shelve/": {"minutes": "5"},
            "streams/<int:pk>/limits/draft/": {"method": "moving_range"},
            "lines/<slug:key>/versions/<slug:kind>/import/": {"file": _file()},
        }.get(address, seen if address.startswith("versions/") else {})

    def _api(self, address: str) -> dict[str, Any]:
        version, plant = self.change.version, self.plant
        seen = {"seen": self._version(address).sha256, "reason": "x"}
        bodies: dict[str, dict[str, Any]] = {
            "sign": {"password": "not this one"},
            "grants": {"user": plant.person("outsider").username, "role": "viewer", "on": f"line:{plant.line.key}",
                       "reason": "x"},
            "changes/<change_id>/approve": {"version": version},
            "changes/<change_id>/reject": {"version": version, "reason": "sensor_odd"},
            "changes/reject": {"changes": [{"id": self.change.pk, "version": version}], "reason": "sensor_odd"},
            "changes/<change_id>/ask": {"version": version},
            "changes/<change_id>/withdraw": {"version": version, "reason": "x"},
            "changes/<change_id>/edit": {"version": version, "values": {"pump_top": 60.2}, "reason": "x"},
            "changes/<change_id>/resolve": {"version": version, "applied": True, "reason": "x"},
            "equipment/<equipment_id>/models": {"reason": "x", "model": _file(), "declaration": _file()},
            "lines/<line_id>/events": {"kind": "splice", "at": timezone.now().isoformat()},
            "lines/<line_id>/signals/acknowledge": {"ids": [self.places["signal_id"]]},
            "lines/<line_id>/versions": {"kind": "figures", "scope": plant.line.pk, "content": {}, "reason": "x"},
            "lines/<line_id>/versions/import": {"kind": "figures", "reason": "x", "file": _file()},
            "loops/<loop_id>/mode": {"reason": "x"},
            "shifts/<shift_id>/notes": {"text": "x"},
            "shifts/<shift_id>/give": {},
            "shifts/<shift_id>/accept": {},
            "signals/<signal_id>/close": {"cause": "batch", "action": "watched"},
            "signals/<signal_id>/shelve": {"minutes": 5, "reason": "x"},
            "streams/<stream_id>/limits": {"from": "2026-01-01T00:00Z", "to": "2026-01-02T00:00Z", "reason": "x"},
            "versions/<version_id>/approve": {**seen, "when": "now"},
            "versions/<version_id>/put_in_force": {**seen, "when": "now"},
            "versions/<version_id>/edit": {**seen, "content": {}},
            "lines/<line_id>/webhooks": {"url": "https://example.com/", "actions": ["change.approve"], "reason": "x"},
            "webhooks/<hook_id>/try": {},
            "tokens": {"name": "x", "days": 1},
            "tokens/<token_id>/revoke": {},
            "signals/<signal_id>/unshelve": {},
        }  # fmt: skip
        return bodies.get(address.removeprefix("api/v1/"), {"reason": "x"})

    def query(self) -> str:
        now = timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        before = (timezone.now() - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"?from={before}&to={now}&kind=figures&when={now}&panel=ewma"


def _file() -> SimpleUploadedFile:
    return SimpleUploadedFile("figures.json", b"{}")


def world(plant: Plant, change: Change) -> World:
    """To be called within a transaction that is undone."""
    stream, line, now = plant.streams["loading/1-top"], plant.line, timezone.now()
    new_token(plant.source, TOKEN, actor="test", now=now)
    signal = Signal.objects.create(
        stream=stream, line=line, rule=1, first_at=now, last_at=now, last_seq=1, value=21.0, raised_at=now
    )
    run = TrainingRun.objects.create(equipment=plant.coater, state="proposed", asked_at=now)
    hold = Hold.objects.create(line=line, since=now, by=plant.person("operator"))
    shift = Handover.objects.create(line=line, starts_at=now - timedelta(hours=8), ends_at=now)
    hook = Webhook.objects.create(**HOOK, line=line, created_by=plant.person("engineer"), created_at=now)
    grant = Grant.objects.filter(user=plant.person("viewer")).latest("pk")
    own = tokens.make("own", days=1, acts=True, by=hand(plant.person("operator"), now), now=now)[0]
    of = {
        "change": change.pk, "equipment": plant.coater.pk, "grant": grant.pk, "hold": hold.pk, "hook": hook.pk,
        "lane": stream.lane_id, "line": line.pk, "loop": plant.loop.pk, "shift": shift.pk, "signal": signal.pk,
        "stream": stream.pk, "token": own.pk,
    }  # fmt: skip
    places: dict[str, object] = {f"{noun}_id": key for noun, key in of.items()}
    places |= {f"{noun}s.pk": key for noun, key in of.items()}
    places |= {
        "lines.key": line.key, "sites.key": plant.site.key, "models.pk": plant.coater.pk, "runs.pk": run.pk,
        "kind": "figures", "media": "json",
    }  # fmt: skip
    return World(plant, change, places, _versions(plant))


def _versions(plant: Plant) -> dict[str, Version]:
    """One in each state that something can be decided about, written by the engineer."""
    told = {"kind": "figures", "line": plant.line, "scope": plant.line.pk, "content": {}, "created_at": timezone.now()}
    author, approver = plant.person("engineer"), plant.person("supervisor2")
    return {
        state: Version.objects.create(
            **told, number=number, state=state, sha256=f"{number:064}", author=author,
            approved_by=None if state in ("draft", "in_review") else approver,
        )
        for number, state in enumerate(("draft", "in_review", "approved", "scheduled", "superseded"), 1)
    }  # fmt: skip


def stands() -> str:
    """What is stored, as one digest, but for what a refusal leaves behind."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1"
        )
        tables = [name for (name,) in cursor.fetchall() if name not in APART]
        rows = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} t"
        each = SQL(", ").join(SQL("({})").format(SQL(rows).format(Identifier(table))) for table in tables)
        cursor.execute(SQL("SELECT md5(concat({}))").format(each))
        return str(cursor.fetchone()[0])


@dataclass(frozen=True)
class Met:
    """What somebody met: ``yes``, ``sign`` (a signature is asked for), ``door`` (sign in), or the refusing status."""

    what: str
    changed: bool  # not looked at where somebody did what he may
    told: bool  # in the audit


def knock(client: Client, world: World, method: str, door: str, body: dict[str, Any] | None = None) -> Met:
    """Ask, and undo whatever came of it. Without a ``body`` with one that is as it should be."""
    kept, written = client.cookies, set[str]()
    client.cookies = SimpleCookie({name: one.value for name, one in kept.items()})

    def watch(execute: Any, sql: str, *told: Any) -> Any:
        if found := WRITES.match(sql):
            written.add(found[1])
        elif "control_audit_append" in sql:
            written.add("control_auditentry")
        return execute(sql, *told)

    with transaction.atomic():
        with connection.execute_wrapper(watch):
            answer = _asked(client, world, method, door, body)
        what = _met(answer)
        matters = (method == "GET" or what != "yes") and not written <= APART
        afterwards = stands() if matters else ""  # a refusal may undo what it had begun
        transaction.set_rollback(True)
    client.cookies = kept  # whoever signed out is in again
    return Met(what, bool(afterwards) and afterwards != stands(), "control_auditentry" in written)


def _asked(client: Client, world: World, method: str, door: str, body: dict[str, Any] | None) -> Any:
    url = world.url(door)
    if method == "GET":
        return client.get(url + world.query())
    if method != "POST":
        return client.generic(method, url)
    headers = {} if body is not None else {"Idempotency-Key": "k"}
    told = world.body(door) if body is None else body
    if not door.startswith("api/"):
        return client.post(url, told)
    if any(isinstance(value, SimpleUploadedFile) for value in told.values()):
        return client.post(url, told, headers=headers)
    return client.post(url, json.dumps(told), content_type="application/json", headers=headers)


def _met(answer: Any) -> str:
    if answer.status_code == 302 and answer.headers["Location"].startswith("/accounts/login/?next="):
        return "door"
    if answer.status_code not in (401, 403, 404, 405):
        return "yes"
    asked = answer.headers.get("Content-Type", "").startswith("application/json") and answer.json().get("code")
    signs = asked in SIGNING or any(template.name == "sign/page.html" for template in answer.templates)
    return "sign" if answer.status_code == 403 and signs else str(answer.status_code)


def bearer(name: str, plant: Plant) -> dict[str, str]:
    """What a machine, or a script of the operator, sends to be let in; nothing for those who have a session."""
    if name not in BY_TOKEN:
        return {}
    now, by = timezone.now(), plant.person("operator")
    secret = TOKEN if name == "source" else tokens.make("x", days=1, acts=True, by=hand(by, now), now=now)[1]
    return {"Authorization": f"Bearer {secret}"}


def who(name: str, plant: Plant) -> Client:
    """A browser, or a script, of somebody."""
    if headers := bearer(name, plant):
        return Client(headers=headers)
    client = Client()
    if name != "nobody":
        client.force_login(plant.person({"superuser": "root"}.get(name, name)))
    return client
