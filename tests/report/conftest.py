"""Pages in a real browser: what they write to the console and whom they ask is looked at after every test that opens one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_LOCAL = ("data:", "blob:", "about:")
_SERIOUS = ("serious", "critical")

Opened = Callable[..., "Page"]
Findings = Callable[["Page"], list[str]]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium without a window; the tests that need it are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    found = os.environ.get("SYNCQC_CHROMIUM") or next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        pytest.skip("there is no browser: install the package chromium, or name one in SYNCQC_CHROMIUM")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """Opens a page's file: ``opened(path, width=1280, height=800, colours="light", is_drawn=True, **context)``.

    With `is_drawn` all of its figures are drawn, also those that are far from the window.

    When the test ends, every such page must have written no error to the console, raised none, and asked nobody for anything.
    """
    contexts, troubles = [], []

    def open_page(
        path: Path, *, width: int = 1280, height: int = 800, colours: str = "light", is_drawn: bool = True, **options: object
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=colours, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        address = path.resolve().as_uri()

        def on_console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                troubles.append(f"console: {message.text}")

        def on_request(request: Request) -> None:
            if request.url.split("#")[0] != address and not request.url.startswith(_LOCAL):
                troubles.append(f"request: {request.url}")

        page.on("console", on_console)
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", on_request)
        page.goto(address, wait_until="load")
        if is_drawn:
            page.evaluate("() => { if (typeof syncqc === 'object') Object.keys(syncqc.figures).forEach((name) => syncqc.drawNow(name)); }")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture(scope="session")
def findings() -> Findings:
    """What axe finds serious or critical on a page: one line each, with the first element that it is about."""
    axe_package = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the package axe-playwright-python is not installed")
    axe = axe_package.Axe()

    def look(page: Page) -> list[str]:
        found = axe.run(page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
        return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in _SERIOUS]

    return look
