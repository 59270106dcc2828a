"""Every address under one roof; the ingest door and the socket are mounted in apcweb.asgi."""

from django.contrib import admin
from django.urls import include, path

from dashboards.views.health import healthz, readyz

handler500 = "dashboards.views.refusals.failed"

urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("admin/", admin.site.urls),
    path("accounts/", include("django.contrib.auth.urls")),
    path("", include("dashboards.urls")),
]
