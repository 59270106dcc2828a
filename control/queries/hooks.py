"""The addresses that lines tell of their changes."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from control.models import Webhook


def visible(line_ids: Iterable[int]) -> QuerySet[Webhook]:
    return Webhook.objects.filter(line__in=line_ids).select_related("line__area__site").order_by("-is_active", "id")
