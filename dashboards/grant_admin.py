"""Roles in the administration: given and ended as everywhere, by the action, signed with a password and a reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from control import models
from control.actions import grants
from control.actions.errors import Refused
from dashboards import hands, permissions, wording

SHOWN = ("user", "role", "site", "area", "line", "valid_from")


class GrantForm(forms.ModelForm):
    """Acts once everything on it can be meant; what the action refuses stands on the form."""

    request: HttpRequest
    reason = forms.CharField(label=_("Reason"), max_length=400)
    password = forms.CharField(
        label=_("Your password, as signature"),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    class Meta:
        model = models.Grant
        fields = (*SHOWN, "valid_to")

    def clean(self) -> dict[str, Any]:
        told: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                self.done = self._act(told)
            except Refused as refusal:
                raise ValidationError(wording.refused_signature(refusal.code, refusal.difference)) from None
        return told

    def _act(self, told: dict[str, Any]) -> models.Grant:
        common = {"by": hands.of_form(self.request), "now": permissions.now(), "reason": told["reason"]}
        if self.instance.pk:
            return grants.end(self.instance, at=told["valid_to"], **common)
        scopes = [told[name] for name in ("site", "area", "line") if told.get(name)]
        if len(scopes) != 1:
            raise ValidationError(_("Choose a site, an area or a line, one of them."))
        dates = {"valid_from": told["valid_from"], "valid_to": told.get("valid_to")}
        return grants.give(told["user"], told["role"], scopes[0], **common, **dates)


class Signed:
    """Mixed into the administration of roles."""

    form = GrantForm

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **told: Any) -> Any:
        form = super().get_form(request, obj, change, **told)  # type: ignore[misc]
        form.request = request
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return SHOWN if obj else ()

    def changeform_view(self, request: HttpRequest, *told: Any, **more: Any) -> HttpResponse:
        """Not within Django's own transaction: that a password was wrong, or a gift refused, stays recorded."""
        return self._changeform_view(request, *_places(*told, **more))  # type: ignore[attr-defined]

    def save_model(self, request: HttpRequest, obj: models.Grant, form: GrantForm, change: bool) -> None:
        obj.pk = form.done.pk

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _places(object_id: Any = None, form_url: str = "", extra_context: Any = None) -> tuple[Any, str, Any]:
    return object_id, form_url, extra_context
