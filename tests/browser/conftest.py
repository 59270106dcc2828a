"""A real Chromium on the whole application; skipped, with the reason, where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.dashboards.conftest import change, plant, served
from tests.dashboards.serving import Served
from tests.installation import PASSWORD as DEMO_PASSWORD
from tests.installation import Installation

__all__ = ["change", "plant", "served"]

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PASSWORD = "a long enough one"
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", ({violatedDirective, blockedURI}) => {
  violations.push(`${violatedDirective} ${blockedURI}`);
});
"""
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    with (
        pytest.MonkeyPatch.context() as patch,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as found,
    ):
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's own loop runs in this thread
        yield found


@pytest.fixture
def opened(browser: Browser, served: Served) -> Iterator[Open]:
    """Opens a browser of somebody's own at a page, signed in; at the end no page may have broken the policy."""
    pages: list[Page] = []
    faults: list[str] = []

    def open_page(user: User, path: str = "/", **context: object) -> Page:
        own = browser.new_context(base_url=served.origin, **context)  # type: ignore[arg-type]
        cookie = {"name": "apc_session", "value": served.cookie(user), "url": served.origin}
        own.add_cookies([cookie])  # type: ignore[list-item]
        own.add_init_script(WATCH)
        page = own.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(path)
        pages.append(page)
        return page

    yield open_page
    violations = [fault for page in pages for fault in page.evaluate("violations")]
    for page in pages:
        page.context.close()
    assert (violations, faults) == ([], [])


class Pages(dict[str, Page]):
    """People, each at a browser of their own that is opened when first looked at: pages nobody needs cost as much."""

    def __init__(self, site: Installation, browser: Browser) -> None:
        super().__init__()
        self.site, self.browser = site, browser

    def __missing__(self, name: str) -> Page:
        page = self[name] = self.browser.new_page(base_url=self.site.url, locale="en")
        page.goto("/accounts/login/")
        page.fill("[name=username]", name)
        page.fill("[name=password]", DEMO_PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Cathode line 1")
        return page


@pytest.fixture(scope="module")
def pages(installation: Installation, browser: Browser) -> Iterator[Pages]:
    opened = Pages(installation, browser)
    yield opened
    for page in opened.values():
        page.context.close()
