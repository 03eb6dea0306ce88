"""In a real browser: the front page of the admin draws its tables."""

import pytest
from playwright.sync_api import Page

from tests.browser import serious_axe_findings
from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider
from tests.signed_in import sign_in
from tests.test_bad_days import MESSAGE, ask

DRAWN = """
() => [...document.querySelectorAll(".chart-of-table canvas")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value) => value !== 0);
})"""


@pytest.fixture
def server(serve: Serve, provider: FakeProvider) -> Server:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    return serve(APP_URL="http://localhost", **model)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_front_page_shows_charts_and_tables(page: Page, server: Server, email: str, scheme: str) -> None:
    with server.client(email) as person:
        ask(person, MESSAGE)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    sign_in(page, server)
    page.locator(".chart-of-table.drawn").nth(2).wait_for()
    drawn = page.evaluate(DRAWN)
    assert len(drawn) >= 3
    assert all(drawn)
    page.get_by_role("link", name="7 days").click()
    page.get_by_text("As a table").first.click()
    assert page.locator("#table-messages tbody tr").count() == 7
    assert serious_axe_findings(page) == []
