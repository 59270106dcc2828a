"""One POST to an address outside: no redirect followed, no proxy asked, of the answer only its status kept."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

TIMEOUT_S = 5.0


class NotTold(Exception):
    """It was not taken; the text says why in a word and holds nothing of what was sent."""


def post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Returns once the other side has answered with 2xx. Raises NotTold otherwise."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    with closing(kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)) as connection:
        try:
            connection.request(
                "POST", f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}", body, dict(headers)
            )
            status = connection.getresponse().status
        except TimeoutError:
            raise NotTold("timeout") from None
        except (OSError, HTTPException) as error:
            raise NotTold(type(error).__name__) from None
    if not 200 <= status < 300:
        raise NotTold(f"status_{status}")
