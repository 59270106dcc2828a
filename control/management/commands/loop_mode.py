"""Ask for a loop's mode, as a person who may: the same rule and the same audit row as anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from control.actions.errors import Refused
from control.actions.loops import request
from control.actions.signing import Hand, prove
from control.core.modes import Mode
from control.models import Loop


class Command(BaseCommand):
    help = "Sets the mode of a loop in the name of a person with the right to it on that line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("loop", help="line/equipment/loop, by their keys")
        parser.add_argument("mode", choices=[mode.value for mode in Mode])
        parser.add_argument("--by", required=True, metavar="USER", help="who asks for it")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--password-file", type=Path, help="holds that person's password, which signs for auto")

    def handle(self, *, loop: str, mode: str, by: str, reason: str, password_file: Path | None, **options: Any) -> None:
        line, _, rest = loop.partition("/")
        equipment, _, key = rest.partition("/")
        found = Loop.objects.filter(equipment__line__key=line, equipment__key=equipment, key=key).first()
        person = User.objects.filter(username=by).first()
        if found is None or person is None:
            raise CommandError(f"there is no loop {loop!r}" if found is None else f"there is no user {by!r}")
        try:
            request(found, Mode(mode), by=_hand(person, password_file), now=timezone.now(), reason=reason)
        except Refused as refusal:
            raise CommandError(refusal.detail) from refusal
        self.stdout.write(f"{loop}: {found.actual_mode}")


def _hand(person: User, password_file: Path | None) -> Hand:
    if password_file is None:
        return Hand(person, station="command line")
    now = timezone.now()
    prove(person.get_username(), password_file.read_text().strip(), address="command line", now=now)
    return Hand(person, station="command line", proved_at=now)
