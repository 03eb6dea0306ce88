"""In a real browser: somebody is exported and forgotten; what was said is taken out by a list's action."""

import csv
import io
import json
from pathlib import Path

import httpx2
import psycopg
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


def known(server: Server, email: str) -> int:
    with psycopg.connect(server.database_url) as database:
        row = database.execute("SELECT count(*) FROM chat_conversation WHERE email = %s", [email]).fetchone()
        return int(row[0]) if row else 0


def downloaded(page: Page, button: str) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return Path(download.value.path()).read_text()


def test_somebody_is_exported_and_forgotten(page: Page, server: Server, person: httpx2.Client, email: str) -> None:
    person.post("/api/chat/message", json={"message": "<b>Hello</b>"})
    sign_in(page, server)
    page.get_by_role("link", name="Forgotten people").first.click()
    page.get_by_role("link", name="Forget a person").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Show what is stored").click()
    assert serious_axe_findings(page) == []
    assert json.loads(downloaded(page, "Export as JSON"))["people"][0]["email"] == email
    assert "&lt;b&gt;Hello&lt;/b&gt;" in downloaded(page, "Export as a page to read")
    page.get_by_label("Type the e-mail to confirm").fill(email)
    page.get_by_role("button", name="Forget this person").click()
    page.get_by_text("is forgotten. This line is the proof.").wait_for()
    assert known(server, email) == 0
    assert serious_axe_findings(page) == []


def test_chosen_conversations_are_a_table(page: Page, server: Server, person: httpx2.Client, email: str) -> None:
    person.post("/api/chat/message", json={"message": "=1+1"})
    sign_in(page, server)
    page.goto(f"{server.url}/admin/chat/conversation/?q={email}")
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option(label="Export as CSV")
    table = downloaded(page, "Run")
    rows = list(csv.DictReader(io.StringIO(table.removeprefix("\ufeff"))))
    assert [(row["email"], row["role"]) for row in rows] == [(email, "user"), (email, "assistant")]
    assert rows[0]["text"] == "'=1+1"
