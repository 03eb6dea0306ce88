"""In a real browser: every page of the admin opens, fits on a phone, and can be used by everybody, light and dark."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser import DESKTOP, PHONE, serious_axe_findings
from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider
from tests.signed_in import sign_in

# Elements that make the page wider than its window.
_WIDER = """() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
    [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
    .map(e => 'too wide: ' + e.outerHTML.slice(0, 120)).slice(-3)"""
# What downloads something, or ends the session.
_NO_PAGES = ("logout", "export", "jsi18n", "/image/")


@pytest.fixture
def server(serve: Serve, provider: FakeProvider) -> Server:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    return serve(APP_URL="http://localhost", **model)


def crawled(page: Page, server: Server) -> Iterator[str]:
    """Each kind of page once, by following the links of those before; the page shows it meanwhile."""
    found, kinds = [f"{server.url}/admin/"], {"/admin/"}
    for address in found:
        response = page.goto(address)
        assert response is not None
        assert response.status == 200, address
        yield urlsplit(address).path
        for link in page.locator("a[href]").evaluate_all("links => links.map(link => link.getAttribute('href'))"):
            path = urlsplit(urljoin(address, link)).path
            kind = re.sub(r"\d+", "N", path)
            if path.startswith("/admin/") and kind not in kinds and not any(part in path for part in _NO_PAGES):
                kinds.add(kind)
                found.append(f"{server.url}{path}")


@pytest.mark.parametrize(("scheme", "size"), [("light", DESKTOP), ("dark", PHONE)])
def test_every_page_of_the_admin_can_be_shown(
    scheme: str, size: ViewportSize, page: Page, server: Server, person: httpx2.Client
) -> None:
    person.post("/api/chat/message", json={"message": "What do lions eat?"})
    person.post("/api/context/text", json={"text": "Lions eat meat. They sleep for twenty hours a day."})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size(size)
    sign_in(page, server)
    wrong, seen = {}, []
    for path in crawled(page, server):
        seen.append(path)
        wide = page.evaluate(_WIDER)
        if findings := serious_axe_findings(page) + wide:
            wrong[path] = findings
    assert wrong == {}
    assert len(seen) > 25, seen


def test_the_theme_is_kept_and_the_menu_opens_on_a_phone(page: Page, server: Server) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    sign_in(page, server)
    entry = page.locator("#nav-sidebar-apps").get_by_role("link", name="Documents")
    expect(entry).not_to_be_in_viewport()
    page.locator("#header-inner .material-symbols-outlined", has_text="dock_to_right").locator("visible=true").click()
    expect(entry).to_be_in_viewport()
    page.keyboard.press("Control+e")
    page.keyboard.press("Control+e")
    page.reload()
    expect(page.locator("html")).to_have_class("dark")


def test_without_scripts_the_pages_can_still_be_read(page: Page, server: Server, browser: Browser) -> None:
    sign_in(page, server)
    context = browser.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto(f"{server.url}/admin/context/document/")
    expect(plain.get_by_role("link", name="Documents").first).to_be_visible()
    plain.goto(f"{server.url}/admin/auth/user/add/")
    expect(plain.get_by_label("Username")).to_be_visible()
