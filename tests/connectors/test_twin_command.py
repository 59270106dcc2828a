"""`manage.py twin` as a process: it serves both demo lines, ends cleanly on SIGTERM and keeps its place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from control.connectors.base import ConnectorError, WriteCommand
from control.connectors.twin import TwinConnector

ROOT = Path(__file__).resolve().parents[2]


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "twin", *words],
        cwd=ROOT,
        env=os.environ | {"APC_VAR": str(folder), "APC_DEMO": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def twin(folder: Path, *words: str) -> Iterator[Path]:
    """A running twin; gives its socket."""
    process = start(folder, *words)
    try:
        said = process.stdout.readline()
        assert said.startswith("twin: anode-1, cathode-1 at "), said + process.stderr.read()
        yield Path(said.strip().rpartition(" at ")[2])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0


def connect(socket_path: Path, address: str) -> TwinConnector:
    """The socket is bound just after the twin has said where."""
    connector = TwinConnector(socket_path, address)
    for _ in range(200):
        try:
            connector.open()
            return connector
        except ConnectorError:
            time.sleep(0.02)
    pytest.fail("the twin does not listen")


def test_it_serves_every_equipment_of_both_demo_lines_and_goes_on_after_a_restart(folder):
    with twin(folder, "--speed", "50") as socket_path:
        for address in ("cathode-1/coater", "cathode-1/press", "anode-1/coater", "anode-1/press"):
            assert connect(socket_path, address).read(wait_s=5.0)
        coater = connect(socket_path, "cathode-1/coater")
        assert coater.write(WriteCommand("c1", 1, {"pump_top": 62.5})).accepted
        reached = coater.read()[-1].sequence
    with twin(folder) as socket_path:
        coater = connect(socket_path, "cathode-1/coater")
        assert coater.read_back(["pump_top"])["pump_top"].value == 62.5
        assert coater.read(wait_s=9.0)[0].sequence > reached


def test_a_second_twin_on_the_same_folder_is_refused_and_the_first_keeps_its_socket(folder):
    with twin(folder) as socket_path:
        second = start(folder)
        _, said = second.communicate(timeout=60)
        assert second.returncode != 0
        assert "another twin runs" in said
        assert connect(socket_path, "cathode-1/coater").read(wait_s=9.0)


@pytest.mark.parametrize(
    ("words", "says"),
    [(("--speed", "0"), "--speed"), (("--scenario", "nowhere.toml"), "nowhere.toml")],
)
def test_a_wrong_option_is_one_sentence_and_a_failure(folder, words, says):
    process = start(folder, *words)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    assert says in said
    assert "Traceback" not in said
