"""Machines, all alike to their users. A kind of connector is one entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from control.connectors.base import Connector
from control.connectors.twin import TwinConnector

TWIN_SOCKET = "twin.sock"


class UnknownConnector(ValueError):
    """The configuration names no connector this software has; the text says which."""


def _twin(config: Mapping[str, Any], run_dir: Path) -> Connector:
    return TwinConnector(run_dir / TWIN_SOCKET, str(config["address"]))


KINDS: dict[str, Callable[[Mapping[str, Any], Path], Connector]] = {"twin": _twin}


def open_connector(config: Mapping[str, Any], run_dir: Path) -> Connector:
    """An open connector for an equipment's ``connector`` table.

    ``run_dir`` is where local sockets are. Raises UnknownConnector for a bad table, ConnectorError if the machine
    cannot be reached.
    """
    kind = str(config.get("kind"))
    if kind not in KINDS:
        raise UnknownConnector(f"{kind!r} is not a kind of connector; known are {', '.join(sorted(KINDS))}")
    try:
        connector = KINDS[kind](config, run_dir)
    except KeyError as error:
        raise UnknownConnector(f"a {kind} connector needs {error}") from None
    connector.open()
    return connector
