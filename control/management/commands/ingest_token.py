"""Make the token with which a line's machines send data over HTTP. An earlier token of the line stops working."""

from __future__ import annotations

import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from control.actions.plant import new_token
from control.management.asking import add_by, asking
from control.models import Source


class Command(BaseCommand):
    help = "Makes and prints the ingest token of a line; only its hash is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("line", help="the line's key")
        add_by(parser)

    def handle(self, *, line: str, by: str | None, **options: Any) -> None:
        source = Source.objects.filter(key=line).select_related("line").first()
        if source is None:
            known = ", ".join(Source.objects.values_list("key", flat=True).order_by("key")) or "none yet"
            raise CommandError(f"there is no line {line!r}; known lines: {known}")
        token, now = secrets.token_urlsafe(32), timezone.now()
        new_token(source, token, actor=asking(source.line, by, "source.token", now=now), now=now)
        self.stdout.write(token)
