"""What a twin line keeps on disk, as a PLC keeps its retentive memory: the last state, and the log of commands.

The log is the record: an entry is on disk before its command is answered. The state is saved now and then; a crash
loses at most the foil since, never a set-point.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from control.core.twin.ledger import Entry
from control.core.twin.line import Line

TAIL_BYTES = 4 * 1024 * 1024  # of the log, read at a start: far more than is decided between two saves
UNSAVED_SEQUENCES = 10_000  # scans a line may give out between two saves


class RetentiveMemory:
    """``<line>.state.json`` and ``<line>.log.jsonl`` in one folder."""

    def __init__(self, folder: Path, line: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.state_path = folder / f"{line}.state.json"
        self.log_path = folder / f"{line}.log.jsonl"

    def restore(self, line: Line) -> bool:
        """Bring a fresh line to where it was; False if nothing was kept."""
        found = self.state_path.exists()
        if found:
            saved = json.loads(self.state_path.read_text(encoding="utf-8"))
            line.restore(saved["line"])
            if not saved["clean"]:
                line.skip_sequence(UNSAVED_SEQUENCES)
        line.replay_log(self._logged())
        return found

    def save(self, snapshot: dict[str, Any], *, clean: bool) -> None:
        """Replace the state at once or not at all. ``clean``: nothing happens to the line after this snapshot."""
        draft = self.state_path.with_suffix(".tmp")
        with draft.open("w", encoding="utf-8") as file:
            json.dump({"clean": clean, "line": snapshot}, file, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.state_path)

    def log(self, entries: Iterable[Entry]) -> None:
        """Append, and return only when it is on disk."""
        lines = "".join(json.dumps(entry.to_json(), allow_nan=False) + "\n" for entry in entries)
        if not lines:
            return
        with self.log_path.open("a", encoding="utf-8") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    def _logged(self) -> list[Entry]:
        """The end of the log. A last line cut off by a crash was never answered: it is taken away."""
        if not self.log_path.exists():
            return []
        with self.log_path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            begin = max(size - TAIL_BYTES, 0)
            file.seek(begin)
            tail = file.read()
            whole = tail[: tail.rfind(b"\n") + 1]
            if len(whole) < len(tail):
                file.truncate(begin + len(whole))
        lines = whole.splitlines()[1 if begin else 0 :]
        return [Entry.from_json(json.loads(line)) for line in lines]
