"""Versions as their pages write them."""

from __future__ import annotations

from typing import Any

from django import template

from dashboards import version_words
from dashboards.templatetags.apc import NOTHING

register = template.Library()


@register.filter
def kind_words(kind: str) -> str:
    return version_words.kind(kind)


@register.filter
def plain(value: Any) -> str:
    """A number in as many digits as it needs."""
    return f"{value:.6g}" if isinstance(value, int | float) else NOTHING


@register.filter
def signed_plain(value: Any) -> str:
    return f"{value:+.6g}" if isinstance(value, int | float) else NOTHING
