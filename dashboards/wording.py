"""What codes are called for people. Every code a page shows has its words here, marked for translation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from control.actions.modes import ASKED, LIFTED
from control.core.demotion import Trigger
from control.core.hindsight import Verdict
from control.core.lifecycle import State
from control.core.modes import Mode
from control.core.policy import Reason
from control.core.promotion import Condition, Met
from control.core.r2r.stability import Concern
from control.core.types import MeasuredBy, Quality, Rule
from control.core.vm.metrology import Doubt
from control.models import Change, LoopStability, ModeSpell, SetPointMove, Signal
from dashboards import version_words
from dashboards.figures import Risk

STATES = {
    State.PROPOSED: gettext_lazy("Proposed"),
    State.PENDING_OPERATOR: gettext_lazy("Waiting for the operator"),
    State.PENDING_SUPERVISOR: gettext_lazy("Waiting for the supervisor"),
    State.VETO: gettext_lazy("Will be written unless stopped"),
    State.APPROVED: gettext_lazy("Approved, waiting to be written"),
    State.WRITING: gettext_lazy("Being written"),
    State.APPLIED: gettext_lazy("Applied"),
    State.VERIFYING: gettext_lazy("Applied, effect being watched"),
    State.EFFECTIVE: gettext_lazy("Effective"),
    State.INEFFECTIVE: gettext_lazy("Not effective"),
    State.REJECTED: gettext_lazy("Rejected"),
    State.EXPIRED: gettext_lazy("Expired"),
    State.SUPERSEDED: gettext_lazy("Replaced by a newer one"),
    State.WITHDRAWN: gettext_lazy("Withdrawn"),
    State.BLOCKED: gettext_lazy("Blocked by a guardrail"),
    State.WRITE_FAILED: gettext_lazy("Write failed"),
    State.UNCONFIRMED: gettext_lazy("Unconfirmed: sent, outcome unknown"),
    State.REVERTED: gettext_lazy("Taken back"),
}
HINDSIGHT = {
    Verdict.HELPED: gettext_lazy("Would have helped"),
    Verdict.SAME: gettext_lazy("No difference"),
    Verdict.HARMED: gettext_lazy("Would have harmed"),
}
FATES = {"edited": gettext_lazy("Other values of a person in its place")}
SHIFT_CHANGES = {
    "open": gettext_lazy("Open at the end"),
    State.APPLIED: gettext_lazy("Applied"),
    State.REJECTED: gettext_lazy("Rejected"),
    State.EXPIRED: gettext_lazy("Expired"),
    State.WRITE_FAILED: gettext_lazy("Write failed"),
}
RULES = {
    Rule.BEYOND_3_SIGMA: gettext_lazy("Beyond a control limit"),
    Rule.RUN_ONE_SIDE: gettext_lazy("Run on one side of the centre line"),
    Rule.TWO_OF_THREE: gettext_lazy("Two of three in the outer zone"),
    Rule.FOUR_OF_FIVE: gettext_lazy("Four of five beyond the inner zone"),
    Rule.TREND: gettext_lazy("Trend"),
    Rule.EWMA: gettext_lazy("EWMA beyond its limit"),
    Rule.MOVING_RANGE: gettext_lazy("Moving range beyond its limit"),
    Rule.OUT_OF_SPEC: gettext_lazy("Out of specification"),
    Rule.ALTERNATING: gettext_lazy("Alternating up and down"),
    Rule.STRATIFIED: gettext_lazy("All close to the centre line"),
    Rule.MIXTURE: gettext_lazy("None close to the centre line, on both sides"),
    Rule.CUSUM: gettext_lazy("CUSUM beyond its limit"),
    Rule.RESIDUAL: gettext_lazy("Error of the prediction breaks a rule"),
    Rule.MULTIVARIATE: gettext_lazy("Lanes together beyond their limit"),
    Rule.SPREAD: gettext_lazy("Spread within a group beyond its limit"),
}
PANELS = {  # of control.core.retrace
    "mr": gettext_lazy("Moving range"),
    "ewma": gettext_lazy("EWMA"),
    "cusum": gettext_lazy("CUSUM"),
    "mean": gettext_lazy("Means of groups"),
    "spread": gettext_lazy("Spread within groups"),
    "error": gettext_lazy("Error of the prediction"),
    "t2": gettext_lazy("Hotelling T²"),
    "mewma": gettext_lazy("Multivariate EWMA"),
}
STATISTICS = {  # a series of theirs
    "moving_range": gettext_lazy("moving range"),
    "moving_range_of_means": gettext_lazy("moving range of means"),
    "ewma": gettext_lazy("EWMA"),
    "cusum_high": gettext_lazy("C+, upwards"),
    "cusum_low": gettext_lazy("C−, downwards"),
    "mean": gettext_lazy("mean of a group"),
    "range": gettext_lazy("range of a group"),
    "deviation": gettext_lazy("standard deviation of a group"),
    "error": gettext_lazy("measured less predicted"),
    "t2": gettext_lazy("T² of the lanes"),
    "mewma": gettext_lazy("T² of their average"),
}
RISKS = {
    Risk.NORMAL: gettext_lazy("Normal"),
    Risk.WATCH: gettext_lazy("Watch"),
    Risk.OUT: gettext_lazy("Leaving specification"),
    Risk.UNSURE: gettext_lazy("No reliable prediction"),
    Risk.UNKNOWN: gettext_lazy("No prediction"),
}
KINDS = {
    MeasuredBy.PREDICTION: gettext_lazy("predicted"),
    MeasuredBy.GAUGE: gettext_lazy("gauge"),
    MeasuredBy.LAB: gettext_lazy("lab"),
}
QUALITIES = {
    Quality.GOOD: gettext_lazy("good"),
    Quality.DOUBTFUL: gettext_lazy("doubtful"),
    Quality.BAD: gettext_lazy("bad"),
    Quality.MISSING: gettext_lazy("missing"),
}
DOUBTS = {
    Doubt.RANGE: gettext_lazy("out of any range"),
    Doubt.ALONE: gettext_lazy("alone"),
    Doubt.IDENTITY: gettext_lazy("three quantities contradict"),
    Doubt.GAUGE_LAB: gettext_lazy("lab contradicts the gauge"),
    Doubt.REVERSED: gettext_lazy("web ran back"),
}
CONTRIBUTIONS = {
    "feedback": gettext_lazy("Feedback from the deviation"),
    "return to nominal": gettext_lazy("Pull towards the recipe set-point"),
    "clipping": gettext_lazy("Clipped at a limit"),
    "drift": gettext_lazy("Drift foretold"),
    "by hand": gettext_lazy("Changed by a person"),
}
CONSTRAINTS = {
    "high": gettext_lazy("upper machine limit"),
    "low": gettext_lazy("lower machine limit"),
    "step": gettext_lazy("largest step"),
    "sum_zero": gettext_lazy("moves that must cancel"),
    "bend": gettext_lazy("bend of the lip"),
    "not_fed": gettext_lazy("late or missing, not fed forward"),
}


MODES = {
    Mode.OFF: gettext_lazy("Off"),
    Mode.SHADOW: gettext_lazy("Shadow"),
    Mode.ADVISORY: gettext_lazy("Advisory"),
    Mode.SUPERVISED: gettext_lazy("Supervised"),
    Mode.AUTO: gettext_lazy("Auto"),
}
MODES_MEAN = {
    Mode.OFF: gettext_lazy("computes nothing"),
    Mode.SHADOW: gettext_lazy("computes; engineers see it"),
    Mode.ADVISORY: gettext_lazy("proposes; the operator types it at the machine"),
    Mode.SUPERVISED: gettext_lazy("writes what a person approved"),
    Mode.AUTO: gettext_lazy("writes small moves by itself, unless stopped"),
}
MODE_REASONS = {
    Trigger.BAD_INPUT: gettext_lazy("An input was bad for several scans"),
    Trigger.STALE: gettext_lazy("No data came for several scans"),
    Trigger.VERY_STALE: gettext_lazy("No good data came for a long time; the loop comes back by itself when they do"),
    Trigger.OUT_OF_SPEC: gettext_lazy("Measured out of specification, one value after the other"),
    Trigger.VM_ERROR: gettext_lazy("The prediction errs far more than it used to"),
    Trigger.NOT_RELIABLE: gettext_lazy("The two prediction models disagree"),
    Trigger.UNLIKE_TRAINING: gettext_lazy("The machine is in a state the model has not seen"),
    Trigger.COVERAGE: gettext_lazy("The intervals of the prediction hold less than they promise"),
    Trigger.IDENTITY: gettext_lazy("The gauge contradicts itself: loading, thickness and density do not fit"),
    Trigger.SAME_WAY: gettext_lazy("Several moves the same way, each as large as allowed"),
    Trigger.CLAMPED: gettext_lazy("A parameter stands at a limit of the machine"),
    Trigger.UNCONFIRMED: gettext_lazy("A write is unconfirmed"),
    Trigger.HEARTBEAT: gettext_lazy("The machine does not answer the dispatcher, or is not in remote mode"),
    Trigger.LINE_STOP: gettext_lazy("The line stood"),
    Trigger.SPLICE: gettext_lazy("A splice or a new roll"),
    Trigger.RECIPE: gettext_lazy("Another recipe or product"),
    Trigger.LOT: gettext_lazy("Another lot or slurry batch"),
    Trigger.INEFFECTIVE: gettext_lazy("Two changes in a row had no effect"),
    Trigger.HAND_MOVE: gettext_lazy("Somebody moved a parameter by hand"),
    Trigger.HOLD: gettext_lazy("HOLD"),
    Trigger.HAND_OVER: gettext_lazy("The hand-over of the shift was not accepted in time"),
    Trigger.SENSOR_DOUBTFUL: gettext_lazy("Rejected twice in an hour as sensor doubtful"),
    Trigger.RESTART: gettext_lazy("The system was started again"),
    Trigger.NEW_DISPATCHER: gettext_lazy("Another dispatcher has taken the line over"),
}
SPELLS = {
    **MODE_REASONS,
    ASKED: gettext_lazy("Asked for"),
    LIFTED: gettext_lazy("Good data came again"),
}
CONDITIONS = {
    Condition.SUPERVISED_DAYS: gettext_lazy("%(needed)s in supervised mode: %(has)s so far"),
    Condition.DECISIONS: gettext_lazy("%(needed)s decisions: %(has)s so far"),
    Condition.ACCEPTED: gettext_lazy("%(needed)s %% of them accepted: %(has)s %%"),
    Condition.EFFECTIVE: gettext_lazy("%(needed)s %% of the changes effective: %(has)s %%"),
    Condition.VM_ERROR: gettext_lazy("Every roll within its predicted interval for %(needed)s: %(has)s"),
    Condition.INPUTS_GOOD: gettext_lazy("Inputs and predictions good: %(has)s streams are not"),
    Condition.RECIPE: gettext_lazy("A recipe is approved and in force"),
    Condition.HANDSHAKE: gettext_lazy("The machine answers the dispatcher; last heard: %(has)s"),
    Condition.NO_PRIORITY_1: gettext_lazy("No open signal of the highest priority: %(has)s open"),
    Condition.NOT_HELD: gettext_lazy("No HOLD"),
    Condition.CALM: gettext_lazy("%(needed)s since the loop last went down: %(has)s"),
}
SHARES = (Condition.ACCEPTED, Condition.EFFECTIVE)
DURATIONS = {  # seconds in a unit of the figure
    Condition.SUPERVISED_DAYS: 86400.0,
    Condition.VM_ERROR: 3600.0,
    Condition.HANDSHAKE: 1.0,
    Condition.CALM: 1.0,
}
ENDLESS = {
    Condition.HANDSHAKE: gettext_lazy("never"),
    Condition.CALM: gettext_lazy("it never did"),
}
CONCERNS = {
    Concern.WRONG_SIGN: gettext_lazy(
        "The machine answers the other way round than the loop assumes: check the signs of its gains before anything is"
        " approved"
    ),
    Concern.TOO_STRONG: gettext_lazy(
        "The machine answers much more strongly than the loop assumes: with these gains it is about to hunt"
    ),
    Concern.SWINGING: gettext_lazy("The lanes swing to and fro under control: look at the gains and the weight"),
}
SILENCES = {
    Reason.NO_ESTIMATOR: gettext_lazy("No prediction model yet"),
    Reason.NOT_YET_MEASURED: gettext_lazy("The prediction model is new and has not been held against measurements yet"),
    Reason.VM_GAIN: gettext_lazy("The prediction model's gain does not fit the one the loop assumes"),
    Reason.WEB_REVERSED: gettext_lazy("The web ran back; until it is again where it was, no metre is certain"),
    Reason.LINE_STOPPED: gettext_lazy("The line stands"),
    Reason.NEW_ROLL: gettext_lazy("A new roll has just begun"),
    Reason.PROCESS_EVENT: gettext_lazy("Foil made after the last process event has not been measured yet"),
    Reason.INPUT_MISSING: gettext_lazy("A set-point cannot be read"),
    Reason.NOT_RELIABLE: gettext_lazy("The two prediction models disagree"),
    Reason.UNLIKE_TRAINING: gettext_lazy("The machine is in a state the model has not seen"),
    Reason.INPUT_DOUBTFUL: gettext_lazy("An input of the prediction is doubtful"),
    Reason.NOT_YET_SEEN: gettext_lazy("Not every lane has been seen yet"),
    Reason.DEAD_TIME: gettext_lazy("The last move has not reached the gauge"),
    Reason.SETTLING: gettext_lazy("The disturbance is still moving"),
    Reason.IN_DEADBAND: gettext_lazy("The deviation is within the deadband"),
    Reason.NO_SOLUTION: gettext_lazy("No safe move was found"),
    Reason.TOO_SMALL: gettext_lazy("The move is too small to be written"),
}
NEEDS = {
    Reason.WITHIN: gettext_lazy("within the operator's authority"),
    Reason.MOVE_TOO_LARGE: gettext_lazy("the move is large"),
    Reason.SHIFT_SUM: gettext_lazy("much was moved in this shift"),
    Reason.MOVES_PER_HOUR: gettext_lazy("many moves in this hour"),
    Reason.SAME_WAY: gettext_lazy("several moves the same way"),
    Reason.MACHINE_LIMIT: gettext_lazy("outside the machine's limits"),
}


BLOCKS = {
    "mode_does_not_write": gettext_lazy("the loop is in a mode in which apcweb does not write"),
    "approver_lost_permission": gettext_lazy("who approved it may no longer approve it"),
    "changed_since": gettext_lazy("the line is no longer as it was when the change was approved"),
    "inputs_not_good": gettext_lazy("the predictions behind it are no longer reliable"),
    "machine_silent": gettext_lazy("the machine sends no data"),
    "machine_not_ready": gettext_lazy("the machine is not in remote mode, or an interlock is open"),
    "set_point_moved": gettext_lazy("a set-point was moved at the machine meanwhile"),
    "tag_in_flight": gettext_lazy("another write to the same parameter is under way"),
    "no_connector": gettext_lazy("there is no connection by which this machine can be written to"),
}
WRITTEN = {  # reasons that the system writes in its own words
    "wild reading": gettext_lazy("wild reading"),
    "the shift so far": gettext_lazy("the shift so far"),
    "the demo's plant": gettext_lazy("the demo's plant"),
    "the plan": gettext_lazy("the plan"),
}


def condition(one: Met) -> str:
    """A condition of automatic mode with its figure and what is needed."""
    told = {"has": _figure(one.condition, one.has), "needed": _figure(one.condition, one.needed)}
    return str(CONDITIONS[one.condition]) % told


def _figure(condition: Condition, value: float) -> str:
    """As a person would say it: a length of time, a share in percent, or a number."""
    if not math.isfinite(value):
        return str(ENDLESS[condition])
    if condition in DURATIONS:
        told = duration(DURATIONS[condition] * value)
        return _("%(duration)s ago") % {"duration": told} if condition is Condition.HANDSHAKE else told
    value *= 100.0 if condition in SHARES else 1.0
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def duration(seconds: float) -> str:
    """A length of time in its largest unit."""
    if seconds < 100:
        return _("%(n)d s") % {"n": seconds}
    if seconds < 6000:
        return _("%(n)d min") % {"n": seconds // 60}
    hours, days = int(seconds // 3600), int(seconds // 86400)
    return _("%(n)d h") % {"n": hours} if hours < 48 else ngettext("%(n)d day", "%(n)d days", days) % {"n": days}


def spell(row: ModeSpell) -> str:
    """Why a stretch of a mode began."""
    return f"{SPELLS.get(row.code, row.code)} {row.detail}".strip()


def mode_reason(reason: Any) -> str:
    """Why the actual mode is not the requested one: a stored code, or text as it was written."""
    if isinstance(reason, str):
        return str(MODE_REASONS.get(reason, reason))
    words = MODE_REASONS.get(reason.get("code", ""), reason.get("code", ""))
    return f"{words} {reason.get('detail', '')}".strip()


def stability(row: LoopStability) -> str:
    """How well a loop fits its machine: gain error with its 90 % interval, and Harris index."""
    told = [_("Gain not yet estimated: no move has been measured")]
    if row.moved:
        gain = {"ratio": row.ratio, "low": row.low, "high": row.high}
        told = [_("Gain estimated %(ratio).1f times the assumed (%(low).1f–%(high).1f)") % gain]
    if row.harris is not None:
        told.append(_("Harris index %(harris).2f") % {"harris": row.harris})
    return "; ".join(told)


def silence(reason: str) -> str:
    """Why a loop fell silent, or what became of a change: a stored code, or text as a person wrote it."""
    known = (words[reason] for words in (SILENCES, NEEDS, BLOCKS, WRITTEN) if reason in words)  # type: ignore[index]
    return str(next(known, reason))


def rule(bit: int) -> str:
    return ", ".join(str(RULES[one]) for one in Rule if one.value & bit and one in RULES)


def signal(row: Signal) -> str:
    """What a signal tells: the rule that was broken, or what happened."""
    return rule(row.rule) if row.kind == Signal.Kind.RULE else str(row.get_kind_display())


def contribution(name: str, streams: dict[str, str], signal: Callable[[str], str]) -> str:
    """A named part of a move: the deviation of a stream, one of the controller's own terms, or a signal by its name."""
    if name in streams:
        return _("Deviation of %(stream)s") % {"stream": streams[name]}
    if name in CONTRIBUTIONS:
        return str(CONTRIBUTIONS[name])
    return _("Fed forward: %(signal)s") % {"signal": signal(name)}


