"""What the API says, field by field."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Field, Schema
from pydantic import AfterValidator

from control.core.process_events import Kind
from control.plantvalues import NO_ZERO
from dashboards.instants import of_an_era

Instant = Annotated[datetime, AfterValidator(of_an_era)]


class Failure(Schema):
    code: str = Field(description="Stable, for machines")
    detail: str
    difference: dict[str, Any] = Field(default_factory=dict, description="What was seen and what is, where they differ")


class LineOut(Schema):
    id: int
    key: str
    name: str
    site: str
    time_zone: str
    recipe: str | None
    equipment: list[EquipmentOut]


class EquipmentOut(Schema):
    id: int
    key: str
    name: str
    head_seq: int = Field(description="Last sequence number given to a point of this machine")
    last_received_at: datetime | None


class StreamOut(Schema):
    id: int
    key: str
    characteristic: str
    unit: str
    counted: str = Field(description="defectives or defects of what is counted, empty of what is measured")
    lower: float | None
    target: float | None
    upper: float | None


class LaneOut(Schema):
    id: int
    line: str
    equipment: str
    number: int
    side: str
    streams: list[StreamOut]


class PointOut(Schema):
    """A point of a chart. ``at``: when the piece was made; ``known_at``: when the value became known."""

    seq: int
    lane: int
    stream: int
    by: str = Field(description="predicted, gauge or lab")
    at: datetime
    known_at: datetime
    roll: int
    web_m: float | None = Field(description="Metres of web since the roll began")
    value: float | None
    low: float | None = Field(description="Lower end of the 90 % interval")
    high: float | None
    predicted: float | None = Field(description="Of a measured point: what was predicted for the same metre")
    reliance: float | None
    similarity: float | None
    quality: str
    verdict: str
    rules: list[str]
    doubt: str = Field("", description="Why a measured value is not believed: range, alone, identity, gauge_lab")
    n: float | None = Field(None, description="Of what is counted: the size of the sample whose rate the value is")


class PointsOut(Schema):
    epoch: str = Field(description="Names the database; sequence numbers of another one mean nothing")
    head_seq: int
    seq_to: int = Field(description="Ask again with since=seq_to while it is below head_seq")
    points: list[PointOut]


class MoveOut(Schema):
    tag: str
    unit: str
    from_value: float
    to_value: float
    contributions: list[dict[str, Any]]
    part: int = Field(description="Moves of one part go together; of several parts one may be approved alone")
    left_out: bool = Field(False, description="Of a part that was not approved: never made")
    read_back: float | None


class ChangeOut(Schema):
    id: int
    line: str
    loop: str
    state: str
    version: int = Field(description="Send it back with a decision")
    proposed_at: datetime
    expires_at: datetime
    state_since: datetime
    needs: str = Field(description="Lowest role that may approve")
    size_percent: float
    author: str | None = Field(description="Who proposed it; empty where the controller did")
    supersedes: int | None = Field(description="The change whose place it took")
    superseded_by: int | None
    undoes: int | None = Field(description="The change that it takes back")
    decided_by: str | None
    decided_at: datetime | None
    reason_code: str | None
    reason: str
    applied_at: datetime | None
    effect: dict[str, Any] | None
    hindsight: dict[str, Any] | None = Field(
        description="Of a rejected or expired one: would it have helped, by what was measured instead"
    )
    moves: list[MoveOut]


class ChangeDetailOut(ChangeOut):
    undoable_until: datetime | None = Field(description="Until then its way back can be proposed, at …/undo")
    left_out: list[MoveOut] = Field(description="Moves of parts that were not approved")
    expected: list[dict[str, Any]] = Field(description="What is expected of the moves that are made, stream by stream")
    evidence: dict[str, Any]


class Signed(Schema, extra="forbid"):
    """With it a request is signed by a password; without, by the session, in which one's own holds for 300 s."""

    signer: str = Field("", max_length=150, pattern=NO_ZERO, description="User name; whoever is signed in without it")
    password: str = Field("", max_length=4096, pattern=NO_ZERO)


class Approval(Signed, extra="forbid"):
    version: int = Field(ge=1)
    parts: list[Annotated[int, Field(ge=0, le=1000)]] | None = Field(
        None, max_length=100, description="The parts that are approved; all of them without it"
    )
    reason: str = Field("", max_length=400, pattern=NO_ZERO)


class Rejection(Schema, extra="forbid"):
    version: int = Field(ge=1)
    reason: str = Field(description="Key of a reason code", max_length=64, pattern=NO_ZERO)
    text: str = Field("", max_length=400, pattern=NO_ZERO)


class Word(Schema, extra="forbid"):
    """A word on the version that was seen, with a reason if there is one."""

    version: int = Field(ge=1)
    reason: str = Field("", max_length=400, pattern=NO_ZERO)


class Edit(Word, extra="forbid"):
    values: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(
        description="Other values by the key of the parameter; what is not named goes where it was to go",
        min_length=1, max_length=100,
    )  # fmt: skip


class Undoing(Schema, extra="forbid"):
    reason: str = Field("", max_length=400, pattern=NO_ZERO)


class Resolution(Schema, extra="forbid"):
    version: int = Field(ge=1)
    applied: bool = Field(description="Whether the machine stands where the change would have put it")
    reason: str = Field(description="How you know", min_length=1, max_length=400, pattern=NO_ZERO)


class Decided(Schema):
    id: int
    state: str
    version: int


class AuditOut(Schema):
    number: int
    at: str = Field(description="As it was hashed: UTC, with microseconds")
    actor_id: int | None
    actor_name: str = Field(description="As it was then; the system's parts sign with their name")
    action: str
    object_type: str
    object_id: str
    line_id: int | None
    old: Any
    new: Any
    reason: str
    previous_hash: str
    hash: str


class RootOut(Schema):
    """The present end of the audit's chain, to be kept elsewhere."""

    number: int
    hash: str
    at: str
    hmac: str = Field(description="HMAC-SHA256 of number:hash:at with APC_AUDIT_KEY")


class ProcessEventIn(Schema, extra="forbid"):
    kind: Kind
    at: Instant = Field(description="Of the first foil made after it, at the die or nip; with its offset from UTC")
    equipment: str | None = Field(
        None, description="Key of the machine; every machine of the line without it", pattern=NO_ZERO
    )
    side: Literal["", "top", "bottom"] = Field("", description="Of the web, where it concerns only one")
    note: str = Field("", max_length=200, pattern=NO_ZERO)


class ProcessEventOut(Schema):
    id: int
    equipment: str
    kind: Kind
    side: str
    at: datetime
    note: str
    recorded_at: datetime
    recorded_by: str | None = Field(description="Empty where the system saw it by itself")


class ProcessEventsOut(Schema):
    events: list[ProcessEventOut]
