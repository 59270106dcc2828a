"""Whose hand a request is: who is signed in at the screen, or somebody who gives his password there."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from control.actions import signing
from control.actions.errors import Unsigned
from control.actions.signing import Hand
from dashboards import permissions
from dashboards.station import Station

PROVED = "proved_at"  # in the session: when the one who is signed in gave his password for a signature


def of_form(request: HttpRequest) -> Hand:
    return hand(request, request.POST.get("signer", ""), request.POST.get("password", ""))


def hand(request: HttpRequest, signer: str = "", password: str = "") -> Hand:
    """The hand that acts. ``signer`` is who signs, the one who is signed in if nobody is named.

    A password given by the one who is signed in holds for a while; anybody else, and a script, gives it each time.
    """
    me, now, token = permissions.person(request), permissions.now(), permissions.token(request)
    station = f"token {token}" if token else Station.of(request).name or address(request)
    where = {"station": station, "address": address(request)}
    foreign = signer.strip() not in ("", me.get_username())
    if not password:
        if foreign:
            raise Unsigned("signature_needed", "Whoever signs at another's screen gives his password.")
        return Hand(me, proved_at=proved_at(request), **where)
    person = signing.prove(signer.strip() or me.get_username(), password, address=where["address"], now=now)
    if person != me:
        return Hand(person, proved_at=now, screen_of=me, **where)
    if token is None:
        request.session[PROVED] = now.isoformat()
    return Hand(me, proved_at=now, **where)


def check(request: HttpRequest, signer: str, password: str) -> None:
    """Refused unless that is the password; of the one who is signed in it is remembered for a while."""
    if not hand(request, signer, password).proved(permissions.now()):
        raise Unsigned("signature_needed", "A signature takes a password.")


def proved_at(request: HttpRequest) -> datetime | None:
    told = None if permissions.token(request) else request.session.get(PROVED)
    return parse_datetime(told) if told else None


def address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))[:45]
