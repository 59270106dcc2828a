"""The twin's protocol: one JSON object a line, in both directions, over a Unix socket.

A request is ``{"op", "address", ...}``; an answer is ``{"result": ...}`` or ``{"error": "..."}``. JSON has no number
for NaN and infinity; they travel as the texts "nan", "inf" and "-inf", because a real machine sends such values too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from control.core.exchange import Ack, MeasuredPiece, Reading, Scan, WriteCommand
from control.core.types import MeasuredBy, Quality

REQUEST_BYTES = 64 * 1024
ANSWER_BYTES = 8 * 1024 * 1024
SCANS_PER_READ = 500
TAGS_PER_REQUEST = 64
ID_CHARACTERS = 100
LARGEST_FENCE = 2**63 - 1
_NOT_FINITE = ("nan", "inf", "-inf")


class WireError(ValueError):
    """A line that does not follow the protocol; the text says where."""


def dump(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def load(line: bytes) -> dict[str, Any]:
    """One message. A bare NaN or Infinity, an array or a broken line is refused."""
    try:
        message = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise WireError("a message is a JSON object")
    return message


def _refuse_constant(name: str) -> float:
    raise WireError(f"{name} is not JSON")


def value_to_wire(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(float(value))


def value_from_wire(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, str) and value in _NOT_FINITE:
        return float(value)
    return number(value, "value")


def number(value: object, name: str) -> float:
    """A finite number. 1e400 has become infinite by the time JSON is read."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WireError(f"{name} must be a number")
    try:
        as_float = float(value)
    except OverflowError:
        as_float = math.inf
    if not math.isfinite(as_float):
        raise WireError(f"{name} must be finite")
    return as_float


def whole(value: object, name: str, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise WireError(f"{name} must be a whole number from {low} to {high}")
    return value


def text(value: object, name: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= ID_CHARACTERS or not value.isprintable():
        raise WireError(f"{name} must be 1 to {ID_CHARACTERS} printable characters")
    return value


def texts(value: object, name: str) -> list[str]:
    if not isinstance(value, list) or len(value) > TAGS_PER_REQUEST:
        raise WireError(f"{name} must be a list of at most {TAGS_PER_REQUEST}")
    return [text(item, name) for item in value]


def command_to_wire(command: WriteCommand) -> dict[str, Any]:
    return {"command_id": command.command_id, "fence": command.fence, "values": dict(command.values)}


def command_from_wire(message: object) -> WriteCommand:
    if not isinstance(message, dict) or not isinstance(message.get("values"), dict):
        raise WireError("command must have command_id, fence and values")
    values = message["values"]
    if len(values) > TAGS_PER_REQUEST:
        raise WireError(f"a command sets at most {TAGS_PER_REQUEST} tags")
    return WriteCommand(
        command_id=text(message.get("command_id"), "command_id"),
        fence=whole(message.get("fence"), "fence", 0, LARGEST_FENCE),
        values={text(tag, "tag"): number(value, tag) for tag, value in values.items()},
    )


def ack_to_wire(ack: Ack) -> dict[str, Any]:
    return {
        "command_id": ack.command_id,
        "fence": ack.fence,
        "accepted": ack.accepted,
        "code": ack.code,
        "detail": ack.detail,
        "values": dict(ack.values),
        "at": ack.at,
    }


def ack_from_wire(message: Mapping[str, Any]) -> Ack:
    return Ack(**message)


def readings_to_wire(readings: Mapping[str, Reading]) -> dict[str, Any]:
    return {tag: [value_to_wire(reading.value), reading.quality, reading.at] for tag, reading in readings.items()}


def readings_from_wire(message: Mapping[str, Sequence[Any]]) -> dict[str, Reading]:
    return {tag: Reading(value_from_wire(value), Quality(quality), at) for tag, (value, quality, at) in message.items()}


def scan_to_wire(scan: Scan) -> list[Any]:
    """A scan without its tag names; they are sent once an answer."""
    pieces = [
        [
            *(piece.stream, piece.roll, piece.web_m, value_to_wire(piece.value), piece.quality, piece.by),
            *(piece.taken_at, *([] if piece.n is None else [piece.n])),
        ]
        for piece in scan.measurements
    ]
    values = [value_to_wire(value) for value in scan.values]
    return [scan.sequence, scan.at, scan.roll, scan.web_m, values, list(scan.quality), pieces]


def scan_from_wire(equipment: str, tags: Iterable[str], message: Sequence[Any]) -> Scan:
    sequence, at, roll, web_m, values, quality, pieces = message
    return Scan(
        equipment=equipment,
        sequence=sequence,
        at=at,
        roll=roll,
        web_m=web_m,
        tags=tuple(tags),
        values=tuple(value_from_wire(value) for value in values),
        quality=tuple(quality),
        measurements=tuple(_piece_from_wire(piece) for piece in pieces),
    )


def _piece_from_wire(message: Sequence[Any]) -> MeasuredPiece:
    stream, roll, web_m, value, quality, by, taken_at, *n = message
    return MeasuredPiece(stream, roll, web_m, value_from_wire(value), Quality(quality), MeasuredBy(by), taken_at, *n)
