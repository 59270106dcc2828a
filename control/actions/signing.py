"""Whose hand it is: a password proved, a thing signed, and an end to guessing. The only place that checks a password.

HOLD never comes here, and a lock ends no session: what is locked is the asking for a password alone.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import User
from django.db import models, transaction

from control.actions import audit, figures
from control.actions.errors import NoPermission, Unsigned
from control.core.vm.estimator import content_hash
from control.models import AuditEntry, Guesses, Line, Signature

SYSTEM = "sign_in"
REAUTH = timedelta(seconds=300)  # a password proved by the one who is signed in holds for so long
ANYWHERE = "*"
FORGOTTEN = timedelta(days=1)
A_LOOK = timedelta(seconds=5)  # at a password, with many at once
A_ROW_EVERY = timedelta(minutes=1)  # of tries that nobody looked at, so that a scanner does not fill the audit


@dataclass(frozen=True, slots=True)
class Patience:
    """After so many wrong passwords within a time, none is looked at for another."""

    failures: int
    within: timedelta
    locked: timedelta


HERE = Patience(5, timedelta(minutes=5), timedelta(minutes=5))  # of a name from one address
ALL_TOLD = Patience(20, timedelta(minutes=15), timedelta(minutes=15))  # of a name from anywhere


@dataclass(frozen=True, slots=True)
class Hand:
    """A person, and how it is known that it is he: signed in, or with a password proved at ``proved_at``.

    ``screen_of`` is who is signed in at the screen, where that is somebody else.
    """

    user: User
    station: str = ""
    address: str = ""
    proved_at: datetime | None = None
    screen_of: User | None = None

    def proved(self, now: datetime, within: timedelta = REAUTH) -> bool:
        return self.proved_at is not None and now - self.proved_at <= within


def sign(
    obj: audit.Object,
    *,
    by: Hand,
    meaning: str,
    content: object,
    now: datetime,
    line: Line | int | None = None,
    reason: str = "",
    password: bool = True,
) -> Signature:
    """Sign what was before the signer, ``content`` (JSON), within the transaction of what it is signed for.

    Refused if it takes a password and none was proved; without ``password`` being signed in is enough.
    """
    line_id = line.pk if isinstance(line, Line) else line
    proved = by.proved(now, REAUTH if line_id is None else timedelta(seconds=figures.of(line_id).reauth_s))
    if password and not proved:
        raise Unsigned("signature_needed", "This is signed with a password.", {"meaning": meaning})
    kind, key = audit.named(obj)
    row = Signature.objects.create(
        user=by.user, printed_name=by.user.get_full_name() or by.user.get_username(), at=now, meaning=meaning,
        reason=reason[:400], method=Signature.Method.PASSWORD if proved else Signature.Method.SESSION,
        station=by.station[:80], address=by.address[:45], screen_of=by.screen_of,
        line_id=line_id,
        object_type=kind, object_id=key, content_sha256=content_hash(content),
    )  # fmt: skip
    told = {name: getattr(row, name) for name in ("printed_name", "meaning", "method", "station", "content_sha256")}
    told |= {"of": f"{kind}:{key}", "screen_of": by.screen_of and by.screen_of.get_username()}
    audit.record(actor=by.user, action="signature.give", obj=row, now=now, new=told, reason=reason, line=line)
    return row


def signatures(obj: models.Model) -> models.QuerySet[Signature]:
    """What was signed about a thing, the first first."""
    kind, key = audit.named(obj)
    return Signature.objects.filter(object_type=kind, object_id=key).order_by("pk")


def prove(name: str, password: str, *, address: str, now: datetime) -> User:
    """The active person of that name, if the password is his. To be called outside any transaction.

    Every try is counted before it is looked at, so that of many at once none is free; a right one is taken back, and
    only wrong ones lock. A name that nobody has takes the same steps and the same time.
    """
    name, address = unicodedata.normalize("NFKC", name)[:150], address[:45]
    person = User.objects.filter(username=name).first()
    tries = _Tries(hashlib.sha256(name.encode()).hexdigest(), address, now)
    if until := tries.begin():
        _tell(person, address, now, code="locked_out", until=until)
        raise NoPermission("locked_out", "Too many wrong passwords; wait.", {"until": until.isoformat()})
    if _fits(person, password) and person is not None:
        tries.take_back()
        return person
    _tell(person, address, now, code="wrong_password", until=tries.failed())
    raise NoPermission("wrong_password", "Name and password do not match, or the account is disabled.")


def _fits(person: User | None, password: str) -> bool:
    """Hashing takes as long for a name that nobody has, or whose account is disabled."""
    if person is None:
        make_password(password)
        return False
    return check_password(password, person.password) and person.is_active


@dataclass(frozen=True, slots=True)
class _Tries:
    """What is counted of a name: from this address, and from anywhere."""

    name_sha256: str
    address: str
    now: datetime

    @transaction.atomic
    def begin(self) -> datetime | None:
        """Count one more, unless none is looked at: until when."""
        rows = self._rows()
        for row in rows:
            if row.since <= self.now - _patience(row).within:
                row.failures, row.wrong, row.since = 0, 0, self.now
        closed = [until for row in rows if (until := self._closed_until(row))]
        if closed:
            return max(closed)
        for row in rows:
            row.failures += 1
            row.save(update_fields=["failures", "wrong", "since"])
        return None

    @transaction.atomic
    def failed(self) -> datetime | None:
        """Count a wrong one, and lock what has had its number of them: until when."""
        rows = self._rows()
        for row in rows:
            row.wrong += 1
            if row.wrong >= _patience(row).failures:
                row.failures, row.wrong, row.locked_until = 0, 0, self.now + _patience(row).locked
            row.save(update_fields=["failures", "wrong", "locked_until"])
        Guesses.objects.filter(since__lt=self.now - FORGOTTEN).delete()
        return max((at for row in rows if (at := row.locked_until) and at > self.now), default=None)

    @transaction.atomic
    def take_back(self) -> None:
        for row in self._rows():
            row.failures = max(row.failures - 1, row.wrong)
            row.save(update_fields=["failures"])

    def _rows(self) -> list[Guesses]:
        """Both counts, locked in one order."""
        told = {"name_sha256": self.name_sha256, "since": self.now}
        Guesses.objects.bulk_create(
            [Guesses(address=where, **told) for where in (ANYWHERE, self.address)], ignore_conflicts=True
        )
        own = Guesses.objects.filter(name_sha256=self.name_sha256, address__in=(ANYWHERE, self.address))
        return list(own.select_for_update().order_by("pk"))

    def _closed_until(self, row: Guesses) -> datetime | None:
        """Until when no try is looked at: it is locked, or as many as may be are being looked at already."""
        if row.locked_until and row.locked_until > self.now:
            return row.locked_until
        full = row.failures >= _patience(row).failures
        return min(row.since + _patience(row).within, self.now + A_LOOK) if full else None


def _patience(row: Guesses) -> Patience:
    return ALL_TOLD if row.address == ANYWHERE else HERE


def _tell(person: User | None, address: str, now: datetime, *, code: str, until: datetime | None) -> None:
    """Record a try that was refused; those of nobody, and those that were not looked at, once a minute."""
    obj: audit.Object = person or ("address", address)
    with audit.atomic():
        if (person is None or code == "locked_out") and _told_lately(obj, now):
            return
        told = {"code": code, "address": address, "until": until}
        audit.record(actor=SYSTEM, action="password.refused", obj=obj, now=now, new=told)


def _told_lately(obj: audit.Object, now: datetime) -> bool:
    kind, key = audit.named(obj)
    rows = AuditEntry.objects.filter(object_type=kind, object_id=key, action="password.refused")
    return rows.filter(at__gt=now - A_ROW_EVERY).exists()
