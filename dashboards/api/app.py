"""The API itself: sign-in, errors with a code, and the description that also covers the ingest door."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from ninja.security import django_auth

from control.actions.errors import Refused
from dashboards.api import (
    audit,
    changes,
    hooks,
    limits,
    loops,
    models,
    people,
    plant,
    process_events,
    rolls,
    shifts,
    signals,
    tokens,
    versions,
)
from dashboards.api.gate import guarded, not_found
from dashboards.api.ingest import DESCRIPTION as INGEST
from dashboards.bearer import PersonalToken

CODES = {400: "bad_request", 403: "forbidden", 404: "not_found", 409: "conflict", 422: "invalid", 429: "too_many"}


class Api(NinjaAPI):
    """Describes the ingest endpoints too, although a leaner application serves them; once, for it takes a while."""

    described: OpenAPISchema | None = None

    def get_openapi_schema(self, **given: Any) -> OpenAPISchema:
        if self.described is None:
            self.described = super().get_openapi_schema(**given)
            self.described["paths"].update(INGEST["paths"])
            for kind, parts in INGEST.get("components", {}).items():
                self.described["components"].setdefault(kind, {}).update(parts)
        return self.described


api = Api(
    title="apcweb",
    version="1",
    description="Times are UTC, ISO 8601. An error is {code, detail, difference}; what you may not see is not found.",
    auth=[PersonalToken(), django_auth],
    docs_url=None,
    docs_decorator=require_safe,
    urls_namespace="api",
)
api.add_decorator(guarded, mode="view")
api.add_router("", plant.router)
api.add_router("", limits.router)
api.add_router("", changes.router)
api.add_router("", audit.router)
api.add_router("", process_events.router)
api.add_router("", rolls.router)
api.add_router("", models.router)
api.add_router("", shifts.router)
api.add_router("", signals.router)
api.add_router("", hooks.router)
api.add_router("", loops.router)
api.add_router("", versions.router)
api.add_router("", people.router)
api.add_router("", tokens.router)


def _answer(request: HttpRequest, status: int, code: str, detail: Any, **more: Any) -> HttpResponse:
    return api.create_response(request, {"code": code, "detail": detail, "difference": {}, **more}, status=status)


@api.exception_handler(AuthenticationError)
def _signed_out(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return _answer(request, 401, "not_signed_in", "Sign in first.")


@api.exception_handler(Refused)
def _refused(request: HttpRequest, error: Refused) -> HttpResponse:
    return api.create_response(request, error.as_json(), status=error.status)


@api.exception_handler(Http404)
def _unknown(request: HttpRequest, error: Http404) -> HttpResponse:
    return _refused(request, not_found())


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    faults = [{"at": ".".join(map(str, fault["loc"])), "what": fault["msg"]} for fault in error.errors]
    return _answer(request, 422, "invalid", "The request does not have the form it should.", faults=faults)


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    return _answer(request, error.status_code, CODES.get(error.status_code, "error"), str(error))