def constraint(text: str, named: Callable[[str], str] = str) -> str:
    """``pump_top:high`` and the like; ``named`` knows what the tag is called."""
    what, _sep, kind = text.rpartition(":")
    return f"{named(what)}: {CONSTRAINTS[kind]}" if what and kind in CONSTRAINTS else str(CONSTRAINTS.get(text, text))


def percent(move: SetPointMove) -> float | None:
    return None if not move.from_value else 100 * (move.to_value - move.from_value) / abs(move.from_value)


def move_sentence(move: SetPointMove) -> str:
    """*Lower pump, top side by 0.4 % (61.20 to 60.96 rpm)*."""
    share = percent(move)
    told = {
        "tag": str(move.tag),
        "percent": "" if share is None else f"{abs(share):.2g}",
        "from": f"{move.from_value:.2f}",
        "to": f"{move.to_value:.2f}",
        "unit": move.tag.unit,
    }
    if share is None:
        return _("Set %(tag)s from %(from)s to %(to)s %(unit)s") % told
    if move.to_value < move.from_value:
        return _("Lower %(tag)s by %(percent)s %% (%(from)s to %(to)s %(unit)s)") % told
    return _("Raise %(tag)s by %(percent)s %% (%(from)s to %(to)s %(unit)s)") % told


