"""Where the sockets are; apcweb.asgi mounts them."""

from django.urls import path

from dashboards.consumers import live

websocket_urlpatterns = [path("ws/v1/live", live)]
