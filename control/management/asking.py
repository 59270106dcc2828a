"""In whose name a command acts: the same rule, and the same rows in the audit, as on any other path."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from control.actions import audit
from control.actions.audit import Actor
from control.actions.authority import Right, peopled, require
from control.actions.errors import Refused
from control.demo import people
from control.models import Line

COMMAND_LINE = "command line"


def add_by(parser: CommandParser) -> None:
    parser.add_argument("--by", metavar="USER", help="who asks for it; needed once people have roles on the line")


def asking(line: Line | None, by: str | None, action: str, *, now: datetime, reason: str = "") -> Actor:
    """The person, who must have the right to configure the line; the command line as long as nobody has a role there.

    Of a demo nobody has to say who he is.

    Raises CommandError in words. An attempt that is refused is a row of the audit.
    """
    if by is None:
        if line is not None and not settings.APC_DEMO and peopled(line, now):
            raise CommandError(f"People have roles on {line.key}: say who asks for it with --by USER.")
        return COMMAND_LINE
    person = User.objects.filter(username=by).first()
    if person is None:
        raise CommandError(f"there is no user {by!r}")
    if line is not None:
        try:
            with audit.refusals(actor=person, action=action, obj=line, line=line, now=now, reason=reason):
                require(person, Right.CONFIGURE, line, now)
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
    return person


def show_in_demo(line: Line, *, now: datetime) -> None:
    """Whoever brings a line into a demo wants to look at it with the demo's accounts."""
    if settings.APC_DEMO:
        people.welcome(line.area.site, now=now)
