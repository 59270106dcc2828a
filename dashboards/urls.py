"""The addresses of pages and of the API."""

from django.urls import path

from dashboards.api import api
from dashboards.views import (
    audit,
    capability,
    change,
    inbox,
    lane,
    limits,
    loop,
    overview,
    process_event,
    signal,
    station,
    stop,
)

urlpatterns = [
    path("", overview.home, name="home"),
    path("lines/<slug:key>/", overview.line, name="line"),
    path("lines/<slug:key>/now/", overview.line_now, name="line_now"),
    path("lines/<slug:key>/held/", overview.line_hold, name="line_hold"),
    path("lines/<slug:key>/hold/", stop.hold, name="hold"),
    path("lines/<slug:key>/release/", stop.release, name="release"),
    path("lines/<slug:key>/events/", process_event.record, name="process_event"),
    path("lanes/<int:pk>/", lane.page, name="lane"),
    path("lanes/<int:pk>/signals/", lane.signals, name="lane_signals"),
    path("lanes/<int:pk>/capability/", capability.part, name="lane_capability"),
    path("lanes/<int:pk>/points.csv", lane.download, name="lane_csv"),
    path("streams/<int:pk>/limits/", limits.page, name="limits"),
    path("streams/<int:pk>/limits/draft/", limits.draft, name="limits_draft"),
    path("streams/<int:pk>/limits/<int:number>/activate/", limits.activate, name="limits_activate"),
    path("streams/<int:pk>/limits/<int:number>/discard/", limits.discard, name="limits_discard"),
    path("loops/<int:pk>/", loop.page, name="loop"),
    path("loops/<int:pk>/tune/", loop.tune, name="loop_tune"),
    path("signals/<int:pk>/close/", signal.close, name="signal_close"),
    path("inbox/", inbox.page, name="inbox"),
    path("inbox/now/", inbox.page_now, name="inbox_now"),
    path("inbox/reject/", inbox.reject, name="inbox_reject"),
    path("changes/<int:pk>/", change.page, name="change"),
    path("changes/<int:pk>/now/", change.page_now, name="change_now"),
    path("changes/<int:pk>/decide/", change.decide, name="decide"),
    path("audit/", audit.page, name="audit"),
    path("audit.csv", audit.download, name="audit_csv"),
    path("station/", station.choose, name="station"),
    path("api/v1/", api.urls),
]
