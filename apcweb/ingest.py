"""The door for data: POST /api/v1/ingest/snapshots and /measurements, a thin ASGI application beside Django.

An answer 200 means that what it counts as stored is committed. Work runs in a few threads with their own connections;
what does not fit is told to come back, so that a flood neither fills the memory nor starves the pages.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple, TypeVar

import psycopg
from django.db import connections
from psycopg_pool import ConnectionPool, PoolTimeout

from control.actions import ingest
from control.actions.ingest import Receipt, Unreadable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LARGEST_BODY = 8 * 1024 * 1024
MOST_ROWS = 100_000
MOST_ERRORS_TOLD = 1000
THREADS = 4
MOST_AT_ONCE = 16  # bodies in memory
BODY_S = 30.0
TOKEN_S = 5.0  # a token taken away stops within this
MOST_TOKENS = 1000
FORMATS = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "text/csv": "csv",
}
KINDS = ("snapshots", "measurements")
PLACE_COLUMNS = ("equipment", "at", "sequence", "roll", "web_m")
MEASUREMENT_TEXT = frozenset({"equipment", "at", "stream", "unit", "by"})
DATABASE_KEYS = (
    "dbname",
    "user",
    "password",
    "host",
    "port",
    "options",
    "application_name",
    "connect_timeout",
    "sslmode",
)

T = TypeVar("T")
log = logging.getLogger(__name__)


class Answer(NamedTuple):
    status: int
    content: dict[str, Any]
    headers: tuple[tuple[bytes, bytes], ...] = ()


class RefusedError(Exception):
    """A whole request that cannot be served, with the answer to give."""

    def __init__(self, status: int, code: str, detail: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(detail)
        self.answer = Answer(status, {"code": code, "detail": detail}, headers)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        answer = await _serve(scope, receive)
    except RefusedError as refused:
        answer = refused.answer
    except _GoneError:
        return
    body = json.dumps(answer.content).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _serve(scope: Scope, receive: Receive) -> Answer:
    kind = scope["path"].rstrip("/").rpartition("/")[2]
    if kind not in KINDS:
        raise RefusedError(404, "not_found", "There is nothing here.")
    if scope["method"] != "POST":
        raise RefusedError(405, "post_only", "Only POST is served here.", (b"allow", b"POST"))
    headers = dict(scope["headers"])
    desk = _desk()
    digest = _token(headers.get(b"authorization", b""))
    form = _form(headers)
    with desk.place():
        source_id = await desk.source(digest)
        body = await _body(headers, receive)
        return await desk.work(_store, desk, source_id, kind, form, body)


def _token(authorization: bytes) -> str:
    scheme, _, token = authorization.partition(b" ")
    if scheme.lower() != b"bearer" or not token.strip():
        raise RefusedError(401, "no_token", "Send Authorization: Bearer <token>.", (b"www-authenticate", b"Bearer"))
    return hashlib.sha256(token.strip()).hexdigest()


def _form(headers: dict[bytes, bytes]) -> str:
    media, _, rest = headers.get(b"content-type", b"").decode("latin-1").lower().partition(";")
    form = FORMATS.get(media.strip())
    if form is None:
        raise RefusedError(415, "content_type", f"Send one of {', '.join(FORMATS)}.")
    if "charset" in rest and "utf-8" not in rest.replace("utf8", "utf-8"):
        raise RefusedError(415, "charset", "Send UTF-8.")
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise RefusedError(415, "content_encoding", "Send the body as it is, not compressed.")
    return form


class _GoneError(Exception):
    """The client left before its body was complete."""


async def _body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """The whole body, unless it is too large, too slow or empty; no more than the limit is ever held."""
    too_large = RefusedError(413, "too_large", f"A body may have {LARGEST_BODY} bytes and {MOST_ROWS} rows at most.")
    said = headers.get(b"content-length", b"0")
    if not said.isdigit() or int(said[:20]) > LARGEST_BODY:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _GoneError
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > LARGEST_BODY:
                    raise too_large
                if not message.get("more_body"):
                    break
    except TimeoutError:
        raise RefusedError(408, "too_slow", f"The body did not come within {BODY_S:g} s.") from None
    body = b"".join(parts)
    if not body.strip():
        raise RefusedError(400, "empty", "The body is empty.")
    return body


class _Desk:
    """The threads, connections and look-ups of one process."""

    def __init__(self) -> None:
        params = connections["default"].get_connection_params()
        self.pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            kwargs={key: params[key] for key in DATABASE_KEYS if key in params} | {"autocommit": True},
            min_size=1,
            max_size=THREADS,
            timeout=3.0,
            check=ConnectionPool.check_connection,
            name="ingest",
            open=True,
        )
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ingest")
        self.directory = ingest.Directory()
        self._tokens: dict[str, tuple[float, int | None]] = {}
        self._taken = 0
        self._lock = threading.Lock()

    def place(self) -> _Place:
        return _Place(self)

    async def source(self, digest: str) -> int:
        """The source a token belongs to, as known at most TOKEN_S ago."""
        until, source_id = self._tokens.get(digest, (0.0, None))
        if until < time.monotonic():
            source_id = await self.work(self._look_up, digest)
            while len(self._tokens) >= MOST_TOKENS:
                self._tokens.pop(next(iter(self._tokens)))
            self._tokens[digest] = time.monotonic() + TOKEN_S, source_id
        if source_id is None:
            raise RefusedError(401, "bad_token", "This token is not valid.", (b"www-authenticate", b"Bearer"))
        return source_id

    def _look_up(self, digest: str) -> int | None:
        with self.pool.connection() as conn:
            found = conn.execute("SELECT id FROM control_source WHERE token_sha256 = %s AND is_active", [digest])
            row = found.fetchone()
        return row[0] if row else None

    async def work(self, function: Callable[..., T], *args: Any) -> T:
        """Run in a thread; a database that is away or busy is a 503, to be tried again."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, function, *args)
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, PoolTimeout) as error:
            log.warning("ingest: the database did not take a body: %s", error)
            detail = "The database is away or busy; nothing of this body is stored."
            if isinstance(error, psycopg.OperationalError) and not error.sqlstate:
                detail = "The database went away; send the same body again: what was stored will not be doubled."
            raise RefusedError(503, "database_away", detail, (b"retry-after", b"1")) from error


