"""An outside model is tried where it can do no harm: in a process of its own, bounded in time, memory and files.

Run as a program, this reads one question from standard input and answers with one line of JSON.
"""

from __future__ import annotations

import base64
import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from control.core.vm.outside import check, taken

SECONDS, MEMORY = 20, 4 << 30
ROOT = Path(__file__).resolve().parents[2]
# a thread of a numeric library takes its share of the memory, however little it has to do
ALONE = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def tried(data: bytes, declaration: Mapping[str, Any], streams: set[str], tags: tuple[str, ...]) -> dict[str, Any]:
    """What core.vm.outside.taken says; a model that takes too much is a ValueError like any other that is not taken.

    For a declaration that is wrong no process is started.
    """
    check(declaration, streams, tags)
    asked = {
        "data": base64.b64encode(data).decode(),
        "told": declaration,
        "streams": sorted(streams),
        "tags": tags,
        "seconds": SECONDS,
    }
    question = json.dumps(asked)
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__], input=question, capture_output=True, text=True, timeout=2 * SECONDS,
            check=True, cwd=ROOT, env=ALONE,
        )  # fmt: skip
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        raise ValueError("the model takes too much time or memory to be tried") from None
    answer = json.loads(done.stdout)
    if answer["why"]:
        raise ValueError(answer["why"])
    found: dict[str, Any] = answer["models"]
    return found


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    asked = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_CPU, (asked["seconds"], asked["seconds"]))
    try:
        data = base64.b64decode(asked["data"])
        models, why = taken(data, asked["told"], set(asked["streams"]), tuple(asked["tags"])), ""
    except ValueError as error:
        models, why = {}, str(error)
    json.dump({"models": models, "why": why}, sys.stdout)


if __name__ == "__main__":
    main()
