"""One ASGI application: the ingest door, the live socket, and pages.

Pages run through WSGI in a thread pool, which serves several times as many as Django's own ASGI handler
(docs/adr/0001-pages-through-wsgi.md).
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from a2wsgi import WSGIMiddleware
from channels.routing import URLRouter
from channels.security.websocket import OriginValidator
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apcweb.settings")
django: Any = get_wsgi_application()  # loads the applications, which the imports below need

from django.conf import settings  # noqa: E402

from apcweb.ingest import application as ingest  # noqa: E402
from dashboards.routing import websocket_urlpatterns  # noqa: E402

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

INGEST = "/api/v1/ingest/"
PAGE_THREADS = 8  # as many as the database pool of the settings holds
pages: Any = WSGIMiddleware(django, workers=PAGE_THREADS)


class FromOurPages(OriginValidator):  # type: ignore[misc]
    """Keeps other sites' pages out. A browser always says whose page it runs; a script has none to name.

    Whoever comes without an origin still needs the session cookie, which no foreign page can make a script send.
    """

    def valid_origin(self, parsed_origin: Any) -> bool:
        return parsed_origin is None or bool(super().valid_origin(parsed_origin))


live = FromOurPages(URLRouter(websocket_urlpatterns), settings.APC_SOCKET_ORIGINS)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await live(scope, receive, send)
    elif scope["path"].startswith(INGEST):
        await ingest(scope, receive, send)
    else:
        await pages(scope, receive, send)
