"""One POST to an address outside: no redirect followed, no proxy asked, of the answer only its status read."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from socket import socket
from urllib.parse import urlsplit

TIMEOUT_S = 5.0  # for all of it, but the look-up of the name
LONGEST_LINE = 1024
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r\n]")


class NotTold(Exception):
    """It was not taken; the text says why in a word and holds nothing of what was sent."""


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> None:
    """Returns once the other side has answered with 2xx. Raises NotTold otherwise."""
    parts, until = urlsplit(url), time.monotonic() + timeout_s
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    with closing(kind(parts.hostname or "", parts.port, timeout=timeout_s)) as connection:
        try:
            connection.request("POST", parts._replace(scheme="", netloc="").geturl() or "/", body, dict(headers))
            status = _status(connection.sock, until)
        except TimeoutError:
            raise NotTold("timeout") from None
        except (OSError, HTTPException, ValueError) as error:
            raise NotTold(type(error).__name__) from None
    if not 200 <= status < 300:
        raise NotTold(f"status_{status}")


def _status(line: socket, until: float) -> int:
    """The number in the first line of the answer, which is waited for no longer if it comes in drops."""
    heard = b""
    while b"\n" not in heard and len(heard) < LONGEST_LINE:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        line.settimeout(left)
        if not (more := line.recv(LONGEST_LINE)):
            break
        heard += more
    if (found := STATUS.match(heard)) is None:
        raise HTTPException("no status")
    return int(found[1])
