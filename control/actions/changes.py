"""The door to changes: every verb there is, wherever it is written down."""

from control.actions.deciding import approve, ask_supervisor, reject, withdraw
from control.actions.effects import verify_due
from control.actions.proposing import propose
from control.actions.revising import edit, undo
from control.actions.tending import expire_due, tend
from control.actions.writing import resolve

__all__ = [
    "approve",
    "ask_supervisor",
    "edit",
    "expire_due",
    "propose",
    "reject",
    "resolve",
    "tend",
    "undo",
    "verify_due",
    "withdraw",
]
