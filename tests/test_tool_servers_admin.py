"""Tool servers in the admin, and through the whole agent."""

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client

from chat.mcp import offered
from chat.mcp.models import ToolServer
from tests.conftest import ROOT, Server
from tests.fake_provider import FakeProvider, call, text, tool_calls
from tests.tool_server import Running, running, wiki

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def served() -> Iterator[Running]:
    with running(wiki()) as server:
        yield server


@pytest.fixture
def browser() -> Client:
    """An operator's."""
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    return client


def form(server: Running, **more: str) -> dict[str, str]:
    usual = {"name": "wiki", "url": server.url, "header_name": "", "new_secret": "", "enabled": "on"}
    return usual | {"allow_private": "on"} | more


def add(browser: Client, server: Running, **more: str) -> ToolServer:
    answer = browser.post("/admin/chat/toolserver/add/", form(server, **more), secure=True, follow=True)
    assert "was added" in answer.content.decode(), errors(answer)
    return ToolServer.objects.get()


def errors(answer: Any) -> list[str]:
    found = re.findall(r"errorlist[^>]*>\s*<li>(.*?)</li>", answer.content.decode(), re.DOTALL)
    return [html.unescape(error) for error in found]


def page(browser: Client, row: ToolServer) -> str:
    return str(browser.get(f"/admin/chat/toolserver/{row.pk}/change/", secure=True).content.decode())


def press(browser: Client, row: ToolServer, server: Running, button: str = "test", **more: str) -> str:
    """Sends the form as the page has it, by one of its buttons; what the next page says about that."""
    rows = {"tools-TOTAL_FORMS": str(row.tools.count()), "tools-INITIAL_FORMS": str(row.tools.count())}
    for number, tool in enumerate(row.tools.all()):
        rows |= {f"tools-{number}-id": str(tool.pk), f"tools-{number}-server": str(row.pk)}
        rows |= {f"tools-{number}-enabled": "on"} if tool.enabled else {}
    path = f"/admin/chat/toolserver/{row.pk}/{button}/"
    answer = browser.post(path, form(server) | rows | more, secure=True, follow=True)
    return " ".join(str(message) for message in answer.context["messages"])


def test_the_button_tests_the_server_and_lists_its_tools(browser: Client, served: Running) -> None:
    row = add(browser, served)
    assert "Test and list tools" in page(browser, row)
    assert "It answers and has 6 tools." in press(browser, row, served)
    assert "wiki__search" in page(browser, row)
    assert not row.tools.filter(enabled=True).exists()


def test_a_tick_offers_a_tool_to_the_model(browser: Client, served: Running) -> None:
    row = add(browser, served)
    press(browser, row, served)
    offered.offered()
    press(browser, row, served, "change", **{"tools-4-enabled": "on"})
    assert [tool.name for tool in offered.offered()] == ["wiki__search"]


def test_the_button_saves_what_was_typed(browser: Client, served: Running) -> None:
    row = add(browser, Running(1))
    assert "The server cannot be used: it cannot be reached" in press(browser, row, Running(1))
    assert "It answers" in press(browser, row, served)
    row.refresh_from_db()
    assert (row.url, row.problem) == (served.url, "")


def test_what_is_typed_wrong_is_not_sent_anywhere(browser: Client, served: Running) -> None:
    row = add(browser, served)
    assert press(browser, row, served, url="ftp://wiki") == ""
    assert served.requests == []


def test_a_secret_goes_in_and_does_not_come_out(browser: Client, served: Running) -> None:
    row = add(browser, served, header_name="Authorization", new_secret="Bearer s3cret")
    assert row.header() == ("Authorization", "Bearer s3cret")
    assert "s3cret" not in page(browser, row)
    press(browser, row, served, header_name="Authorization")
    assert set(served.secrets) == {"Bearer s3cret"}


def test_a_secret_goes_with_its_header(browser: Client, served: Running) -> None:
    row = add(browser, served, header_name="Authorization", new_secret="Bearer s3cret")
    press(browser, row, served, "change")
    row.refresh_from_db()
    assert (row.secret, row.header()) == ("", None)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("name", "My Wiki", "small letters"),
        ("name", "a__b", "small letters"),
        ("name", "", "required"),
        ("url", "stdio:run-me", "The address must be a web address"),
        ("url", "http://user:password@wiki/", "user name or password"),
        ("header_name", "Bad Header", "letters, digits and -"),
        ("header_name", "Grüße", "letters, digits and -"),
        ("new_secret", "a\nb", "no header may hold"),
        ("new_secret", "ä", "no header may hold"),
    ],
)
def test_mistakes_are_explained(field: str, value: str, why: str, browser: Client, served: Running) -> None:
    answer = browser.post("/admin/chat/toolserver/add/", form(served, **{field: value}), secure=True)
    assert why in " ".join(errors(answer))
    assert not ToolServer.objects.exists()


