"""Somebody at the chat page, for tests in a browser."""

import os
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.fake_provider import FakeProvider

if TYPE_CHECKING:
    from tests.conftest import Serve, Server

expect.set_options(timeout=30_000)
KEY = os.environ["INTERNAL_API_KEY"]
API_ERROR = "the server responded with a status of"


class Visitor:
    """What a person does on the page, and where they look."""

    def __init__(self, page: Page, url: str, email: str) -> None:
        self.page = page
        self.url = url
        self.email = email
        self.words = page.get_by_label("Your message", exact=True)
        self.questions = page.locator(".question .said")
        self.answers = page.locator(".answer .words")
        self.stop = page.get_by_role("button", name="Stop the answer")
        self.send = page.get_by_role("button", name="Send", exact=True)

    def enter(self, key: str = KEY) -> None:
        """To a conversation, from nothing."""
        self.page.goto(self.url)
        self.page.get_by_label("E-mail address").fill(self.email)
        self.page.get_by_label("Key").fill(key)
        self.page.get_by_role("button", name="Begin").click()
        expect(self.words).to_be_focused()

    def ask(self, question: str) -> None:
        self.words.fill(question)
        self.words.press("Enter")

    def answered(self, text: str) -> None:
        """Waits for the end of an answer with these words."""
        expect(self.answers.last).to_contain_text(text)
        expect(self.send).to_be_visible()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def history(self) -> list[dict[str, Any]]:
        """As the API gives it."""
        headers = {"X-CC-API-KEY": KEY, "X-CC-EMAIL": self.email}
        data: list[dict[str, Any]] = httpx2.get(f"{self.url}/api/chat/history", headers=headers).json()["data"]
        return data


@pytest.fixture
def chat_server(serve: "Serve", provider: FakeProvider) -> "Server":
    """A server with a model and the chat page; answers may be long."""
    return serve(
        CHAT_PAGE="true",
        APP_NAME="Birdwatcher",
        ANSWER_MAX_CHARS="1200000",
        PROVIDER_NAME="fake",
        PROVIDER_MODEL="fake",
        PROVIDER_BASE_URL=provider.base_url,
        PROVIDER_RETRIES="0",
    )


@pytest.fixture
def visitor(page: Page, chat_server: "Server", email: str) -> Visitor:
    return Visitor(page, chat_server.url, email)