def moves_sentence(change: Change) -> str:
    """The largest move, and how many go with it: a glance must be enough, the page has them all."""
    return several_sentence(change.moves.all())


def several_sentence(moves: Iterable[SetPointMove]) -> str:
    moves = sorted(moves, key=lambda move: abs(percent(move) or 0.0), reverse=True)
    if not moves:
        return ""
    lead, others = move_sentence(moves[0]), len(moves) - 1
    if not others:
        return lead
    return ngettext("%(lead)s and %(n)s smaller move", "%(lead)s and %(n)s smaller moves", others) % {
        "lead": lead,
        "n": others,
    }


def sentence(change: Change, outlooks: list[Any]) -> str:
    """The whole change in one sentence: the moves, and what the stream that gains most will do."""
    moves = moves_sentence(change)
    if not outlooks:
        return moves
    most = max(outlooks, key=lambda seen: abs(seen.do_nothing - seen.target) - abs(seen.after - seen.target))
    effect = _("%(stream)s %(now)s to %(after)s, target %(target)s") % {
        "stream": most.stream,
        "now": f"{most.do_nothing:.2f}",
        "after": f"{most.after:.2f}",
        "target": f"{most.target:.2f}",
    }
    return f"{moves}: {effect}"


def roll(number: int, lot: str) -> str:
    words = _("Roll %(number)s") % {"number": number}
    return f"{words} · {lot}" if lot else words


