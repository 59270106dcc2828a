"""The kinds of model as the model health page shows them, and those a sent form asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from control.actions import model_kinds
from control.models import Equipment, Stream
from dashboards import wording

MAIN, REFERENCE = ("ridge", "pls", "boosting"), ("ridge", "pls")
USUAL = {"main": "ridge", "reference": "pls"}


@dataclass(frozen=True, slots=True)
class Field:
    """One choice: its options as (kind, words, whether chosen); ``follows``: it may be left to the machine's."""

    name: str
    options: list[tuple[str, str, bool]]
    follows: bool


@dataclass(frozen=True, slots=True)
class Own:
    """A stream, the kind in force ("" where there is none), and what is chosen for it alone."""

    stream: Stream
    in_force: str
    main: Field
    reference: Field

    @property
    def is_outside(self) -> bool:
        """Training keeps a model from elsewhere, whatever is chosen here."""
        return self.in_force == "onnx"


def table(
    machine: Equipment, streams: Iterable[Stream], in_force: Mapping[int, str], typed: Mapping[str, str]
) -> dict[str, Any]:
    """The fields as chosen, or as typed into a form that was refused."""
    told = USUAL | machine.model
    own = told.get("streams", {})

    def field(name: str, kinds: Iterable[str], chosen: str | None, *, follows: bool) -> Field:
        picked = typed.get(name, chosen)
        return Field(name, [(kind, wording.model(kind), kind == picked) for kind in kinds], follows)

    return {
        "seen": model_kinds.mark(machine),
        "main": field("main", MAIN, told["main"], follows=False),
        "reference": field("reference", REFERENCE, told["reference"], follows=False),
        "own": [
            Own(
                stream=stream,
                in_force=in_force.get(stream.pk, ""),
                main=field(f"main-{stream.pk}", MAIN, own.get(stream.key, {}).get("main"), follows=True),
                reference=field(
                    f"reference-{stream.pk}", REFERENCE, own.get(stream.key, {}).get("reference"), follows=True
                ),
            )
            for stream in streams
        ],
    }


def asked(machine: Equipment, streams: Iterable[Stream], form: Mapping[str, str]) -> dict[str, Any]:
    """The choice with what the form changes; a stream for which nothing is chosen follows its machine."""
    settings = model_kinds.without_filed(machine.model)
    settings |= {name: form[name] for name in USUAL if form.get(name)}
    own = {
        stream.key: _own(USUAL | settings, form.get(f"main-{stream.pk}", ""), form.get(f"reference-{stream.pk}", ""))
        for stream in streams
    }
    return settings | {"streams": {key: kinds for key, kinds in own.items() if kinds}}


def _own(machine: Mapping[str, Any], main: str, reference: str) -> dict[str, str]:
    """What is left open is as the machine has it; a reference that would be the main model is the other one."""
    if not main and not reference:
        return {}
    main = main or machine["main"]
    if not reference and machine["reference"] != main:
        reference = machine["reference"]
    return {"main": main} | ({"reference": reference} if reference else {})
