"""The API's page in a browser: the examples are sent as they stand."""

import re

from playwright.sync_api import Page, expect

from tests.conftest import KEY, ROOT, Serve


def test_whoever_has_a_key_tries_the_calls_on_the_page(page: Page, serve: Serve, email: str) -> None:
    server = serve(SHOW_DOCUMENTATION="true", PYTHONPATH=str(ROOT / "tests" / "no_names"))
    page.goto(f"{server.url}/api-docs")
    page.get_by_role("button", name="Authorize").first.click()
    for scheme, value in (("ApiKeyAuth", KEY), ("EmailAuth", email)):
        box = page.locator(".auth-container", has_text=scheme)
        box.locator("input").fill(value)
        box.get_by_role("button", name="Apply").click()
    page.get_by_role("button", name="Close").first.click()
    for name in ("addContextText", "sendMessage", "streamMessage", "getChatHistory"):
        operation = page.locator(f"[id$='-{name}']")
        operation.locator(".opblock-summary-control").click()
        operation.get_by_role("button", name="Execute").click()
        expect(operation.locator(".live-responses-table .response-col_status").last).to_have_text(re.compile("^200"))
