"""What an engineer typed about retraining, as the action takes it."""

from __future__ import annotations

from collections.abc import Mapping

from control.actions.errors import Invalid
from control.actions.retraining import Schedule


def asked(form: Mapping[str, str]) -> Schedule:
    """Empty rolls and hours mean: never by itself."""
    rolls = _number(form, "every_rolls")
    if rolls is not None and not rolls.is_integer():
        raise Invalid("not_a_number", "Rolls are counted in whole numbers.")
    return Schedule(
        every_rolls=None if rolls is None else int(rolls),
        every_hours=_number(form, "every_hours"),
        history_hours=_number(form, "history_hours") or Schedule().history_hours,
        then=form.get("then", ""),
    )


def _number(form: Mapping[str, str], name: str) -> float | None:
    text = form.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise Invalid("not_a_number", f"{text} is not a number.") from None
    if not 0 < value < 1e6:
        raise Invalid("not_positive", f"{text} is not above 0, or far too large.")
    return value
