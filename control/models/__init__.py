"""Every noun, one a file. State is written only by control.actions."""

from .audit import AuditEntry, AuditHead
from .change import Answer, Change, ReasonCode, SetPointMove
from .chart import Limits
from .estimator import Estimator
from .loop import Grant, Hold, Lease, Loop, Mode
from .mode import Handshake, ModeSpell
from .plant import Area, Characteristic, Equipment, Lane, Line, Site, Source, Stream, Tag
from .process_event import ProcessEvent
from .recipe import Product, Recipe, Roll
from .result import ActionCode, CauseCode, Cursor, Point, Shelf, Signal
from .rollvalue import RollCursor, RollValue
from .shift import Handover, ShiftNote
from .signature import Guesses, Signature
from .stability import LoopStability
from .token import ApiToken
from .trace import Intake, Measurement, SetAside, Snapshot
from .training import TrainingPlan, TrainingRun
from .version import Version, VersionState
from .webhook import Webhook

__all__ = [
    "ActionCode",
    "Answer",
    "ApiToken",
    "Area",
    "AuditEntry",
    "AuditHead",
    "CauseCode",
    "Change",
    "Characteristic",
    "Cursor",
    "Equipment",
    "Estimator",
    "Grant",
    "Guesses",
    "Handover",
    "Handshake",
    "Hold",
    "Intake",
    "Lane",
    "Lease",
    "Limits",
    "Line",
    "Loop",
    "LoopStability",
    "Measurement",
    "Mode",
    "ModeSpell",
    "Point",
    "ProcessEvent",
    "Product",
    "ReasonCode",
    "Recipe",
    "Roll",
    "RollCursor",
    "RollValue",
    "SetAside",
    "SetPointMove",
    "Shelf",
    "ShiftNote",
    "Signal",
    "Signature",
    "Site",
    "Snapshot",
    "Source",
    "Stream",
    "Tag",
    "TrainingPlan",
    "TrainingRun",
    "Version",
    "VersionState",
    "Webhook",
]