class _Place:
    """One of the bodies that may be in memory at a time."""

    def __init__(self, desk: _Desk) -> None:
        self.desk = desk

    def __enter__(self) -> None:
        if self.desk._taken >= MOST_AT_ONCE:
            raise RefusedError(429, "busy", "Too many bodies at once; try again.", (b"retry-after", b"1"))
        self.desk._taken += 1

    def __exit__(self, *_: object) -> None:
        self.desk._taken -= 1


@cache
def _desk() -> _Desk:
    return _Desk()


def _store(desk: _Desk, source_id: int, kind: str, form: str, body: bytes) -> Answer:
    rows = list(_rows(kind, form, body))
    if not rows:
        raise RefusedError(400, "empty", "The body has no rows.")
    if len(rows) > MOST_ROWS:
        raise RefusedError(413, "too_large", f"A body may have {MOST_ROWS} rows at most.")
    now = datetime.now(UTC)
    with desk.pool.connection() as conn:
        try:
            who = desk.directory.get(conn, source_id)
        except LookupError:
            raise RefusedError(401, "bad_token", "This token is not valid.") from None
        batch = ingest.batch_of_rows(who, **{f"{kind[:-1]}_rows": rows}, now=now)
        receipt = ingest.store_batch(conn, who, batch, now=now)
    return _answer(receipt)


def _answer(receipt: Receipt) -> Answer:
    errors = [{"row": r.row, "code": r.code, "detail": r.detail} for r in receipt.set_aside[:MOST_ERRORS_TOLD]]
    told = {
        "stored": receipt.stored,
        "doubled": receipt.doubled,
        "refused": len(receipt.set_aside),
        "errors": errors,
    }
    return Answer(200 if receipt.stored or receipt.doubled else 422, told)


def _rows(kind: str, form: str, body: bytes) -> Iterator[Any]:
    if form == "json":
        yield from _json_rows(body)
        return
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RefusedError(400, "not_utf8", f"The body is not UTF-8: {error.reason} at byte {error.start}.") from None
    yield from _csv_rows(kind, text) if form == "csv" else _ndjson_rows(text)


def _json_rows(body: bytes) -> list[Any]:
    try:
        content = json.loads(body)
    except RecursionError:
        raise RefusedError(400, "too_deep", "The JSON is nested too deeply.") from None
    except ValueError as error:
        raise RefusedError(400, "not_json", f"The body is not JSON: {str(error)[:200]}") from None
    rows = content.get("rows") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise RefusedError(400, "no_rows", 'The body must be {"rows": [...]}.')
    return rows


def _ndjson_rows(text: str) -> Iterator[Any]:
    for line in text.split("\n"):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Unreadable(line, f"not JSON: {str(error)[:200]}")


def _csv_rows(kind: str, text: str) -> Iterator[Any]:
    """A header line names the columns: the place and the tags, or the fields of a measurement."""
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(reader, [])]
    if len(set(header)) != len(header) or not {"equipment", "at"} <= set(header):
        raise RefusedError(400, "bad_header", "The first line must name each column once, equipment and at among them.")
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Unreadable("", f"not CSV: {error}")
            continue
        if not cells:
            continue
        if len(cells) != len(header):
            yield Unreadable(",".join(cells), f"{len(cells)} cells under {len(header)} columns")
            continue
        yield _csv_row(kind, dict(zip(header, cells, strict=True)))


def _csv_row(kind: str, cells: dict[str, str]) -> dict[str, Any]:
    if kind == "measurements":
        told = {key: cell for key, cell in cells.items() if cell != "" or key == "value"}
        return {key: cell if key in MEASUREMENT_TEXT else _cell(cell) for key, cell in told.items()}
    row: dict[str, Any] = {"equipment": cells["equipment"], "at": cells["at"]}
    row |= {key: _cell(cells[key]) for key in PLACE_COLUMNS[2:] if cells.get(key)}
    return row | {"values": {key: _cell(cell) for key, cell in cells.items() if key not in PLACE_COLUMNS}}


def _cell(cell: str) -> float | int | str | None:
    """A cell as the number it shows, None when empty, else the text, which is then refused as not a number."""
    cell = cell.strip()
    if not cell:
        return None
    if not cell.isascii() or "_" in cell:
        return cell
    try:
        return int(cell) if cell.lstrip("+-").isdigit() and len(cell) < 19 else float(cell)
    except ValueError:
        return cell