REFUSALS = {
    "overtaken": gettext_lazy("Somebody decided or it changed before you; nothing was done."),
    "changed_since": gettext_lazy("The line is no longer as this change was proposed; it was not approved."),
    "moved_since": gettext_lazy("The machine is no longer where the change put it."),
    "expired": gettext_lazy("This change has expired; it was not approved."),
    "on_hold": gettext_lazy("HOLD is on: nothing is approved until a supervisor ends it."),
    "not_unconfirmed": gettext_lazy("There is nothing to find out: the outcome of this write is known."),
    "inputs_not_good": gettext_lazy("The predictions behind this change are no longer reliable; it was not approved."),
    "not_held": gettext_lazy("There is no HOLD to end."),
    "not_possible": gettext_lazy("The change cannot go there from its present state."),
    "mode_does_not_write": gettext_lazy("The loop is in a mode in which apcweb does not write."),
    "own_change": gettext_lazy("Author and approver are different people, always."),
    "beyond_authority": gettext_lazy("This move is larger than your role may approve; ask a supervisor."),
    "no_permission": gettext_lazy("Your role does not allow this."),
    "unknown_reason": gettext_lazy("Choose a reason."),
    "text_needed": gettext_lazy("This reason needs a sentence."),
    "reason_needed": gettext_lazy("Give a reason."),
    "not_a_model": gettext_lazy("This file is not taken as a model."),
    "training_under_way": gettext_lazy("A training is under way: wait for its end, or cancel it."),
    "not_models": gettext_lazy("The models cannot be chosen like this."),
    "action_needed": gettext_lazy("Say in words what was done."),
    "already_closed": gettext_lazy("Somebody has answered this signal already."),
    "no_such_cause": gettext_lazy("Choose a cause."),
    "no_such_action": gettext_lazy("Choose what was done."),
    "nothing_proposed": gettext_lazy("No new models of this machine wait for a decision."),
    "no_limits": gettext_lazy("No limits can be drawn from what was chosen."),
    "not_now": gettext_lazy("An event lies at most a week back and not ahead."),
    "already_recorded": gettext_lazy("This event is recorded already."),
    "no_kind": gettext_lazy("Choose what happened, and on which side."),
    "no_minutes": gettext_lazy("Say how many minutes ago, up to a day."),
    "no_machine": gettext_lazy("The line has no machine that an event could concern."),
    "not_found": gettext_lazy("There is nothing of that name for you."),
    "not_a_number": gettext_lazy("This is not a number; rolls are counted in whole numbers."),
    "not_positive": gettext_lazy("Numbers must be above 0, and a history at most 744 hours."),
    "unknown_choice": gettext_lazy("Choose from the list."),
    "not_under_way": gettext_lazy("The run has ended already."),
    "not_proposed": gettext_lazy("The run no longer waits for a decision."),
    "champion_changed": gettext_lazy("Other estimators are in force than those it was compared with."),
    "needs_review": gettext_lazy(
        "Estimators are in force: retrain on the model health page and submit them for review."
    ),
    "in_review": gettext_lazy("It waits for a reviewer already."),
    "never_in_force": gettext_lazy("It never was in force."),
    "own_version": gettext_lazy("Author and approver are different people, always."),
    "not_your_draft": gettext_lazy("Only its author changes a draft; make one of your own."),
    "nothing_changed": gettext_lazy("This is what is in force already."),
    "base_changed": gettext_lazy("What it was drafted from is no longer in force: look at it again."),
    "another_version": gettext_lazy("Another version of the same waits for its time already."),
    "drawn": gettext_lazy("Limits are drawn from what was measured, never typed or brought in: draw others."),
    "in_force": gettext_lazy("A version of it is in force: draft another."),
    "not_ahead": gettext_lazy("Give a time that is still to come."),
    "no_when": gettext_lazy("Say when it is to come into force."),
    "no_media": gettext_lazy("Choose a .csv or a .json file."),
    "not_valid": gettext_lazy("It cannot be like this; everything that is wrong is listed."),
    "no_such_part": gettext_lazy("Only parts that were solved for by themselves are approved alone."),
    "no_number": gettext_lazy("This is not a number."),
    "not_its_moves": gettext_lazy("Give numbers, and only for what the change moves."),
    "same_values": gettext_lazy("These are the values that are proposed already."),
    "no_move": gettext_lazy("Nothing would move like this; reject the change instead."),
    "beyond_everybody": gettext_lazy("Nobody may approve this; what a supervisor may approve stands beside it."),
    "not_together": gettext_lazy("Moves that must go together do not: some must cancel, or a lip is bent too far."),
    "another_open": gettext_lazy("Another change of this loop was proposed in the same moment."),
    "too_late_to_undo": gettext_lazy("It was applied too long ago to be undone."),
    "auto_conditions_unmet": gettext_lazy("Not every condition for automatic mode is met."),
    "fenced": gettext_lazy("Another dispatcher has taken this write over."),
    "lease_lost": gettext_lazy("Another dispatcher has the line."),
    "bad_idempotency_key": gettext_lazy("This form cannot be told from another. Reload the page."),
    "idempotency_key_reused": gettext_lazy("This form was already sent with other content. Reload the page."),
    "own_role": gettext_lazy("Nobody gives a role to himself."),
    "no_role": gettext_lazy("Choose a role."),
    "ends_before": gettext_lazy("A role ends after it begins."),
    "already_ended": gettext_lazy("This role has ended already, or ends before that."),
    "knows_password": gettext_lazy(
        "You made this account or set its password: another administrator gives it a role that does more than look."
    ),
    "host_not_allowed": gettext_lazy("The address must be https, at a host that the installation names."),
    "hook_is_there": gettext_lazy("The address is told already."),
    "hook_stopped": gettext_lazy("The address is told no longer."),
    "hook_does_not_wait": gettext_lazy("It does not wait for another try."),
    "own_token": gettext_lazy("A token is made by who is signed in, with his own password."),
    "name_needed": gettext_lazy("Give the token a name."),
    "token_too_long": gettext_lazy("Not for that long."),
    "token_revoked": gettext_lazy("The token was revoked already."),
    "session_needed": gettext_lazy("Tokens are made and revoked by who is signed in."),
    "token_reads": gettext_lazy("This token only reads."),
    "not_shelved": gettext_lazy("Only a rule of a stream can be shelved."),
    "not_on_a_shelf": gettext_lazy("It is not shelved."),
    "shelved_too_long": gettext_lazy("Not for that long."),
    "own_shift": gettext_lazy("Somebody else than who gave it accepts the shift."),
    "shift_accepted": gettext_lazy("The shift has been accepted already."),
    "shift_given": gettext_lazy("The shift has been given already."),
    "shift_goes_on": gettext_lazy("The shift has not ended yet."),
    "shift_not_given": gettext_lazy("Nobody has given the shift yet."),
    "signature_needed": gettext_lazy("This is signed: name and password are asked for again."),
    "wrong_password": gettext_lazy("Name and password do not match, or the account is disabled."),
    "locked_out": gettext_lazy("Too many wrong passwords. HOLD works as ever."),
    "in_progress": gettext_lazy("The first request is still at work. Wait a moment."),
}
DIFFERENCES = {
    "state": gettext_lazy("State"),
    "cause": gettext_lazy("Cause"),
    "action": gettext_lazy("What was done"),
    "version": gettext_lazy("Version"),
    "since": gettext_lazy("Since"),
    "by": gettext_lazy("By"),
    "newest snapshot": gettext_lazy("Newest data of the machine"),
    "evidence": gettext_lazy("Age of what was shown"),
    "mode": gettext_lazy("Mode"),
    "settings": gettext_lazy("Settings of the loop"),
    "recipe": gettext_lazy("Recipe"),
    "estimators": gettext_lazy("Prediction models"),
    "limits": gettext_lazy("Control limits"),
    "needs": gettext_lazy("Needs"),
    "move": gettext_lazy("Size of the move, %"),
    "shift": gettext_lazy("Moved in this shift, %"),
    Condition.SUPERVISED_DAYS: gettext_lazy("Days in supervised mode"),
    Condition.DECISIONS: gettext_lazy("Decisions"),
    Condition.ACCEPTED: gettext_lazy("Share accepted"),
    Condition.EFFECTIVE: gettext_lazy("Share effective"),
    Condition.VM_ERROR: gettext_lazy("Hours of predictions in contract"),
    Condition.INPUTS_GOOD: gettext_lazy("Streams without a good prediction"),
    Condition.HANDSHAKE: gettext_lazy("Seconds since the machine was heard"),
    Condition.NO_PRIORITY_1: gettext_lazy("Open signals of the highest priority"),
    Condition.NOT_HELD: gettext_lazy("HOLD"),
    Condition.CALM: gettext_lazy("Seconds since the loop last went down"),
}


