"""Django admin: who may do what, how the plant is named, and reason codes. The audit and the results are read only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from control import models
from control.actions import audit, grants
from dashboards import permissions
from dashboards.grant_admin import Signed

admin.site.site_header = admin.site.site_title = "apcweb"


class Remembered(admin.ModelAdmin):
    """What was ever done to a thing stands in the audit, so its history is there."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        of = {"object_type__exact": self.opts.model_name, "object_id__exact": unquote(object_id)}
        return redirect(f"{reverse('admin:control_auditentry_changelist')}?{urlencode(of)}")


class ReadOnly(Remembered):
    """Nobody adds, changes or deletes these here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Audited(Remembered):
    """What is added, changed or deleted here is a row of the audit, in the same transaction."""

    audited_as = ""

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        before = type(obj)._default_manager.filter(pk=obj.pk).first() if change else None
        with audit.atomic():
            super().save_model(request, obj, form, change)
            if form.changed_data or not change:
                self._record(request, obj, "change" if change else "add", *self.told(before, obj, form))

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        with audit.atomic():
            self._record(request, obj, "delete", self.gone(obj), None)
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        with audit.atomic():
            for obj in queryset:
                self.delete_model(request, obj)

    def told(self, before: Any, obj: Any, form: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """What the row of the audit says of the object as it was and as it is."""
        names = [obj._meta.get_field(field).attname for field in form.changed_data]
        old = None if before is None else {name: getattr(before, name) for name in names}
        return old, {name: getattr(obj, name) for name in names}

    def gone(self, obj: Any) -> dict[str, Any]:
        """What it says of an object that is deleted."""
        return {field.attname: getattr(obj, field.attname) for field in obj._meta.concrete_fields}

    def _record(self, request: HttpRequest, obj: Model, verb: str, old: Any, new: Any) -> None:
        audit.record(
            actor=User.objects.get(pk=request.user.pk), action=f"{self.audited_as}.{verb}", obj=obj,
            now=timezone.now(), old=old, new=new, line=obj if isinstance(obj, models.Line) else None,
        )  # fmt: skip


admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(Audited, auth_admin.UserAdmin):
    """Accounts. Whoever keeps them can raise nobody above himself, himself included, and leaves a trace."""

    audited_as = "user"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if _unbounded(request) else (*fields, "is_superuser", "user_permissions", "groups")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _above(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _above(request, obj) and super().has_delete_permission(request, obj)

    def told(self, before: Any, obj: Any, form: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """Which fields, by name: the record is kept for ever, and what people are called is theirs."""
        names = [field for field in form.changed_data if "password" not in field]
        return None if before is None else self.gone(before), {"username": obj.username, "fields": names}

    def gone(self, obj: Any) -> dict[str, Any]:
        return {"username": obj.username}

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:  # noqa: A002 - Django's
        with audit.atomic():
            before = self.get_object(request, unquote(id))
            if before and not grants.may_set_password(permissions.person(request), before, permissions.now()):
                raise PermissionDenied
            answer = super().user_change_password(request, id, form_url)
            after = self.get_object(request, unquote(id))
            if before and after and before.password != after.password:
                self._record(request, after, "password", None, {"username": after.username})
        return answer


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(Audited, auth_admin.GroupAdmin):
    """What several accounts may do in this administration; on a line a group gives nothing.

    Superusers alone change groups: anybody else could give his own whatever he likes.
    """

    audited_as = "group"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _unbounded(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _unbounded(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _unbounded(request)

    def told(self, before: Any, obj: Any, form: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        new = _group(obj.name, form.cleaned_data["permissions"])
        return None if before is None else self.gone(before), new

    def gone(self, obj: Any) -> dict[str, Any]:
        return _group(obj.name, obj.permissions.select_related("content_type"))


def _group(name: str, permissions: Iterable[Permission]) -> dict[str, Any]:
    return {"name": name, "permissions": sorted(f"{one.content_type.app_label}.{one.codename}" for one in permissions)}


def _unbounded(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _above(request: HttpRequest, obj: Any) -> bool:
    """Whether an account may do what the one who asks may not."""
    return obj is not None and obj.is_superuser and not _unbounded(request)


class OfLine(admin.SimpleListFilter):
    """Rows of one line; a row keeps the number of its line, which may be gone."""

    title, parameter_name = _("line"), "line"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [(line.pk, str(line)) for line in models.Line.objects.order_by("key")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(line_id=self.value()) if (self.value() or "").isdigit() else queryset


class OfPerson(admin.SimpleListFilter):
    """Rows of one person, whatever the account is called now."""

    title, parameter_name = _("person"), "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return list(User.objects.order_by("username").values_list("pk", "username"))

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(actor_id=self.value()) if (self.value() or "").isdigit() else queryset


@admin.register(models.AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ("number", "at", "actor_name", "action", "object_type", "object_id", "reason")
    list_filter = (OfLine, OfPerson, ("at", admin.DateFieldListFilter), "object_type", "action")
    search_fields = ("actor_name", "action", "object_id", "reason")
    date_hierarchy = "at"
    show_full_result_count = False


@admin.register(models.Signature)
class SignatureAdmin(ReadOnly):
    list_display = ("at", "printed_name", "meaning", "object_type", "object_id", "method", "station", "reason")
    list_filter = ("meaning", "method")
    search_fields = ("printed_name", "user__username", "object_id", "reason", "content_sha256")
    date_hierarchy = "at"
    show_full_result_count = False


@admin.register(models.ApiToken)
class ApiTokenAdmin(ReadOnly):
    """Whose scripts may come in; nobody sees what with."""

    list_display = ("name", "user", "acts", "created_at", "expires_at", "revoked_at", "used_at")
    list_filter = ("acts",)
    search_fields = ("name", "user__username")
    exclude = ("token_sha256", "of_password")


@admin.register(models.Grant)
class GrantAdmin(Signed, Remembered):
    """Roles: given and ended, never altered and never deleted."""

    list_display = ("user", "role", "site", "area", "line", "valid_from", "valid_to")
    list_filter = ("role", "site", "area", "line")
    search_fields = ("user__username",)
    autocomplete_fields = ("user",)


@admin.register(models.ReasonCode, models.CauseCode, models.ActionCode)
class CodeAdmin(Audited):
    audited_as = "code"
    list_display = ("key", "name", "name_ko", "is_active")
    list_filter = ("is_active",)


@admin.register(models.Site, models.Area, models.Line, models.Product)
class NamedAdmin(Audited):
    """Names may be corrected; what exists comes from plant files."""

    audited_as = "name"
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


@admin.register(models.Recipe, models.Estimator, models.Loop, models.Change, models.Roll, models.ProcessEvent)
class RecordAdmin(ReadOnly):
    show_full_result_count = False


@admin.register(models.Limits)
class LimitsAdmin(ReadOnly):
    """Limits that are or were in force, to be read; others are drafted on the stream's own page and then reviewed."""

    list_display = ("stream", "chart", "number", "state", "mean", "sigma", "n", "method", "effective_from", "page")
    list_filter = ("state", "chart", "stream__lane__equipment")
    list_select_related = ("stream__characteristic", "stream__lane")
    search_fields = ("stream__characteristic__key", "reason")
    readonly_fields = ("page",)
    ordering = ("stream_id", "-number", "chart")
    show_full_result_count = False

    @admin.display(description=_("Page"))
    def page(self, row: models.Limits) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("limits", args=[row.stream_id]), row.stream)


@admin.register(models.SetAside)
class SetAsideAdmin(ReadOnly):
    """What sources sent and could not be stored, for whoever asks where his rows went."""

    list_display = ("received_at", "source", "kind", "reason", "detail", "times")
    list_filter = ("kind", "reason", "source")
    list_select_related = ("source",)
    search_fields = ("reason", "detail", "row")
    ordering = ("-received_at",)
    show_full_result_count = False
