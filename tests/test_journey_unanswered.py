"""In a real browser: an operator writes the answer to what the agent did not know, and who asks again gets it."""

import httpx2
import pytest
from playwright.sync_api import Page

from tests.browser import serious_axe_findings
from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider, text
from tests.signed_in import sign_in


@pytest.fixture
def server(serve: Serve, provider: FakeProvider) -> Server:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    return serve(APP_URL="http://localhost", **model)


def test_the_answer_that_an_operator_writes_is_there_for_who_asks_again(
    page: Page, server: Server, person: httpx2.Client, email: str, provider: FakeProvider
) -> None:
    name = email.partition("@")[0]
    question = f"Where does the {name} park?"
    provider.replies(text("I don't know."))
    person.post("/api/chat/message", json={"message": question})
    sign_in(page, server)
    page.get_by_role("link", name="Unanswered", exact=True).click()
    group = page.get_by_role("article").filter(has_text=question)
    group.get_by_text("the agent did not know").wait_for()
    assert serious_axe_findings(page) == []
    group.get_by_role("button", name="Write the answer").click()
    assert page.get_by_label("Question", exact=True).input_value() == question
    assert serious_axe_findings(page) == []
    page.get_by_label("Answer", exact=True).fill("Behind the house, for free.")
    page.get_by_role("button", name="Save the answer").click()
    page.get_by_text("The agent knows the answer now").wait_for()
    assert page.get_by_role("article").filter(has_text=question).count() == 0
    person.post("/api/chat/message", json={"message": f"{question} It is late."})
    assert "Behind the house, for free." in str(provider.requests[-1].json["messages"])