MEANINGS = {
    "approve": gettext_lazy("I approve this move, within the operator's authority"),
    "approve_beyond": gettext_lazy("I approve this move, beyond the operator's authority"),
    "give_role": gettext_lazy("I give this role"),
    "make_token": gettext_lazy("I make this token, which stands for me"),
    "end_role": gettext_lazy("I end this role"),
    "give_shift": gettext_lazy("I give the line: this is what happened in my shift"),
    "accept_shift": gettext_lazy("I have read this and take the line over"),
    "approve_version": gettext_lazy("I approve this version, to be in force as said"),
    "put_in_force_version": gettext_lazy("I put this version in force as said"),
    "leave_hold": gettext_lazy("I end HOLD: writing may begin again"),
    "approve_plan": gettext_lazy("I approve that what passes is put in force without another look"),
    "enter_auto": gettext_lazy("I release this loop for automatic mode"),
}


def meaning(code: str) -> str:
    """What a signature says."""
    return str(MEANINGS.get(code, code))


def refused_signature(code: str, difference: Mapping[str, Any]) -> str:
    """Why a password did not do; of a lock how long it lasts."""
    until = parse_datetime(str(difference.get("until", "")))
    return f"{refusal(code)} {locked(until)}" if until else refusal(code)


def locked(until: datetime) -> str:
    minutes = max(1, math.ceil((until - timezone.now()).total_seconds() / 60))
    return ngettext(
        "Passwords for this name are looked at again in %(n)d minute.",
        "Passwords for this name are looked at again in %(n)d minutes.",
        minutes,
    ) % {"n": minutes}


