"""The API under /api/v1: what the pages show, for scripts; session sign-in, CSRF, rights per line, codes for machines."""

from dashboards.api.app import api

__all__ = ["api"]
