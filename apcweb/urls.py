"""Every address under one roof; the ingest door and the socket are mounted in apcweb.asgi."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from django.views.generic import RedirectView

from dashboards.views.health import healthz, readyz
from dashboards.views.password import OwnPassword

handler500 = "dashboards.views.refusals.failed"

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password_change")),
    path("admin/", admin.site.urls),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("accounts/password/", OwnPassword.as_view(), name="password_change"),
    path("", include("dashboards.urls")),
]
