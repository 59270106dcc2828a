"""What a station looks like, and in which language."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.views.decorators.http import require_POST

from dashboards.station import YEAR_S, Station


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Keep the choices in this browser and go back to where they were made."""
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = "/"
    answer = HttpResponseRedirect(back)
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES) and check_for_language(language):
        name, secure = settings.LANGUAGE_COOKIE_NAME, settings.APC_HTTPS
        answer.set_cookie(name, language, max_age=YEAR_S, samesite="Lax", secure=secure)
    return Station.chosen(request).keep(answer, secure=settings.APC_HTTPS)
