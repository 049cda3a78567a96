"""Chromium on the review page: what a person sees and presses, in few words."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """Start the system's Chromium, or skip the tests that want one."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser here: none of {', '.join(NAMES)} is on PATH")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


class AuditPage:
    """The audit as a person uses it; what goes wrong in the page is kept in `errors`."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        page.on("console", lambda message: self._keep(message.type, message.text))
        page.set_default_timeout(30_000)
        page.goto(address)
        page.locator(".picture, #done:not([hidden]), #unshown:not([hidden])").first.wait_for()

    @property
    def image_id(self) -> str:
        """The photo before one's eyes, as the address tells it."""
        found: str = self.page.evaluate("new URLSearchParams(location.search).get('photo')")
        return found

    @property
    def scene(self) -> str | None:
        """The scene that is chosen on the page."""
        return self.page.locator("#scenes [aria-pressed=true]").get_attribute("data-scene")

    @property
    def said(self) -> str:
        """What the page said last."""
        return self.page.locator("#announcement").inner_text()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def go_on(self, key: str = "Enter") -> None:
        """Press a key after which another photo is to show, and wait for it."""
        before = self.image_id
        self.press(key)
        self.page.wait_for_url(lambda address: f"photo={before}" not in address)

    def skip(self, reason: str = "1") -> None:
        """Skip the photo, with the key of a reason, and wait for the next one."""
        self.press("k")
        self.page.get_by_role("dialog").wait_for()
        self.go_on(reason)

    def wait_until_idle(self) -> None:
        """Wait until nothing is on its way to the disk."""
        self.page.locator("body:not([aria-busy])").wait_for()

    def wait_until_said(self, text: str) -> None:
        """Wait until the page says so in passing."""
        self.page.locator("#announcement", has_text=text).wait_for(state="attached")

    def _keep(self, kind: str, text: str) -> None:
        # A refused or unreachable request is the server's to tell; the page must not fail over it.
        if kind == "error" and "Failed to load resource" not in text:
            self.errors.append(text)
