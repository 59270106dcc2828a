"""Theme, density and hot keys belong to the station, not to the user: a cookie of the browser that stands there."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse

THEMES = ("day", "night")
DENSITIES = ("desk", "glove")
KEYS = ("on", "off")
COOKIE = "apc_station"
YEAR_S = 365 * 86400


@dataclass(frozen=True, slots=True)
class Station:
    theme: str = THEMES[0]
    density: str = DENSITIES[0]
    keys: str = KEYS[0]

    @classmethod
    def of(cls, request: HttpRequest) -> Station:
        words = request.COOKIES.get(COOKIE, "").split(".")
        return cls(_one_of(THEMES, words), _one_of(DENSITIES, words), _one_of(KEYS, words))

    @classmethod
    def chosen(cls, request: HttpRequest) -> Station:
        """What the form said, and what was there for the rest."""
        was, form = cls.of(request), request.POST
        return cls(
            _one_of(THEMES, [form.get("theme", was.theme)]),
            _one_of(DENSITIES, [form.get("density", was.density)]),
            _one_of(KEYS, [form.get("keys", was.keys)]),
        )

    def keep(self, response: HttpResponse, *, secure: bool) -> HttpResponse:
        value = f"{self.theme}.{self.density}.{self.keys}"
        response.set_cookie(COOKIE, value, max_age=YEAR_S, samesite="Lax", httponly=True, secure=secure)
        return response


def _one_of(allowed: tuple[str, ...], words: list[str]) -> str:
    return next((word for word in words if word in allowed), allowed[0])
