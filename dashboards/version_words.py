"""What kinds of version, their settings and what is wrong with them are called for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from control.actions.kinds.recipe import Place
from dashboards import wording

Named = Mapping[str, str]
UNNAMED: Named = {}
KINDS = {
    "recipe": gettext_lazy("Recipe"),
    "limits": gettext_lazy("Control limits"),
    "figures": gettext_lazy("Figures of the workflow"),
    "authority": gettext_lazy("Table of authority"),
    "loop": gettext_lazy("Settings of a loop"),
    "estimators": gettext_lazy("Prediction models of a machine"),
}
ESTIMATED = {  # what is told of the estimator of a stream
    "sha256": gettext_lazy("model"),
    "kind": gettext_lazy("kind of model"),
    "mae": gettext_lazy("mean error"),
    "mae_of_last": gettext_lazy("mean error of always saying the last value"),
    "coverage": gettext_lazy("share inside the interval"),
}
PATHS = {
    "product": gettext_lazy("Product"),
    "life_dead_times": gettext_lazy("A change lives so many dead times"),
    "life_extra_s": gettext_lazy("and so much longer"),
    "longest_life_s": gettext_lazy("but at most"),
    "escalate_after": gettext_lazy("Share of its life after which a supervisor is asked too"),
    "veto_s": gettext_lazy("Countdown before an automatic change is approved"),
    "undo_s": gettext_lazy("A change can be undone for"),
    "rest_s": gettext_lazy("After a no the same is not proposed again for"),
    "read_back_s": gettext_lazy("Two equal reads after a write must come within"),
    "ineffective_in_a_row": gettext_lazy("So many changes without effect in a row demote a loop"),
    "doubts": gettext_lazy("So many rejections for a doubtful sensor demote a loop"),
    "doubts_within_s": gettext_lazy("if they come within"),
    "reauth_s": gettext_lazy("A password given once holds for further signatures for"),
    "supervised_days": gettext_lazy("Into automatic mode: days supervised before"),
    "decisions": gettext_lazy("Into automatic mode: decisions before"),
    "accepted": gettext_lazy("Into automatic mode: share of them accepted"),
    "effective": gettext_lazy("Into automatic mode: share of changes that were effective"),
    "vm_hours": gettext_lazy("Into automatic mode: predictions good for"),
    "stale_scans": gettext_lazy("So many scans without good data demote a loop"),
    "very_stale_scans": gettext_lazy("So many scans without good data silence it"),
    "good_scans": gettext_lazy("So many good scans end that silence"),
    "out_of_spec": gettext_lazy("So many values out of specification in a row demote a loop"),
    "vm_sigmas": gettext_lazy("A prediction off by so many sigmas of its history demotes a loop"),
    "heartbeat_s": gettext_lazy("A machine not heard of for so long demotes its loops"),
    "calm_s": gettext_lazy("After a demotion no automatic mode for"),
    "first_shift_h": gettext_lazy("The first shift of a day begins so long after midnight"),
    "shifts_a_day": gettext_lazy("Shifts a day"),
    "accept_within_s": gettext_lazy("A hand-over is accepted within"),
    "operators": gettext_lazy("Operators on the line"),
    "call_every_s": gettext_lazy("Each operator is called at most once in"),
    "call_burst": gettext_lazy("So many calls may come at once to each operator"),
    "shelve_longest_s": gettext_lazy("A signal is shelved for at most"),
    "recipe_settle_s": gettext_lazy("A machine is off its recipe after"),
    "auto_move": gettext_lazy("Automatic: a move"),
    "auto_shift": gettext_lazy("Automatic: moves of a shift together"),
    "auto_moves_per_hour": gettext_lazy("Automatic: moves an hour"),
    "auto_same_way": gettext_lazy("Automatic: moves in a row the same way"),
    "operator_move": gettext_lazy("Operator: a move"),
    "operator_shift": gettext_lazy("Operator: moves of a shift together"),
    "supervisor_move": gettext_lazy("Supervisor: a move"),
    "supervisor_shift": gettext_lazy("Supervisor: moves of a shift together"),
}
SETTINGS = {
    "approvals_per_shift": gettext_lazy("Approvals per shift of 8 hours"),
    "bend_um": gettext_lazy("Bend of the lip at most"),
    "cv_weights": gettext_lazy("Weight"),
    "dead_time_m": gettext_lazy("Dead time"),
    "deadband": gettext_lazy("Deadband"),
    "decision_s": gettext_lazy("Decision interval"),
    "drift_weight": gettext_lazy("Weight of the drift"),
    "estimator": gettext_lazy("The disturbance is followed by"),
    "ewma_weight": gettext_lazy("Weight of a new value"),
    "feed_forward": gettext_lazy("Feed-forward"),
    "gains": gettext_lazy("Gains"),
    "move_weight": gettext_lazy("Weight of a move"),
    "neighbours": gettext_lazy("Neighbours on the lip"),
    "noise": gettext_lazy("Noise"),
    "nominal_weight": gettext_lazy("Weight of the distance from the recipe"),
    "wander_per_m": gettext_lazy("Wander a metre"),
}
BOUNDS = {
    "lower": gettext_lazy("lower specification limit"),
    "target": gettext_lazy("target"),
    "upper": gettext_lazy("upper specification limit"),
}
VERBS = {  # of the buttons that want nothing but a reason
    "rework": gettext_lazy("Send it back to a draft"),
    "reject": gettext_lazy("Reject the version"),
    "recall": gettext_lazy("Take it out of the schedule"),
    "retire": gettext_lazy("Retire it"),
    "discard": gettext_lazy("Discard the draft"),
    "again": gettext_lazy("Draft it again"),
}
FAULTS = {
    "unknown": gettext_lazy("nothing of that name can be set"),
    "not_a_number": gettext_lazy("is not a number"),
    "not_whole": gettext_lazy("must be a whole number"),
    "below": gettext_lazy("must be at least %(than)s"),
    "above": gettext_lazy("must be at most %(than)s"),
    "not_above": gettext_lazy("must be above “%(than)s”"),
    "needed": gettext_lazy("is needed: the loop %(than)s works with it"),
    "above_other": gettext_lazy("must not be above “%(than)s”"),
    "twice": gettext_lazy("is there twice (%(than)s)"),
    "not_two_cells": gettext_lazy("needs a path and a value (%(than)s)"),
    "not_csv": gettext_lazy("The file is no CSV."),
    "not_json": gettext_lazy("The file is no JSON object."),
    "not_utf8": gettext_lazy("The file is no text in UTF-8."),
    "too_long": gettext_lazy("The file is too long."),
}


def kind(key: str) -> str:
    return str(KINDS.get(key, key))


def setting(name: str) -> str:
    """A setting of a loop; one that only a plant file names keeps its name there."""
    return str(SETTINGS.get(name, name))


def place(one: Place) -> str:
    """What a path of a recipe is of, by the plant's own names."""
    of = [one.equipment, one.of, *([one.lane] if one.lane else []), *([BOUNDS[one.bound]] if one.bound else [])]
    return " · ".join(map(str, of))


def estimated(name: str, value: Any) -> str:
    """One of ``ESTIMATED`` of one stream."""
    if name == "kind":
        return wording.model(value)
    return str(value)[:12] if name == "sha256" else f"{value:.4g}"


def path(name: str, named: Named = UNNAMED) -> str:
    """A setting by what it does, with its place in a table; one that has no words yet keeps its path.

    ``named`` has words for paths that only a line knows.
    """
    if name in named:
        return named[name]
    if name in PATHS:
        return str(PATHS[name])
    head, *places = name.split(".")
    return " ".join([setting(head), *(str(int(place) + 1) for place in places if place.isdigit())])


def fault(told: Mapping[str, Any], named: Named = UNNAMED) -> str:
    """What is wrong, and where."""
    than = told.get("than")
    if told["code"] == "text":
        return str(than)
    shown = f"{than:g}" if isinstance(than, int | float) else path(str(than), named)
    what = str(FAULTS.get(told["code"], told["code"]))
    what = what % {"than": shown} if "%(than)s" in what else what
    return _("%(where)s: %(what)s") % {"where": path(told["path"], named), "what": what} if told["path"] else what
