"""Files that people send: in memory, and never larger than anything that is taken here."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler

from control.core.vm.onnx import MOST_BYTES

MOST = 4 * MOST_BYTES  # of a request with files: what is a little too large is still answered with words


class Bounded(MemoryFileUploadHandler):
    """Refuses a request by its announced length, before any of it is read."""

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803 - as the base class calls it
        content_length: int,
        boundary: Any,
        encoding: Any = None,
    ) -> None:
        if content_length > MOST:
            raise RequestDataTooBig(f"{MOST} bytes are the most")
        self.activated = True


def read(file: UploadedFile | None) -> bytes:
    """At most one byte more than a model may have: the check says what is wrong with it."""
    return b"" if file is None else file.read(MOST_BYTES + 1)
