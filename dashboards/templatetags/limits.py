"""Limits and capability as the pages write them."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext as _

from control.core.spc.capability import Capability, Index
from control.core.types import Rule
from control.models import Limits
from dashboards import limit_words, wording

register = template.Library()
UNCOUNTED = 1e8
INDICES = {"Cp": "cp", "Cpk": "cpk", "Pp": "pp", "Ppk": "ppk", "Cpm": "cpm"}


@register.filter
def plain(value: float) -> str:
    """A place in a drawing: with a point whatever the language."""
    return f"{value}"


@register.filter
def amount(value: float | None) -> str:
    """A number that is only roughly known: tenths below ten, wholes above, and never how far beyond all counting."""
    if value is not None and value >= UNCOUNTED:
        return "> 10⁸"
    return "–" if value is None else f"{value:.1f}" if value < 10 else f"{value:.0f}"


@register.filter
def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


@register.filter
def lower_line(row: Limits) -> float:
    return Limits.lines(row.chart, row.mean, row.sigma, row.reach)[0]


@register.filter
def upper_line(row: Limits) -> float:
    return Limits.lines(row.chart, row.mean, row.sigma, row.reach)[1]


@register.filter
def line_words(kind: str) -> str:
    words = {"ucl": _("UCL"), "lcl": _("LCL"), "mean": _("mean"), "usl": _("USL"), "lsl": _("LSL")}
    return words[kind]


@register.filter
def method_words(name: str) -> str:
    return limit_words.method(name)


@register.filter
def rule_set_words(name: str) -> str:
    return limit_words.rule_set(name)


@register.filter
def length_words(name: str) -> str:
    return limit_words.length(name)


@register.filter
def rule_code_words(name: str) -> str:
    return wording.rule(int(Rule[name.upper()]))


@register.filter
def figure_words(name: str) -> str:
    return limit_words.figure(name)


@register.filter
def own_figures(row: Limits) -> list[str]:
    return limit_words.own(row)


@register.filter
def index_names(_of: Capability) -> list[str]:
    return list(INDICES)


@register.filter
def index_values(of: Capability) -> list[Index | None]:
    return [getattr(of, field) for field in INDICES.values()]
