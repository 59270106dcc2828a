"""Settings of a loop as its page writes them."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.translation import gettext as _

from dashboards.templatetags.apc import NOTHING

register = template.Library()


@register.filter
def plainly(value: Any, digits: int = 6) -> str:
    """A number in as many digits as it needs, at most so many."""
    return f"{value:.{digits}g}" if isinstance(value, int | float) else NOTHING


@register.filter
def setting_value(value: Any) -> str:
    """One setting on one line; a table of gains is only said to be one."""
    if isinstance(value, list) and any(isinstance(one, list) for one in value):
        return _("a table")
    if isinstance(value, list):
        return ", ".join(map(setting_value, value)) or NOTHING
    return plainly(value) if isinstance(value, int | float) else str(value or NOTHING)


@register.simple_tag(takes_context=True)
def typed(context: dict[str, Any], name: str, value: Any) -> str:
    """What was typed into a field of a form that was refused, else what is in force."""
    sent = context.get("typed")
    if sent is not None and name in sent:
        return str(sent[name])
    return value if isinstance(value, str) else f"{value:.6g}"
