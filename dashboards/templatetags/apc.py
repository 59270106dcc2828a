"""Numbers, times and ages as the pages write them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import template
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from control.actions import signing
from control.core.lifecycle import State
from control.models import Signal
from dashboards import hands, permissions, wording
from dashboards.figures import OLD_S
from dashboards.names import Names
from dashboards.station import Station

register = template.Library()
NOTHING = "–"


@register.filter
def number(value: float | str | None, decimals: int = 2) -> str:
    """A number, or a dash; what a template could not find at all arrives as empty text."""
    return NOTHING if value is None or isinstance(value, str) else f"{value:z.{decimals}f}"


@register.filter
def meaning_words(code: str) -> str:
    return wording.meaning(code)


@register.filter
def signed(value: float | str | None, decimals: int = 2) -> str:
    return NOTHING if value is None or isinstance(value, str) else f"{value:+z.{decimals}f}"


@register.simple_tag(takes_context=True)
def station(context: dict[str, Any]) -> Station:
    return Station.of(context["request"])


@register.simple_tag(takes_context=True)
def grace(context: dict[str, Any]) -> str:
    """Until when the password that was given for a signature holds; empty if there is none."""
    at = hands.proved_at(context["request"])
    return "" if at is None else (at + signing.REAUTH).isoformat()


@register.simple_tag
def plant_time(at: datetime | str | None, zone: str) -> SafeString | str:
    """The plant's own time with its zone; the date too unless it is today there. A stored report has it as text."""
    if not at:
        return NOTHING
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    local, today = at.astimezone(ZoneInfo(zone)), timezone.now().astimezone(ZoneInfo(zone)).date()
    pattern = "%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M:%S"
    return format_html('<time datetime="{}">{} {}</time>', at.isoformat(), local.strftime(pattern), local.tzname())


@register.simple_tag
def age(at: datetime | str | None) -> SafeString | str:
    """How old something is; counted on by the browser, and marked once it is old."""
    if not isinstance(at, datetime):
        return _("never")
    seconds = max(0.0, (timezone.now() - at).total_seconds())
    marks = format_html(' class="{}"', "old") if seconds > OLD_S else ""
    return format_html('<span{} data-age="{}">{}</span>', marks, at.isoformat(), wording.duration(seconds))


@register.simple_tag
def countdown(at: datetime, metres_per_s: float | None) -> SafeString:
    """Time left, and metres of web left where the speed is known."""
    seconds = max(0.0, (at - timezone.now()).total_seconds())
    minutes, rest = divmod(int(seconds), 60)
    text = f"{minutes}:{rest:02d}"
    if metres_per_s:
        text += f" · {seconds * metres_per_s:.0f} m"
    return format_html(
        '<span class="countdown" data-until="{}" data-speed="{}" role="timer">{}</span>',
        at.isoformat(), "" if metres_per_s is None else metres_per_s, text,
    )  # fmt: skip


@register.filter
def state_words(state: str) -> str:
    return str(wording.STATES[State(state)])


@register.filter
def rule_words(bit: int) -> str:
    return wording.rule(bit)


@register.filter
def signal_words(signal: Any) -> str:
    return wording.signal(signal)


@register.filter
def signal_detail(signal: Any) -> str:
    """What is stored names tags as the machine does."""
    if signal.kind != Signal.Kind.RECIPE_DRIFT:
        return str(signal.detail)
    return Names(signal.line_id).of_drift(signal.detail)


@register.filter
def risk_words(risk: str) -> str:
    return str(wording.RISKS[risk])


@register.filter
def kind_words(by: int) -> str:
    return str(wording.KINDS[by])


@register.filter
def moves_of(change: Any) -> str:
    return wording.moves_sentence(change)


@register.filter
def silence_words(reason: str) -> str:
    return wording.silence(reason)


@register.filter
def mode_reason_words(reason: Any) -> str:
    return wording.mode_reason(reason)


@register.filter
def spell_words(spell: Any) -> str:
    return wording.spell(spell)


@register.filter
def stability_words(row: Any) -> str:
    return wording.stability(row)


@register.filter
def concern_words(concern: Any) -> str:
    return str(wording.CONCERNS[concern])


@register.filter
def percent(value: float) -> str:
    """A position in a drawing: with a point whatever the language."""
    return f"{value}%"


@register.filter
def delta(move: Any) -> float:
    return float(move.to_value - move.from_value)


@register.simple_tag(takes_context=True)
def may_audit(context: dict[str, Any]) -> bool:
    return permissions.audits(context["request"])


@register.simple_tag(takes_context=True)
def history(context: dict[str, Any], obj: Model, before: str = "") -> SafeString | str:
    """The way to all the audit tells of a thing, after what stands before it, for those who may look into it."""
    if not permissions.audits(context["request"]):
        return ""
    address = f"{reverse('audit')}?{urlencode({'object': f'{obj._meta.model_name}:{obj.pk}'})}"
    return format_html('{}<a href="{}">{}</a>', before, address, _("History"))


@register.filter
def action_words(action: str) -> str:
    return wording.action(action)
