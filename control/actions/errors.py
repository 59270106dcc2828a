"""Why an action was not done. Pages and the API show ``code`` and ``status``; nothing was changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from control.core.lifecycle import Verb


class Refused(Exception):
    """An action that was not done: a stable ``code``, one plain sentence, and what differs, ready for JSON."""

    status = 409

    def __init__(self, code: str, detail: str, difference: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.difference = dict(difference or {})

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "detail": self.detail, "difference": self.difference}


class NoPermission(Refused):
    status = 403


class Unsigned(NoPermission):
    """It takes a password, and none was proved: the same request may come again with one."""


class NotFound(Refused):
    status = 404


class Conflict(Refused):
    """Someone else was first, or the table has no such move; ``difference`` says who, when, and what it is now."""


class Stale(Refused):
    """The world is not what the decider saw, which ends the change; ``difference`` maps each thing to seen and is."""

    ends = Verb.SUPERSEDE


class Expired(Stale):
    ends = Verb.EXPIRE


class Unsound(Stale):
    """What a change rests on can no longer be relied on."""

    ends = Verb.WITHDRAW


class Invalid(Refused):
    status = 422
