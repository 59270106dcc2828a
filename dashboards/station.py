"""Name, theme, density and keys belong to the station, not to the user: a cookie of the browser that stands there."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

from django.http import HttpRequest, HttpResponse

THEMES = ("day", "night")
DENSITIES = ("desk", "glove")
KEYS = ("on", "off")
COOKIE, NAMED = "apc_station", "apc_station_name"
LONGEST_NAME = 40
YEAR_S = 365 * 86400


@dataclass(frozen=True, slots=True)
class Station:
    theme: str = THEMES[0]
    density: str = DENSITIES[0]
    keys: str = KEYS[0]
    name: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> Station:
        words = request.COOKIES.get(COOKIE, "").split(".")
        name = _named(unquote(request.COOKIES.get(NAMED, "")))
        return cls(_one_of(THEMES, words), _one_of(DENSITIES, words), _one_of(KEYS, words), name)

    @classmethod
    def chosen(cls, request: HttpRequest) -> Station:
        """What the form said, and what was there for the rest."""
        was, form = cls.of(request), request.POST
        return cls(
            _one_of(THEMES, [form.get("theme", was.theme)]),
            _one_of(DENSITIES, [form.get("density", was.density)]),
            _one_of(KEYS, [form.get("keys", was.keys)]),
            _named(form.get("name", was.name)),
        )

    def keep(self, response: HttpResponse, *, secure: bool) -> HttpResponse:
        value = f"{self.theme}.{self.density}.{self.keys}"
        for cookie, told in ((COOKIE, value), (NAMED, quote(self.name))):
            response.set_cookie(cookie, told, max_age=YEAR_S, samesite="Lax", httponly=True, secure=secure)
        return response


def _named(text: str) -> str:
    return "".join(sign for sign in text if sign.isprintable()).strip()[:LONGEST_NAME]


def _one_of(allowed: tuple[str, ...], words: list[str]) -> str:
    return next((word for word in words if word in allowed), allowed[0])
