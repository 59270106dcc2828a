"""Every address under one roof; the ingest door and the socket are mounted in apcweb.asgi."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from dashboards.views.health import healthz, readyz
from dashboards.views.password import OwnPassword

handler500 = "dashboards.views.refusals.failed"

admin.autodiscover()

FORM = ["get", "head", "options", "post"]  # Django's own forms would take a PUT for a POST

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("admin/password_change/", require_safe(RedirectView.as_view(pattern_name="password_change"))),
    path("admin/", admin.site.urls),
    path("accounts/login/", LoginView.as_view(http_method_names=FORM), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("accounts/password/", OwnPassword.as_view(http_method_names=FORM), name="password_change"),
    path("", include("dashboards.urls")),
]
