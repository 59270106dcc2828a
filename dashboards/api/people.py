"""Who is signed in, and passwords for signatures."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router

from dashboards import hands
from dashboards.api.schemas import Failure, Signed

router = Router(tags=["people"])


@router.post("/sign", response={204: None, 401: Failure, 403: Failure, 422: Failure})
def sign(request: HttpRequest, asked: Signed) -> HttpResponse:
    """Check a password; your own then signs for 300 s in this session."""
    hands.check(request, asked.signer, asked.password)
    return HttpResponse(status=204)
