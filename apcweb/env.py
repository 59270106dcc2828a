"""Configuration from the environment. A bad value stops the start and is named."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
LEAST_SECRET = 50  # characters; Django's own bar, of which at least 5 differ
DATABASE_SCHEMES = ("postgresql", "postgres")
REDIS_SCHEMES = ("redis", "rediss", "unix")


class Role(NamedTuple):
    """How long a process may keep PostgreSQL busy, in seconds; 0 is for ever."""

    statement_s: int
    lock_s: int
    idle_in_transaction_s: int


ROLES = {
    "web": Role(15, 2, 10),
    "service": Role(60, 2, 10),  # worker, beat, pulse, dispatch, collect, twin
    "command": Role(0, 10, 0),  # migrations, seeding, verification: long on purpose, and somebody is watching
}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def boolean(name: str, default: bool) -> bool:
    value = text(name).lower()
    if value and value not in TRUE + FALSE:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")
    return value in TRUE if value else default


def integer(name: str, default: int, least: int, most: int) -> int:
    value = text(name, str(default))
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name} must be a whole number from {least} to {most}, not {value!r}.")
    return int(value)


def number(name: str, default: float, least: float, most: float) -> float:
    value = text(name, str(default))
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not least <= found <= most:
        raise ImproperlyConfigured(f"{name} must be a number from {least:g} to {most:g}, not {value!r}.")
    return found


def listing(name: str, default: Iterable[str] = ()) -> list[str]:
    """Words separated by commas."""
    return [word.strip() for word in text(name).split(",") if word.strip()] or list(default)


def choice(name: str, default: str, allowed: Iterable[str]) -> str:
    value = text(name, default)
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def origins(name: str) -> list[str]:
    """Exact web origins: scheme, host and, where it is not the scheme's own, port."""
    found = listing(name)
    for origin in found:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
            raise ImproperlyConfigured(f"{name} takes origins such as https://apc.example.com, not {origin!r}.")
        if "*" in origin:
            raise ImproperlyConfigured(f"{name} takes exact origins, not {origin!r}.")
    return found


def secret(name: str, keep_in: Path | None, make_folder: Callable[[Path], object]) -> str:
    """A strong secret: the variable's, or one made once and kept in the file `keep_in`."""
    value = text(name)
    if not value and keep_in is None:
        raise ImproperlyConfigured(f"{name} is not set; it needs at least {LEAST_SECRET} random characters.")
    if not value and keep_in is not None:
        value = kept_secret(keep_in, LEAST_SECRET, make_folder)
    if len(value) < LEAST_SECRET or len(set(value)) < 5 or value.startswith("django-insecure-"):
        raise ImproperlyConfigured(f"{name} is too weak; it needs at least {LEAST_SECRET} random characters.")
    return value


def kept_secret(path: Path, size: int, make_folder: Callable[[Path], object]) -> str:
    """The secret of `size` random bytes in a file only its owner reads; whoever comes first makes it."""
    make_folder(path.parent)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(size))
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_text().strip()


def database(name: str, url: str) -> dict[str, object]:
    """Django's database settings from a URL; parameters after `?` go to libpq, except that `host` may name a folder."""
    parts = urlsplit(url)
    given = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    host = given.pop("host", parts.hostname or "")
    try:
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured(f"{name} has a bad port.") from None
    if parts.scheme not in DATABASE_SCHEMES or not host or not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{name} must look like postgresql://user:password@host:5432/database.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": port or "",
        "OPTIONS": given,
    }


def redis_url(name: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in REDIS_SCHEMES or not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise ImproperlyConfigured(f"{name} must look like redis://host:6379/0 or unix:///path/to/socket?db=0.")
    return url


def broker_url(redis_address: str) -> str:
    """The same Redis, spelt as Celery spells it."""
    parts = urlsplit(redis_address)
    if parts.scheme != "unix":
        return redis_address
    number = parse_qs(parts.query).get("db", ["0"])[-1]
    return f"redis+socket://{parts.path}?virtual_host={number}"


def timeouts(role: Role) -> str:
    """The libpq `options` that hold a role to its limits."""
    limits = {
        "statement_timeout": role.statement_s,
        "lock_timeout": role.lock_s,
        "idle_in_transaction_session_timeout": role.idle_in_transaction_s,
    }
    return " ".join(f"-c {key}={seconds * 1000}" for key, seconds in limits.items())
