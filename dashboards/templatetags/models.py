"""How the model health page writes shares, verdicts and plans."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from control.core.vm.metrology import Doubt
from control.models import Stream, TrainingPlan, TrainingRun
from dashboards import wording
from dashboards.templatetags.apc import NOTHING

register = template.Library()
RIGHT = (0.87, 0.93)  # of a 90 % interval
TELLS = 100  # scores from which a share outside that says anything
STEPS = {
    "": gettext_lazy("Waiting for a worker"),
    "reading": gettext_lazy("Reading the history"),
    "fitting": gettext_lazy("Fitting the models"),
    "comparing": gettext_lazy("Comparing with those in force"),
    "storing": gettext_lazy("Storing"),
}
VERDICTS = {
    "worse": gettext_lazy("On the newest values worse than those in force by %(detail)s"),
    "worse_stream": gettext_lazy("Much worse on one stream: %(detail)s"),
    "gain": gettext_lazy("Its gain would make a loop hunt: %(detail)s"),
    "nothing_new": gettext_lazy("Some streams could not be trained: %(detail)s"),
}


@register.filter
def share(value: float | str | None) -> str:
    return NOTHING if value is None or isinstance(value, str) else f"{100 * value:.0f} %"


@register.filter
def unlocalized(value: float) -> str:
    return f"{value:.3f}"


@register.filter
def duration_words(seconds: float) -> str:
    return wording.duration(seconds)


@register.simple_tag
def covered(value: float | None, scored: int) -> SafeString | str:
    """Coverage, marked where it is not what was promised."""
    if value is None:
        return NOTHING
    text = f"{100 * value:.0f} %"
    off = scored >= TELLS and not RIGHT[0] <= value <= RIGHT[1]
    return format_html('<span class="old">{}</span>', text) if off else text


@register.filter
def doubt_words(doubt: int) -> str:
    return str(wording.DOUBTS.get(Doubt(doubt), doubt))


@register.filter
def model_words(kind: str) -> str:
    return wording.model(kind)


@register.filter
def labelled(stream: Stream, words: str) -> str:
    """What a field of a table is called for those who do not see the table."""
    return f"{stream}: {words}"


@register.filter
def step_words(run: TrainingRun) -> str:
    return str(STEPS.get(run.step, run.step))


@register.filter
def verdict_words(run: TrainingRun) -> str:
    """In a sentence how the new estimators did, or why there are none."""
    if run.error:
        return run.error
    told: dict[str, Any] = run.verdict
    if not told:
        return ""
    if told["why"]:
        return str(VERDICTS[told["why"]]) % {"detail": told["detail"]}
    if told["ratio"] is None:
        return _("There was nothing in force to compare with.")
    return _("On the newest values its mean error is %(percent).1f %% of that in force.") % {
        "percent": 100 * told["ratio"]
    }


@register.filter
def plan_words(plan: TrainingPlan) -> str:
    parts = []
    if plan.every_rolls:
        parts.append(ngettext("every %(n)d roll", "every %(n)d rolls", plan.every_rolls) % {"n": plan.every_rolls})
    if plan.every_hours:
        parts.append(_("every %(n)g h") % {"n": plan.every_hours})
    return ", ".join(parts)
