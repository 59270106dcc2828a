"""One's own password, changed by whoever knows the old one. Nobody is sent one by e-mail."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from control.actions import audit, signing
from control.actions.errors import Refused
from dashboards import hands, permissions, wording


class OwnPasswordForm(PasswordChangeForm):
    """Asks for the old password at the door that counts wrong ones."""

    address = ""

    def clean_old_password(self) -> str:
        old: str = self.cleaned_data["old_password"]
        try:
            signing.prove(self.user.get_username(), old, address=self.address, now=permissions.now())
        except Refused as refusal:
            raise ValidationError(wording.refused_signature(refusal.code, refusal.difference)) from None
        return old


class OwnPassword(PasswordChangeView):
    """Every other session of the person ends with it."""

    form_class = OwnPasswordForm
    template_name = "registration/password.html"
    success_url = reverse_lazy("home")

    def get_form(self, form_class: Any = None) -> OwnPasswordForm:
        form: OwnPasswordForm = super().get_form(form_class)
        form.address = hands.address(self.request)
        return form

    def get_context_data(self, **told: Any) -> dict[str, Any]:
        return super().get_context_data(**told) | {"lines": permissions.lines(self.request)}

    def form_valid(self, form: OwnPasswordForm) -> HttpResponse:
        person = permissions.person(self.request)
        with audit.atomic():
            answer = super().form_valid(form)
            audit.record(actor=person, action="user.own_password", obj=person, now=permissions.now())
        messages.success(self.request, _("Your password is changed; you are signed out everywhere else."))
        return answer
