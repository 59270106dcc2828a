"""What was chosen on a form, as the actions want it; what cannot be meant is a ValueError with words for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import QueryDict
from django.utils.translation import gettext as _

from control.actions.chart_choice import (
    BASES,
    COUNTS,
    FIGURES,
    GROUP,
    LANES,
    MORE_CHARTS,
    PARAMETERS,
    SHORT_RUN,
    Chart,
    Choice,
    Exclusion,
    lengths,
    names,
    zones,
)
from control.core.spc import counts
from control.core.spc.group_chart import LARGEST, SMALLEST
from control.core.spc.limits import METHODS
from control.core.spc.rules import LONGEST, SETS, SHORTEST
from dashboards import limit_words
from dashboards.instants import instant

HERE = "%Y-%m-%dT%H:%M:%S"  # what a browser's datetime-local field holds, in plant time
LONGEST_WINDOW = timedelta(days=31)
MARK = "~"  # between beginning, end and reason of what is left out


def limits_choice(form: QueryDict, zone: str) -> Choice:
    """From what limits are to be drawn."""
    since, until = _instant(form.get("from", ""), zone), _instant(form.get("to", ""), zone)
    if not timedelta(0) < until - since <= LONGEST_WINDOW:
        raise ValueError(_("The window must end after it begins, at most 31 days later."))
    if form.get("method") not in METHODS or form.get("rule_set") not in SETS:
        raise ValueError(_("Choose a method and a set of rules from the list."))
    if form.get("basis", BASES[0]) not in BASES:
        raise ValueError(_("Choose what the rules look at from the list."))
    if form.get("basis") in SHORT_RUN and set(form.getlist("charts")) & set(LANES):
        raise ValueError(_("Lanes are taken together by their values, not by how far they are from a target."))
    if form.get("basis") in COUNTS and (form.getlist("charts") or not counts.fits(SETS[form["rule_set"]].rules)):
        raise ValueError(_("Counts have one chart, and only rules that presume no normal values."))
    charts = tuple(chart for chart in MORE_CHARTS if chart in form.getlist("charts"))
    return Choice(
        since,
        until,
        form["method"],  # type: ignore[arg-type]
        charts,
        form["rule_set"],
        _excluded(form),
        _lengths(form),
        form.get("basis", BASES[0]),
        _group(form.get("group", "").strip()),
        _figures(form, charts),
        tuple(name for name in names(form["rule_set"]) if name in form.getlist("off")),
    )


def _group(text: str) -> int:
    """How many values make a group."""
    if not text:
        return GROUP
    if not (text.isascii() and text.isdigit() and SMALLEST <= int(text[:9]) <= LARGEST):
        raise ValueError(_("A group has %(least)d to %(most)d values.") % {"least": SMALLEST, "most": LARGEST})
    return int(text)


def _lengths(form: QueryDict) -> dict[str, int]:
    """Runs of one's own; a field left empty, or of a rule that the set does not have, says nothing."""
    found = {}
    for name in lengths(form["rule_set"]):
        text = form.get(name, "").strip()
        if not text:
            continue
        if not (text.isascii() and text.isdigit() and SHORTEST <= int(text[:9]) <= LONGEST):
            raise ValueError(_("A run has %(least)d to %(most)d points.") % {"least": SHORTEST, "most": LONGEST})
        found[name] = int(text)
    return found


def _figures(form: QueryDict, charts: Sequence[str]) -> dict[str, float]:
    """Zones of the rules of the set, and what is one's own of the charts chosen; an empty field says nothing."""
    found = {}
    for name in offered(form["rule_set"], charts):
        text, (least, most) = form.get(name, "").strip(), FIGURES[name]
        if not text:
            continue
        value = _number(text)
        if value is None or not least <= value <= most:
            told = {"what": limit_words.figure(name), "least": f"{least:g}", "most": f"{most:g}"}
            raise ValueError(_("%(what)s: from %(least)s to %(most)s.") % told)
        found[name] = value
    if found.get("head_start", 0.0) >= found.get("h", PARAMETERS[Chart.CUSUM]["h"]):
        raise ValueError(_("A head start lies below h."))
    if set(form.getlist("off")) >= set(names(form["rule_set"])):
        raise ValueError(_("Some rule of the set has to hold."))
    return found


def _number(text: str) -> float | None:
    try:
        return float(text) if text.isascii() and len(text) < 20 else None
    except ValueError:
        return None


def offered(rule_set: str, charts: Sequence[str]) -> dict[str, float]:
    """The figures that can be chosen beside a set of rules and charts, as they usually are."""
    own = {name: usual for chart in PARAMETERS if chart in charts for name, usual in PARAMETERS[chart].items()}
    return {**zones(rule_set), **own}


def _excluded(form: QueryDict) -> tuple[Exclusion, ...]:
    """What was left out before and stays so, and what was ticked now, with the reason given for it."""
    kept = [_exclusion(text) for text in form.getlist("without")]
    ticked, why = form.getlist("pick"), form.get("why", "").strip()
    if ticked and not why:
        raise ValueError(_("Say why the ticked values are to be left out."))
    kept += [Exclusion(_utc(at), _utc(at), why[:400]) for at in ticked]
    return tuple(kept)


def written(one: Exclusion) -> str:
    """The form's own way to carry what is left out."""
    return MARK.join((one.since.isoformat(), one.until.isoformat(), one.reason))


def _exclusion(text: str) -> Exclusion:
    since, until, reason = [*text.split(MARK, 2), "", ""][:3]
    if not reason.strip():
        raise ValueError(_("Say why the ticked values are to be left out."))
    return Exclusion(_utc(since), _utc(until), reason[:400])


def _instant(text: str, zone: str) -> datetime:
    """Plant time as it was typed; seconds may be left out by the browser."""
    at = instant(text, zone)
    if at is None:
        raise ValueError(_("Give the window as date and time."))
    return at


def _utc(text: str) -> datetime:
    return _instant(text, "UTC")


def limits_fields(choice: Choice, zone: str) -> dict[str, Any]:
    """The form as it stands for a choice, in plant time."""
    here = ZoneInfo(zone)
    return {
        "since": choice.since.astimezone(here).strftime(HERE),
        "until": choice.until.astimezone(here).strftime(HERE),
        "method": choice.method,
        "rule_set": choice.rule_set,
        "charts": choice.charts,
        "basis": choice.basis,
        "group": choice.group,
        "lengths": [(name, usual, choice.lengths.get(name)) for name, usual in lengths(choice.rule_set).items()],
        "without": [(one, written(one)) for one in choice.excluded],
        "figures": [
            (name, usual, choice.figures.get(name), *FIGURES[name])
            for name, usual in offered(choice.rule_set, choice.charts).items()
        ],
        "rules": [(name, name in choice.off) for name in names(choice.rule_set)],
    }
