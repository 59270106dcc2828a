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
    model_health,
    overview,
    process_event,
<<<<<<< HEAD
    shift,
=======
    sign,
>>>>>>> r1
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
    path("lines/<slug:key>/shift/", shift.page, name="shift"),
    path("lines/<slug:key>/shift/now/", shift.page_now, name="shift_now"),
    path("shifts/<int:pk>/notes/", shift.note, name="shift_note"),
    path("shifts/<int:pk>/give/", shift.give, name="shift_give"),
    path("shifts/<int:pk>/accept/", shift.accept, name="shift_accept"),
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
    path("models/<int:pk>/", model_health.page, name="models"),
    path("models/<int:pk>/training/", model_health.training, name="models_training"),
    path("models/<int:pk>/plan/", model_health.plan, name="models_plan"),
    path("models/<int:pk>/kinds/", model_health.kinds, name="models_kinds"),
    path("models/<int:pk>/outside/", model_health.bring, name="models_outside"),
    path("models/<int:pk>/retrain/", model_health.retrain, name="models_retrain"),
    path("models/runs/<int:pk>/<slug:verb>/", model_health.decide, name="models_decide"),
    path("signals/<int:pk>/close/", signal.close, name="signal_close"),
    path("inbox/", inbox.page, name="inbox"),
    path("inbox/now/", inbox.page_now, name="inbox_now"),
    path("inbox/reject/", inbox.reject, name="inbox_reject"),
    path("changes/<int:pk>/", change.page, name="change"),
    path("changes/<int:pk>/now/", change.page_now, name="change_now"),
    path("changes/<int:pk>/decide/", change.decide, name="decide"),
    path("audit/", audit.page, name="audit"),
    path("audit.csv", audit.download, name="audit_csv"),
    path("sign/", sign.check, name="sign"),
    path("station/", station.choose, name="station"),
    path("api/v1/", api.urls),
]