def refusal(code: str) -> str:
    return str(REFUSALS.get(code, ""))


def differences(found: dict[str, Any], named: Callable[[str], str] = str) -> list[tuple[str, str, str]]:
    """(what, what was seen, what is), from a refusal's own form; ``named`` knows what tags and streams are called."""
    rows = []
    for key, told in found.items():
        if key == "faults":
            rows += [(version_words.path(one["path"]), "", version_words.fault(one)) for one in told]
            continue
        pair = told if isinstance(told, dict) else {"is": told}
        seen, present = pair.get("seen", pair.get("to", pair.get("needed"))), pair.get("is", _range(pair))
        present = STATES.get(present, present) if key == "state" else present
        words = str(DIFFERENCES[key]) if key in DIFFERENCES else constraint(key, named)
        rows.append((named(key) if words == key else words, _plain(seen), _plain(present)))
    return rows


def _range(told: dict[str, Any]) -> str | None:
    return f"{_plain(told['low'])} … {_plain(told['high'])}" if "low" in told else None


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return "" if value is None else str(value)


def confidence(gain: float) -> str:
    """The gain expected, in half-widths of the interval it is known by, as a word."""
    return _("high") if gain >= 1.0 else _("fair") if gain >= 0.4 else _("low")


ACTIONS = {
    "change.propose": gettext_lazy("proposed"),
    "change.offer": gettext_lazy("put before the operator"),
    "change.escalate": gettext_lazy("put before the supervisor"),
    "change.count_down": gettext_lazy("countdown started"),
    "change.approve": gettext_lazy("approved"),
    "change.reject": gettext_lazy("rejected"),
    "change.expire": gettext_lazy("expired"),
    "change.supersede": gettext_lazy("replaced by a newer one"),
    "change.withdraw": gettext_lazy("withdrawn"),
    "change.block": gettext_lazy("blocked"),
    "change.take": gettext_lazy("write begun"),
    "change.confirm": gettext_lazy("read back, applied"),
    "change.fail": gettext_lazy("write failed"),
    "change.lose": gettext_lazy("outcome unknown"),
    "change.resolve": gettext_lazy("outcome found out"),
    "change.follow": gettext_lazy("set at the machine"),
    "change.watch": gettext_lazy("effect being watched"),
    "change.worked": gettext_lazy("effective"),
    "change.did_not_work": gettext_lazy("not effective"),
    "change.revert": gettext_lazy("taken back"),
    "change.hindsight": gettext_lazy("looked back on"),
    "line.hold": gettext_lazy("HOLD"),
    "line.release": gettext_lazy("HOLD ended"),
    "loop.mode": gettext_lazy("mode of the loop"),
    "model.choose": gettext_lazy("kinds of model chosen"),
    "model.import": gettext_lazy("model from elsewhere brought in"),
    "signal.close": gettext_lazy("signal answered"),
    "signal.acknowledge": gettext_lazy("signal seen"),
    "signal.shelve": gettext_lazy("signal shelved"),
    "signal.unshelve": gettext_lazy("signal taken off the shelf"),
    "limits.draft": gettext_lazy("limits drafted"),
    "limits.activate": gettext_lazy("limits put in force"),
    "limits.discard": gettext_lazy("draft of limits discarded"),
    "limits.draw": gettext_lazy("limits drawn"),
    "limits.in_force": gettext_lazy("limits put in force"),
    "process_event.record": gettext_lazy("process event recorded"),
    "token.make": gettext_lazy("token of a person made"),
    "token.revoke": gettext_lazy("token of a person revoked"),
    "webhook.make": gettext_lazy("webhook made"),
    "webhook.stop": gettext_lazy("webhook stopped"),
    "webhook.try_again": gettext_lazy("webhook tried again"),
    "webhook.give_up": gettext_lazy("webhook given up after a day of failures"),
    "shift.end": gettext_lazy("shift ended"),
    "shift.note": gettext_lazy("note for the next shift"),
    "shift.give": gettext_lazy("shift given"),
    "shift.accept": gettext_lazy("shift accepted"),
    "signature.give": gettext_lazy("signed"),
    "version.draft": gettext_lazy("version drafted"),
    "version.install": gettext_lazy("version set up with the line"),
    "version.edit": gettext_lazy("draft changed"),
    "version.submit": gettext_lazy("given to review"),
    "version.discard": gettext_lazy("draft discarded"),
    "version.rework": gettext_lazy("sent back to its author"),
    "version.reject": gettext_lazy("version rejected"),
    "version.approve": gettext_lazy("version approved"),
    "version.schedule": gettext_lazy("version scheduled"),
    "version.recall": gettext_lazy("taken out of the schedule"),
    "version.activate": gettext_lazy("version put in force"),
    "version.supersede": gettext_lazy("superseded by another version"),
    "version.retire": gettext_lazy("version retired"),
    "grant.give": gettext_lazy("role given"),
    "grant.change": gettext_lazy("role changed"),
    "grant.end": gettext_lazy("role ended"),
    "user.add": gettext_lazy("account added"),
    "user.change": gettext_lazy("account changed"),
    "user.password": gettext_lazy("password of an account changed"),
    "user.own_password": gettext_lazy("own password changed"),
    "code.add": gettext_lazy("code added"),
    "code.change": gettext_lazy("code changed"),
    "name.change": gettext_lazy("name changed"),
}


