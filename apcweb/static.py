"""plotly.js from the installed plotly package, as the static file `vendor/plotly.min.js`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage

FILE, PREFIX = "plotly.min.js", "vendor"


class PlotlyFinder(BaseFinder):
    """Exposes one file of the package: the rest of its data is not for browsers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        spec = importlib.util.find_spec("plotly")  # found, not imported: importing it takes longer than a page
        if spec is None or spec.origin is None:
            raise LookupError("the package plotly is not installed")
        self.storage = FileSystemStorage(location=Path(spec.origin).parent / "package_data")
        self.storage.prefix = PREFIX  # type: ignore[attr-defined]

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        found = [self.storage.path(FILE)] if path == f"{PREFIX}/{FILE}" else []
        return found if find_all else next(iter(found), [])

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, FileSystemStorage]]:
        yield FILE, self.storage
