"""The API under /api/v1: what the pages show, for scripts. Sign-in by session, CSRF, rights per line, stable codes."""

from dashboards.api.app import api

__all__ = ["api"]