ATTEMPTS = {
    "change.approve": gettext_lazy("approval"),
    "change.reject": gettext_lazy("rejection"),
    "change.escalate": gettext_lazy("asking the supervisor"),
    "change.resolve": gettext_lazy("finding out the outcome"),
    "change.propose": gettext_lazy("proposal"),
    "change.undo": gettext_lazy("taking back"),
    "change.edit": gettext_lazy("proposal of other values"),
    "change.withdraw": gettext_lazy("withdrawal"),
    "line.release": gettext_lazy("ending HOLD"),
    "loop.mode": gettext_lazy("change of mode"),
    "password": gettext_lazy("password"),
    "grant.give": gettext_lazy("giving of a role"),
    "grant.end": gettext_lazy("end of a role"),
    "model.choose": gettext_lazy("choice of kinds of model"),
    "model.import": gettext_lazy("bringing in a model from elsewhere"),
    "plant.store": gettext_lazy("loading of a plant file"),
    "estimator.train": gettext_lazy("training"),
    "source.token": gettext_lazy("making of a token"),
    "signal.close": gettext_lazy("answer to a signal"),
    "signal.acknowledge": gettext_lazy("acknowledging signals"),
    "signal.shelve": gettext_lazy("shelving a signal"),
    "signal.unshelve": gettext_lazy("taking a signal off the shelf"),
    "limits.draft": gettext_lazy("draft of limits"),
    "limits.activate": gettext_lazy("putting limits in force"),
    "process_event.record": gettext_lazy("recording of a process event"),
    "token.make": gettext_lazy("making a token of a person"),
    "token.revoke": gettext_lazy("revoking a token of a person"),
    "webhook.make": gettext_lazy("making a webhook"),
    "webhook.stop": gettext_lazy("stopping a webhook"),
    "webhook.try_again": gettext_lazy("another try of a webhook"),
    "shift.note": gettext_lazy("note for the next shift"),
    "shift.give": gettext_lazy("giving of the shift"),
    "shift.accept": gettext_lazy("acceptance of the shift"),
    "version.draft": gettext_lazy("draft of a version"),
    "version.import": gettext_lazy("import of a version"),
    "version.edit": gettext_lazy("change of a draft"),
    "version.submit": gettext_lazy("giving to review"),
    "version.discard": gettext_lazy("discarding of a draft"),
    "version.rework": gettext_lazy("sending back to its author"),
    "version.reject": gettext_lazy("rejection of a version"),
    "version.approve": gettext_lazy("approval of a version"),
    "version.put_in_force": gettext_lazy("putting a version in force"),
    "version.recall": gettext_lazy("taking out of the schedule"),
    "version.retire": gettext_lazy("retiring of a version"),
    "version.again": gettext_lazy("another draft of a version"),
    "training.submit": gettext_lazy("giving estimators to review"),
    "request": gettext_lazy("request"),
}


