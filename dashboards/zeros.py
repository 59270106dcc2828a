"""Text with a zero character in it is refused at the door: PostgreSQL can neither store it nor look it up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin

ZERO = "\x00"
DETAIL = "Text must not hold a zero character."


class NoZeros(MiddlewareMixin):
    """Of what an address or a form says; the API's bodies say it in their schemas, the admin in its forms."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: tuple[Any, ...], told: Mapping[str, Any]
    ) -> HttpResponse | None:
        forms = (request.GET, request.POST)
        texts = (text for form in forms for one in form.lists() for text in (one[0], *one[1]))
        if ZERO not in request.path and not any(ZERO in text for text in texts):
            return None
        if request.path.startswith("/api/"):
            return JsonResponse({"code": "bad_request", "detail": DETAIL, "difference": {}}, status=400)
        raise BadRequest(DETAIL)
