"""In a real browser: an operator writes a prompt, sees the difference, publishes it, and the next answer obeys."""

import httpx2
import pytest
from playwright.sync_api import Page

from tests.browser import serious_axe_findings
from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider
from tests.signed_in import sign_in


@pytest.fixture
def server(serve: Serve, provider: FakeProvider) -> Server:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    return serve(APP_URL="http://localhost", **model)


def test_a_prompt_is_written_and_published(
    page: Page, server: Server, person: httpx2.Client, email: str, provider: FakeProvider
) -> None:
    words = f"You speak like {email}."
    sign_in(page, server)
    page.get_by_role("link", name="Prompts").click()
    page.get_by_title("Add prompt version").click()
    before = page.get_by_label("System prompt").input_value()
    page.get_by_label("System prompt").fill(f"{before}\n{words}")
    page.get_by_role("button", name="Save and see the difference").click()
    page.locator("ins", has_text=words).wait_for()
    assert serious_axe_findings(page) == []
    page.get_by_role("button", name="Publish as a new version").click()
    page.get_by_text("is in force: the next answer is given under it.").wait_for()
    person.post("/api/chat/message", json={"message": "Hello"})
    assert words in provider.requests[-1].messages[0]["content"]
    page.goto(f"{server.url}/admin/operators/auditentry/?q=Version")
    page.get_by_text("Published a prompt").first.wait_for()
