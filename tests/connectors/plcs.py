"""A PLC on a real Unix socket, in a thread of its own, whose time moves only when the test says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from control.connectors.memory import RetentiveMemory
from control.connectors.plc import Hosted, Plc
from control.connectors.twin import TwinConnector
from control.core.twin.scenario import Scenario
from tests.core.twins import START, noisy_line

NEVER = 1e-6  # steps a second: the PLC does not step by itself


class RunningPlc:
    """Use as a context: serves on entry, ends as by SIGTERM on exit."""

    def __init__(self, folder: Path, scenario: Scenario | None = None, speed: float = NEVER, seed: int = 1) -> None:
        self.folder, self.socket_path = folder, folder / "twin.sock"
        self.scenario, self.speed, self.seed = scenario, speed, seed
        self.steps = 0
        self.failure: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self.failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        line = noisy_line(self.scenario, self.seed)
        self.hosted = Hosted(line, RetentiveMemory(self.folder / "memory", "cathode-1"))
        self.plc = Plc([self.hosted], self.socket_path, self.speed, clock=lambda: START)
        self.loop = asyncio.get_running_loop()
        self.loop.call_later(0.02, self._when_listening)
        await self.plc.run()

    def _when_listening(self) -> None:
        if self.socket_path.exists():
            self._ready.set()
        else:
            self.loop.call_later(0.02, self._when_listening)

    def __enter__(self) -> RunningPlc:
        self._thread.start()
        assert self._ready.wait(20)
        assert self.failure is None, self.failure
        return self

    def __exit__(self, *args: object) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.plc.stop)
        self._thread.join(20)
        assert not self._thread.is_alive(), "the PLC does not end"

    def call(self, function: Callable[[], Any]) -> Any:
        """Run something in the PLC's own loop."""

        async def inside() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(inside(), self.loop).result(20)

    def step(self, count: int = 1) -> None:
        def steps() -> None:
            for _ in range(count):
                self.steps += 1
                self.hosted.step(1.0, START + self.steps)

        self.call(steps)

    def connector(self, equipment: str = "coater", deadline_s: float = 10.0) -> TwinConnector:
        connector = TwinConnector(self.socket_path, f"cathode-1/{equipment}", deadline_s)
        connector.open()
        return connector
