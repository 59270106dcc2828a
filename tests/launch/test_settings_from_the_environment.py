"""Configuration by environment: a bad value stops the start and is named."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from apcweb import env
from apcweb.places import make_var

ROOT = Path(__file__).parents[2]
GOOD = {
    "APC_SECRET_KEY": secrets.token_urlsafe(50),
    "APC_AUDIT_KEY": secrets.token_urlsafe(50),
    "APC_VAR": "/nonexistent/apc",
}


def load_settings(**given: str) -> subprocess.CompletedProcess[str]:
    """What `manage.py check` says of an installation configured by `given` alone."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("APC_", "DATABASE_", "REDIS_"))}
    return subprocess.run(
        [sys.executable, ROOT / "manage.py", "diffsettings", "--output=unified"],
        env={**clean, "DJANGO_SETTINGS_MODULE": "apcweb.settings", **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APC_DEBUG", "maybe"),
        ("APC_DEMO", "2"),
        ("APC_HTTPS", "ssl"),
        ("APC_PORT", "80a"),
        ("APC_PORT", "70000"),
        ("APC_BIND", "localhost:80"),
        ("APC_SECRET_KEY", "short"),
        ("APC_SECRET_KEY", "a" * 60),
        ("APC_SECRET_KEY", "django-insecure-" + "abcdefghij" * 5),
        ("APC_AUDIT_KEY", "short"),
        ("APC_ALLOWED_HOSTS", "*"),
        ("APC_TRUSTED_ORIGINS", "apc.example.com"),
        ("APC_TRUSTED_ORIGINS", "https://*.example.com"),
        ("APC_TRUSTED_ORIGINS", "https://apc.example.com/path"),
        ("APC_ROLE", "king"),
        ("APC_POOL", "many"),
        ("DATABASE_URL", "mysql://root@localhost/apc"),
        ("DATABASE_URL", "postgresql://localhost"),
        ("DATABASE_URL", "postgresql://localhost:port/apc"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "unix:"),
    ],
)
def test_a_bad_value_stops_the_start_with_one_line_that_names_the_variable(name: str, value: str) -> None:
    said = load_settings(**{**GOOD, name: value})
    assert said.returncode != 0
    assert name in said.stderr
    assert len(said.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["APC_SECRET_KEY", "APC_AUDIT_KEY"])
def test_outside_the_demo_a_secret_must_be_given(name: str) -> None:
    said = load_settings(**{key: value for key, value in GOOD.items() if key != name})
    assert said.returncode != 0
    assert f"{name} is not set" in said.stderr


def test_debug_pages_are_refused_where_others_could_see_them() -> None:
    said = load_settings(**GOOD, APC_DEBUG="1", APC_BIND="192.0.2.7")
    assert said.returncode != 0
    assert "APC_DEBUG" in said.stderr


def test_without_wishes_the_settings_are_those_of_a_production_site() -> None:
    said = load_settings(**GOOD)
    assert said.returncode == 0, said.stderr
    shown = said.stdout
    assert "+ DEBUG = True" not in shown
    assert "+ SESSION_COOKIE_SECURE = True" in shown
    assert "+ SECURE_SSL_REDIRECT = True" in shown


def test_the_demo_keeps_its_own_secret_where_only_its_owner_reads(tmp_path: Path) -> None:
    first, second = (load_settings(APC_DEMO="1", APC_VAR=str(tmp_path / "var")) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    kept = tmp_path / "var" / "secret_key"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.read_text() in first.stdout
    assert kept.read_text() in second.stdout


def test_whoever_comes_second_gets_the_secret_of_the_first(tmp_path: Path) -> None:
    made = {env.kept_secret(tmp_path / "secret", 50, make_var) for _ in range(3)}
    assert len(made) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_database_url_may_name_a_socket_folder_and_libpq_parameters() -> None:
    told = env.database("DATABASE_URL", "postgresql://me:p%40ss@/apc?host=/run/my%20pg&sslmode=require")
    assert (told["HOST"], told["NAME"], told["USER"], told["PASSWORD"]) == ("/run/my pg", "apc", "me", "p@ss")
    assert told["OPTIONS"] == {"sslmode": "require"}


@pytest.mark.parametrize(
    ("redis", "celery"),
    [
        ("redis://cache:6379/3", "redis://cache:6379/3"),
        ("unix:///run/valkey.sock?db=2", "redis+socket:///run/valkey.sock?virtual_host=2"),
        ("unix:///run/my%20valkey.sock", "redis+socket:///run/my%20valkey.sock?virtual_host=0"),
    ],
)
def test_celery_is_told_the_same_redis(redis: str, celery: str) -> None:
    assert env.broker_url(env.redis_url("REDIS_URL", redis)) == celery


def test_every_role_has_its_time_limits_in_postgresql() -> None:
    assert env.timeouts(env.ROLES["web"]) == (
        "-c statement_timeout=15000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000"
    )


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APC_PORT", "")
    assert env.integer("APC_PORT", 8000, least=1, most=65535) == 8000


@pytest.mark.parametrize("origins", ["https://apc.example.com", "https://a.example.com, http://10.0.0.7:8000"])
def test_exact_origins_are_taken(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    monkeypatch.setenv("APC_TRUSTED_ORIGINS", origins)
    assert env.origins("APC_TRUSTED_ORIGINS") == [word.strip() for word in origins.split(",")]


def test_the_example_file_describes_every_setting_and_no_other() -> None:
    read = set(re.findall(r'env\.\w+\("([A-Z_]+)"', (ROOT / "apcweb/settings.py").read_text()))
    described = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert described == read