def test_a_secret_does_not_travel_unencrypted(browser: Client) -> None:
    given = form(Running(), url="http://wiki.example/mcp", header_name="Authorization", new_secret="x")
    given.pop("allow_private")
    answer = browser.post("/admin/chat/toolserver/add/", given, secure=True)
    assert "With a secret it must begin with https://." in errors(answer)


def test_what_a_server_writes_is_text_and_never_markup(browser: Client, served: Running) -> None:
    row = add(browser, served)
    press(browser, row, served)
    row.tools.update(description="<script>alert(1)</script>")
    assert "<script>alert" not in page(browser, row)


def test_a_stranger_tests_no_server(browser: Client, served: Running) -> None:
    row = add(browser, served)
    Client().post(f"/admin/chat/toolserver/{row.pk}/test/", form(served), secure=True)
    colleague = Client()
    colleague.force_login(User.objects.create_user("colleague", is_staff=True))
    assert colleague.post(f"/admin/chat/toolserver/{row.pk}/test/", form(served), secure=True).status_code == 403
    assert served.requests == []


def test_looking_at_the_address_of_the_button_does_nothing(browser: Client, served: Running) -> None:
    row = add(browser, served)
    assert browser.get(f"/admin/chat/toolserver/{row.pk}/test/", secure=True).status_code == 302
    assert served.requests == []


# Through the whole agent.


@pytest.fixture
def row(server: Server, served: Running) -> Iterator[int]:
    """A server with a ticked tool, in the database of the running agent."""
    parameters = {"type": "object", "properties": {}}
    function = {"name": "wiki__search", "description": "", "parameters": parameters}
    definition = json.dumps({"type": "function", "function": function})
    with psycopg.connect(server.database_url, autocommit=True) as database:
        [pk] = database.execute(
            "INSERT INTO chat_toolserver (name, url, header_name, secret, allow_private, enabled, problem) "
            "VALUES ('wiki', %s, '', '', true, true, '') RETURNING id",
            [served.url],
        ).fetchone() or [0]
        database.execute(
            "INSERT INTO chat_servertool (server_id, remote_name, name, description, definition, problem, enabled) "
            "VALUES (%s, 'search', 'wiki__search', '', %s::jsonb, '', true)",
            [pk, definition],
        )
        yield pk
        database.execute("DELETE FROM chat_servertool WHERE server_id = %s", [pk])
        database.execute("DELETE FROM chat_toolserver WHERE id = %s", [pk])


def ask(person: httpx2.Client) -> str:
    answer = person.post("/api/chat/message", json={"message": "What of snails?"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["content"][0]["text"])


def offered_to(provider: FakeProvider) -> list[str]:
    return [tool["function"]["name"] for tool in provider.requests[-1].json["tools"]]


@pytest.mark.usefixtures("row")
def test_the_agent_uses_the_tool(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(tool_calls(call("wiki__search", query="snails")), text("Slow"))
    assert ask(person) == "Slow"
    assert provider.requests[-1].messages[-1]["content"] == "3 pages about snails"


@pytest.mark.usefixtures("row")
def test_a_server_that_is_down_takes_its_tools_and_not_the_chat(
    person: httpx2.Client, provider: FakeProvider, served: Running
) -> None:
    served.status = 500
    provider.replies(tool_calls(call("wiki__search", query="snails")), text("I could not look"))
    assert ask(person) == "I could not look"
    assert "wiki__search" in offered_to(provider)
    ask(person)
    assert "wiki__search" not in offered_to(provider)


def test_an_agent_sees_a_change_with_its_next_turn(
    row: int, server: Server, person: httpx2.Client, provider: FakeProvider
) -> None:
    ask(person)
    assert "wiki__search" in offered_to(provider)
    with psycopg.connect(server.database_url) as database:
        database.execute("UPDATE chat_servertool SET enabled = false WHERE server_id = %s", [row])
        database.execute("UPDATE chat_toolserver SET changed_at = now() WHERE id = %s", [row])
    ask(person)
    assert "wiki__search" not in offered_to(provider)


@pytest.mark.parametrize("library", ["mcp", "mcp_types", "starlette", "opentelemetry", "jsonschema"])
def test_without_a_server_its_libraries_are_not_read(library: str) -> None:
    program = f"import ccagent.asgi, chat.urls, chat.admin, sys; sys.exit({library!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
