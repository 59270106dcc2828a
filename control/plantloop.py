"""A loop as a plant file describes it, and as an engineer may set it: every setting with what it must fit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import to_jsonable_python

from control.core.r2r.schedule import SPOKEN_FOR
from control.plantvalues import (
    Key,
    MovableTagKey,
    Names,
    NotNegativeSetting,
    Positive,
    PositiveSetting,
    Setting,
    StreamKey,
    Table,
    TagKey,
    Text,
    deadband_of,
    declared,
    wrong,
)


class FeedForwardSpec(Table):
    """A measured disturbance: a ``tag`` of this equipment, or ``streams`` of the ``equipment`` the foil comes from.

    ``gains`` has a number for each of the loop's cvs, CV unit per unit of the signal. ``streams`` is the slitting map:
    for each of the cvs those that make its foil, whose sum is the signal.
    """

    tag: TagKey | None = None
    equipment: Key | None = None
    streams: tuple[tuple[Text, ...], ...] = ()
    gains: tuple[Setting, ...]

    @model_validator(mode="after")
    def _has_one_source(self) -> FeedForwardSpec:
        if (self.tag is None) == (self.equipment is None) or bool(self.streams) != bool(self.equipment):
            raise wrong("needs a tag, or an equipment with streams")
        return self


NOT_SETTINGS = {*Names.model_fields, "mode"}  # of a loop


class LoopSpec(Names):
    """One loop. ``gains`` has a row for each of ``cvs`` and a column for each of ``mvs``, CV unit per MV unit.

    Instead of a deadband it may have ``approvals_per_shift``, from which the deadband follows, with ``noise``: how far
    the stream that moves most goes on in ``decision_s`` (standard deviation, CV unit). ``gain_schedule`` takes the
    gains of the press's force from its physics. The disturbance is followed by ``estimator``: ``ewma`` has
    ``ewma_weight`` a snapshot, ``double_ewma`` ``drift_weight`` too, ``kalman`` only ``wander_per_m``, by how much the
    variance of the disturbance grows a metre over the variance of one value.
    """

    mode: Literal["off", "shadow", "advisory", "supervised", "auto"] = "shadow"
    cvs: tuple[StreamKey, ...]
    mvs: tuple[MovableTagKey, ...]
    gains: tuple[tuple[Setting, ...], ...]
    deadband: PositiveSetting
    dead_time_m: NotNegativeSetting
    sum_zero: tuple[TagKey, ...] = ()
    estimator: Literal["ewma", "double_ewma", "kalman"] = "ewma"
    ewma_weight: Annotated[Positive, Field(le=1)] = 0.3
    drift_weight: Annotated[Positive, Field(le=1)] | None = Field(None, validate_default=True)
    wander_per_m: PositiveSetting | None = Field(None, validate_default=True)
    cv_weights: tuple[Setting, ...] = ()
    move_weight: NotNegativeSetting = 0.1
    nominal_weight: NotNegativeSetting = 0.02
    cross_direction: tuple[TagKey, ...] = ()
    neighbours: tuple[tuple[TagKey, ...], ...] = ()
    bend_um: PositiveSetting | None = None
    gain_schedule: Literal["compaction"] | None = None
    approvals_per_shift: PositiveSetting | None = None
    noise: PositiveSetting | None = None
    decision_s: PositiveSetting | None = None
    feed_forward: tuple[FeedForwardSpec, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _choose(cls, data: Any) -> Any:
        """Where approvals are asked for, the deadband follows from them."""
        if not isinstance(data, dict) or data.get("approvals_per_shift") is None:
            return data
        told = [data.get(name) for name in ("approvals_per_shift", "noise", "decision_s")]
        return data | {"deadband": deadband_of(*told)}

    @field_validator("feed_forward")
    @classmethod
    def _fit_the_streams(
        cls, signals: tuple[FeedForwardSpec, ...], info: ValidationInfo
    ) -> tuple[FeedForwardSpec, ...]:
        for one in signals:
            streams = len(info.data.get("cvs", one.gains))
            if len(one.gains) != streams or len(one.streams) not in (0, streams):
                raise wrong(f"gains and streams must be one for each of the {streams} cvs")
        return signals

    @field_validator("gain_schedule")
    @classmethod
    def _has_a_curve(cls, kind: str | None, info: ValidationInfo) -> str | None:
        curve = declared(info).physics
        if kind is not None and curve.get("kind") != kind:
            raise wrong(f"needs physics of kind {kind}")
        if kind is not None and curve.get("force") not in info.data.get("mvs", [curve.get("force")]):
            raise wrong(f"needs {curve.get('force')} among the mvs")
        strange = [cv for cv in info.data.get("cvs", ()) if cv.partition("/")[0] not in SPOKEN_FOR]
        if kind is not None and strange:
            raise wrong(f"says nothing of {', '.join(strange)}")
        return kind

    @field_validator("gains")
    @classmethod
    def _fit(cls, gains: tuple[tuple[float, ...], ...], info: ValidationInfo) -> tuple[tuple[float, ...], ...]:
        if {"cvs", "mvs"} <= info.data.keys():
            rows, columns = len(info.data["cvs"]), len(info.data["mvs"])
            if [len(row) for row in gains] != [columns] * rows:
                raise wrong(f"must be {rows} rows (cvs) of {columns} numbers (mvs)")
        return gains

    @field_validator("drift_weight", "wander_per_m")
    @classmethod
    def _belongs(cls, figure: float | None, info: ValidationInfo) -> float | None:
        owner = {"drift_weight": "double_ewma", "wander_per_m": "kalman"}[str(info.field_name)]
        chosen = info.data.get("estimator")
        if figure is None and chosen == owner:
            raise wrong(f"is missing: the estimator {owner} needs it")
        if figure is not None and chosen not in (owner, None):
            raise wrong(f"belongs to the estimator {owner}, not to {chosen}")
        return figure

    @field_validator("cv_weights")
    @classmethod
    def _one_each(cls, weights: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if weights and len(weights) != len(info.data.get("cvs", weights)):
            raise wrong("must be one number for each of the cvs")
        return weights

    @field_validator("sum_zero", "cross_direction")
    @classmethod
    def _are_moved(cls, keys: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if strange := [key for key in keys if key not in info.data.get("mvs", keys)]:
            raise wrong(f"{', '.join(strange)} is not one of the mvs")
        return keys

    @field_validator("neighbours")
    @classmethod
    def _stand_on_a_lip(cls, lips: tuple[tuple[str, ...], ...], info: ValidationInfo) -> tuple[tuple[str, ...], ...]:
        for lip in lips:
            cls._are_moved(lip, info)
            if len(lip) < 3 or len(set(lip)) < len(lip):
                raise wrong("must be lists of three different mvs or more, in their order on the lip")
        return lips

    @field_validator("bend_um")
    @classmethod
    def _bends_something(cls, bend_um: float | None, info: ValidationInfo) -> float | None:
        if bend_um is not None and not info.data.get("neighbours", True):
            raise wrong("needs neighbours")
        return bend_um

    @property
    def settings(self) -> dict[str, Any]:
        """What is stored of a loop besides its names and its mode."""
        return self.model_dump(mode="json", exclude=NOT_SETTINGS)

    @classmethod
    def usual(cls) -> dict[str, Any]:
        """What is stored of the settings that a file may leave out, where it does."""
        fields = {name: field for name, field in cls.model_fields.items() if name not in NOT_SETTINGS}
        return {name: to_jsonable_python(field.default) for name, field in fields.items() if not field.is_required()}
