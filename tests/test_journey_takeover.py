"""In a real browser: an operator takes over, and what they write comes to the person while they wait."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import DESKTOP, Watch, serious_axe_findings
from tests.chat_page import Visitor
from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider
from tests.signed_in import sign_in

SENTENCE = "A colleague is taking over this conversation and will answer you here."


@pytest.fixture
def server(serve: Serve, provider: FakeProvider) -> Server:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    return serve(APP_URL="http://localhost", CHAT_PAGE="true", **model)


@pytest.fixture
def visitor(browser: Browser, server: Server, email: str) -> Visitor:
    """The person, in another browser than the operator's."""
    page = browser.new_context(viewport=DESKTOP).new_page()  # type: ignore[arg-type]
    page.watch = Watch(page)  # type: ignore[attr-defined]
    return Visitor(page, server.url, email)


def test_an_operator_takes_over_answers_and_hands_back(
    page: Page, server: Server, visitor: Visitor, email: str, provider: FakeProvider
) -> None:
    visitor.enter()
    visitor.ask("Hello")
    visitor.answered("You said: Hello")
    asked = len(provider.requests)
    sign_in(page, server)
    page.goto(f"{server.url}/admin/chat/conversation/?q={email}")
    page.get_by_role("link", name=email).first.click()
    page.get_by_role("button", name="Pause the agent").click()
    expect(page.get_by_text("The agent is paused.")).to_be_visible()
    assert serious_axe_findings(page) == []

    visitor.ask("Is somebody there?")
    expect(visitor.answers.last).to_have_text(SENTENCE)
    expect(page.get_by_text("Is somebody there?")).to_be_visible()
    page.get_by_label("Your answer").fill("This is Ann, how can I help?")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(visitor.answers.last).to_contain_text("This is Ann, how can I help?")
    expect(page.locator("article", has_text="This is Ann").get_by_text("an operator")).to_be_visible()

    # Further words come as well, and nobody has to wait for them to write on.
    visitor.ask("I lost my key.")
    expect(visitor.answers.last).to_have_text(SENTENCE)
    visitor.ask("And my hat.")
    expect(visitor.questions.last).to_have_text("And my hat.")
    expect(visitor.answers.last).to_have_text(SENTENCE)
    page.get_by_label("Your answer").fill("Both are at the desk.")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(visitor.answers.last).to_contain_text("Both are at the desk.")
    assert len(provider.requests) == asked

    page.get_by_role("button", name="Resume the agent").click()
    expect(page.get_by_role("button", name="Pause the agent")).to_be_visible()
    visitor.ask("Thank you")
    visitor.answered("You said: Thank you")
    said = str(provider.requests[-1].json["messages"])
    assert "Both are at the desk." in said
    assert visitor.page.watch.unexpected == []  # type: ignore[attr-defined]
