"""A person's own tokens: listed, made with the password, revoked. Only in a session: no token begets another."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema, Status

from control.actions import tokens
from control.models import ApiToken
from control.plantvalues import NO_ZERO
from dashboards import hands, permissions
from dashboards import tokens as doors
from dashboards.api.changes import DECISION, Key, answer
from dashboards.api.schemas import Failure, Signed
from dashboards.bearer import InASession

router = Router(tags=["tokens"])


class TokenIn(Signed, extra="forbid"):
    name: str = Field(description="What it is for", min_length=1, max_length=80, pattern=NO_ZERO)
    days: int = Field(description="It ends after so many", ge=1, le=tokens.LONGEST.days)
    acts: bool = Field(False, description="Whether it does whatever you may; else it only reads")


class TokenOut(Schema):
    id: int
    name: str
    acts: bool
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None = Field(description="Within five minutes")


class TokenMade(TokenOut):
    secret: str = Field(description="Told this once; send it as Authorization: Bearer")


class TokenDone(Schema):
    id: int


@router.get("/tokens", response={200: list[TokenOut], 401: Failure})
def my_tokens(request: HttpRequest) -> Any:
    """Your own, ended ones too."""
    return [_told(row) for row in tokens.of(permissions.person(request))]


@router.post("/tokens", response={201: TokenMade, 401: Failure, 403: Failure, 422: Failure}, auth=InASession())
def make(request: HttpRequest, asked: TokenIn) -> Any:
    """Signed with your password. The secret is stored in no answer, so this takes no Idempotency-Key."""
    by = hands.hand(request, asked.signer, asked.password)
    row, secret = tokens.make(asked.name, days=asked.days, acts=asked.acts, by=by, now=permissions.now())
    return Status(201, {**_told(row), "secret": secret})


@router.post("/tokens/{token_id}/revoke", response={**DECISION, 200: TokenDone}, auth=InASession())
def revoke(request: HttpRequest, token_id: int, key: str = Key) -> HttpResponse:
    row = permissions.found(tokens.of(permissions.person(request)), pk=token_id)
    return answer(doors.revoke(permissions.person(request), key, row))


def _told(row: ApiToken) -> dict[str, Any]:
    return {name: getattr(row, name) for name in TokenOut.model_fields}
