"""Waiting for a page: it is asked again and again, because the policy forbids what Playwright's own wait needs."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from playwright.sync_api import Error, Page


def until(page: Page, script: str, patience_s: float = 15.0) -> Any:
    """The first true value of an expression in the page."""
    for _ in range(int(patience_s * 10)):
        with suppress(Error):  # the page is being left or loaded
            if found := page.evaluate(script):
                return found
        page.wait_for_timeout(100)
    raise AssertionError(f"never true: {script}")
