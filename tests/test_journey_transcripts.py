"""In a real browser: from a search to the spot, and an answer that grows before an operator's eyes."""

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser import PHONE, serious_axe_findings
from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider, Gate, call, text, tool_calls
from tests.signed_in import sign_in


@pytest.fixture
def server(serve: Serve, provider: FakeProvider) -> Server:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    return serve(APP_URL="http://localhost", **model)


def test_a_search_leads_to_the_spot_in_a_transcript(
    page: Page, server: Server, person: httpx2.Client, provider: FakeProvider, email: str
) -> None:
    word = f"w{email[:10]}"
    for number in range(40):
        provider.replies(text(f"Answer with **{word}**." if number == 5 else f"Answer {number}."))
        person.post("/api/chat/message", json={"message": f"Question {number}"})
    sign_in(page, server)
    page.get_by_role("link", name="Search messages").first.click()
    page.locator("#searchbar").fill(word)
    page.keyboard.press("Enter")
    hit = page.locator("a.op-said")
    expect(hit.locator("mark")).to_have_text(word)
    assert serious_axe_findings(page) == []
    hit.click()
    spot = page.locator(".op-message:target")
    expect(spot).to_be_in_viewport()
    expect(spot.locator("strong", has_text=word)).to_be_visible()
    spot.get_by_text("Why did it say that?").click()
    expect(spot.get_by_text("First token after")).to_be_visible()
    assert serious_axe_findings(page) == []
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_an_answer_grows_before_an_operators_eyes(
    page: Page, server: Server, person: httpx2.Client, provider: FakeProvider, email: str
) -> None:
    person.post("/api/chat/message", json={"message": "Hello"})
    sign_in(page, server)
    page.goto(f"{server.url}/admin/chat/person/?q={email}")
    page.get_by_role("link", name=email).first.click()
    page.get_by_role("link", name="Hello").click()
    gate = Gate()
    provider.replies(tool_calls(call("current_time")), text("Once **upon** a time", gate=gate))
    gate.step(3)
    with person.stream("POST", "/api/chat/message/stream", json={"message": "Tell me"}):
        answer = page.locator(".op-message.assistant").nth(1)
        expect(answer).to_contain_text("Once", timeout=20_000)
        expect(answer).to_have_attribute("data-status", "streaming")
        expect(answer.locator(".call")).to_contain_text("current_time", timeout=20_000)
        gate.open()
        expect(answer).to_have_attribute("data-status", "complete", timeout=20_000)
    expect(answer.locator("strong", has_text="upon")).to_be_visible()
    expect(page.locator(".op-message.user").nth(1)).to_contain_text("Tell me")


def test_a_question_is_asked_again_beside_its_answer(
    page: Page, server: Server, person: httpx2.Client, provider: FakeProvider, email: str
) -> None:
    provider.replies(text("The first answer."), text("The *second* answer."))
    person.post("/api/chat/message", json={"message": "Hello"})
    sign_in(page, server)
    page.goto(f"{server.url}/admin/chat/conversation/?q={email}")
    page.get_by_role("link", name=email).first.click()
    page.get_by_text("Why did it say that?").click()
    page.get_by_role("button", name="Ask again with today's prompt").click()
    expect(page.locator(".op-two .first")).to_contain_text("The first answer.")
    expect(page.locator(".op-two .second em")).to_have_text("second")
    assert serious_axe_findings(page) == []
    assert len(person.get("/api/chat/history").json()["data"]) == 2
