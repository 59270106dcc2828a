"""Django admin: who may do what, how the plant is named, and reason codes. The audit and the results are read only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone

from control import models
from control.actions import audit

admin.site.site_header = admin.site.site_title = "apcweb"


class ReadOnly(admin.ModelAdmin):
    """Nobody adds, changes or deletes these here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ("number", "at", "actor_name", "action", "object_type", "object_id", "reason")
    list_filter = ("action", "object_type")
    search_fields = ("actor_name", "action", "object_id", "reason")
    date_hierarchy = "at"
    show_full_result_count = False


@admin.register(models.Grant)
class GrantAdmin(admin.ModelAdmin):
    """Roles. Each gift and each end of one is a row of the audit, in the same transaction; ended, never deleted."""

    list_display = ("user", "role", "site", "area", "line", "valid_from", "valid_to")
    list_filter = ("role", "site", "area", "line")
    search_fields = ("user__username",)
    autocomplete_fields = ("user",)

    def save_model(self, request: HttpRequest, obj: models.Grant, form: Any, change: bool) -> None:
        old = models.Grant.objects.filter(pk=obj.pk).first() if change else None
        with audit.atomic():
            super().save_model(request, obj, form, change)
            audit.record(
                actor=User.objects.get(pk=request.user.pk), action="grant.change" if change else "grant.give", obj=obj,
                now=timezone.now(), old=_told(old), new=_told(obj),
            )  # fmt: skip

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _told(grant: models.Grant | None) -> dict[str, Any] | None:
    fields = ("user_id", "role", "site_id", "area_id", "line_id", "valid_from", "valid_to")
    return None if grant is None else {field: getattr(grant, field) for field in fields}


@admin.register(models.ReasonCode, models.CauseCode)
class CodeAdmin(admin.ModelAdmin):
    list_display = ("key", "name", "name_ko", "is_active")
    list_filter = ("is_active",)


@admin.register(models.Site, models.Area, models.Line, models.Product)
class NamedAdmin(admin.ModelAdmin):
    """Names may be corrected; what exists comes from plant files."""

    list_display = ("key", "name", "name_ko")
    readonly_fields = ("key",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.Equipment, models.Tag, models.Characteristic, models.Lane, models.Source)
class PlantAdmin(ReadOnly):
    """Configuration of machines: changed by loading a plant file, so that it can be reviewed and repeated."""

    exclude = ("token_sha256",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).order_by("pk")


@admin.register(models.Recipe, models.Limits, models.Estimator, models.Loop, models.Change, models.Roll)
class RecordAdmin(ReadOnly):
    show_full_result_count = False


@admin.register(models.SetAside)
class SetAsideAdmin(ReadOnly):
    """What sources sent and could not be stored, for whoever asks where his rows went."""

    list_display = ("received_at", "source", "kind", "reason", "detail", "times")
    list_filter = ("kind", "reason", "source")
    list_select_related = ("source",)
    search_fields = ("reason", "detail", "row")
    ordering = ("-received_at",)
    show_full_result_count = False