def action(code: str) -> str:
    """What an audit row tells; of a refused attempt what was tried, and what has no words yet keeps its code."""
    verb, refused = code.removesuffix(".refused"), code.endswith(".refused")
    if refused:
        return _("%(action)s refused") % {"action": ATTEMPTS.get(verb, ACTIONS.get(verb, verb))}
    return str(ACTIONS.get(verb, verb))


def why(reason: str, told: Any, names: dict[str, str]) -> str:
    """An audit row's reason: a code for rejecting by its name, and of a refusal why it was refused."""
    if isinstance(told, dict) and told.get("reason_code") in names:
        reason = f"{told['reason_code']} {reason}"
    code, _sep, text = reason.partition(" ")
    given = f"{names[code]} {text}".strip() if code in names else silence(str(MODE_REASONS.get(reason, reason)))
    refused = refusal(told.get("code", "")) if isinstance(told, dict) else ""
    return " · ".join(part for part in (given, refused) if part)


ESTIMATORS = {
    "ewma": gettext_lazy("EWMA"),
    "double_ewma": gettext_lazy("double EWMA, which follows a drift"),
    "kalman": gettext_lazy("Kalman filter, for values that come irregularly"),
}
MODELS = {
    "ridge": gettext_lazy("Ridge regression"),
    "pls": gettext_lazy("PLS"),
    "boosting": gettext_lazy("Boosted trees"),
    "onnx": gettext_lazy("ONNX file"),
}
setting = version_words.setting


def model(kind: str) -> str:
    """A kind of prediction model."""
    return str(MODELS.get(kind, kind))
