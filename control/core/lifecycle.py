"""The life of a change, as one table. Nothing else in the system decides whether a change may move."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    PROPOSED = "proposed"
    PENDING_OPERATOR = "pending_operator"
    PENDING_SUPERVISOR = "pending_supervisor"
    VETO = "veto"  # auto mode: counting down, anyone on the line may stop it
    APPROVED = "approved"
    WRITING = "writing"
    APPLIED = "applied"
    VERIFYING = "verifying"
    EFFECTIVE = "effective"
    INEFFECTIVE = "ineffective"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"  # its inputs or its loop went bad
    BLOCKED = "blocked"  # a guardrail said no
    WRITE_FAILED = "write_failed"
    UNCONFIRMED = "unconfirmed"  # sent, outcome unknown; a person must resolve it
    REVERTED = "reverted"


class Verb(StrEnum):
    """What can happen to a change."""

    OFFER = "offer"
    ESCALATE = "escalate"
    COUNT_DOWN = "count_down"
    APPROVE = "approve"
    REJECT = "reject"
    EXPIRE = "expire"
    SUPERSEDE = "supersede"
    WITHDRAW = "withdraw"
    BLOCK = "block"
    TAKE = "take"
    CONFIRM = "confirm"
    FAIL = "fail"
    LOSE = "lose"
    FOLLOW = "follow"  # somebody set it at the machine himself
    WATCH = "watch"
    WORKED = "worked"
    DID_NOT_WORK = "did_not_work"
    REVERT = "revert"


_S, _V = State, Verb
_UNDECIDED = (_S.PROPOSED, _S.PENDING_OPERATOR, _S.PENDING_SUPERVISOR, _S.VETO)
_UNWRITTEN = (*_UNDECIDED, _S.APPROVED)

TRANSITIONS: dict[tuple[State, Verb], State] = {
    (_S.PROPOSED, _V.OFFER): _S.PENDING_OPERATOR,
    (_S.PROPOSED, _V.ESCALATE): _S.PENDING_SUPERVISOR,
    (_S.PROPOSED, _V.COUNT_DOWN): _S.VETO,
    (_S.PENDING_OPERATOR, _V.ESCALATE): _S.PENDING_SUPERVISOR,
    (_S.PENDING_OPERATOR, _V.APPROVE): _S.APPROVED,
    (_S.PENDING_SUPERVISOR, _V.APPROVE): _S.APPROVED,
    (_S.VETO, _V.APPROVE): _S.APPROVED,
    (_S.PENDING_OPERATOR, _V.FOLLOW): _S.APPLIED,
    (_S.PENDING_SUPERVISOR, _V.FOLLOW): _S.APPLIED,
    **{(s, _V.REJECT): _S.REJECTED for s in _UNDECIDED},
    **{(s, _V.EXPIRE): _S.EXPIRED for s in _UNWRITTEN},
    **{(s, _V.SUPERSEDE): _S.SUPERSEDED for s in _UNWRITTEN},
    **{(s, _V.WITHDRAW): _S.WITHDRAWN for s in _UNWRITTEN},
    **{(s, _V.BLOCK): _S.BLOCKED for s in (_S.PROPOSED, _S.VETO, _S.APPROVED)},
    (_S.APPROVED, _V.TAKE): _S.WRITING,
    (_S.WRITING, _V.CONFIRM): _S.APPLIED,
    (_S.WRITING, _V.FAIL): _S.WRITE_FAILED,
    (_S.WRITING, _V.LOSE): _S.UNCONFIRMED,
    (_S.UNCONFIRMED, _V.CONFIRM): _S.APPLIED,
    (_S.UNCONFIRMED, _V.FAIL): _S.WRITE_FAILED,
    (_S.APPLIED, _V.WATCH): _S.VERIFYING,
    (_S.VERIFYING, _V.WORKED): _S.EFFECTIVE,
    (_S.VERIFYING, _V.DID_NOT_WORK): _S.INEFFECTIVE,
    **{(s, _V.REVERT): _S.REVERTED for s in (_S.APPLIED, _S.VERIFYING, _S.EFFECTIVE, _S.INEFFECTIVE)},
}

UNDECIDED = frozenset(_UNDECIDED)
UNWRITTEN = frozenset(_UNWRITTEN)
OPEN = frozenset({*_UNWRITTEN, _S.WRITING, _S.UNCONFIRMED})
ENDED = frozenset(State) - OPEN - {_S.APPLIED, _S.VERIFYING}
UNDER_HOLD = frozenset({_V.REJECT, _V.EXPIRE, _V.WITHDRAW})  # and what has happened at the machine already:
_FACTS = frozenset({_V.CONFIRM, _V.FAIL, _V.LOSE, _V.FOLLOW, _V.WATCH, _V.WORKED, _V.DID_NOT_WORK})


class NotAllowed(ValueError):
    """The table has no such move."""


def after(state: State, verb: Verb, *, hold: bool = False) -> State:
    """The state that follows. Raises NotAllowed where the table is empty, or HOLD freezes the move."""
    if hold and verb not in UNDER_HOLD | _FACTS:
        raise NotAllowed(f"{verb} is frozen by HOLD")
    try:
        return TRANSITIONS[state, verb]
    except KeyError:
        raise NotAllowed(f"{verb} is not possible from {state}") from None
