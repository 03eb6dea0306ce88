"""Tool calls in a conversation: over several turns, with another provider in the middle, and after a crash."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.conftest import Serve, Server, chunks, free_port, heard_until
from tests.fake_provider import Call, FakeProvider, call, stall, text, tool_calls

VENDORS = ("google-genai", "mistralai", "anthropic")


@pytest.fixture(scope="module")
def vendors() -> Iterator[dict[str, FakeProvider]]:
    """Providers that each refuse whatever their vendor refuses."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(FakeProvider(strict=name)) for name in VENDORS}


@pytest.fixture(autouse=True)
def _fresh(vendors: dict[str, FakeProvider]) -> None:
    for provider in vendors.values():
        provider.reset()


@pytest.fixture
def agents(serve: Serve, vendors: dict[str, FakeProvider]) -> dict[str, Server]:
    """The same agent under each vendor: all have one database."""
    return {
        name: serve(
            PROVIDER_NAME=name, PROVIDER_MODEL="fake", PROVIDER_API_KEY="k", PROVIDER_BASE_URL=provider.base_url
        )
        for name, provider in vendors.items()
    }


def stored(server: Server, email: str) -> list[dict[str, Any]]:
    query = """
        SELECT chat_toolcall.*, message.status FROM chat_toolcall JOIN chat_message message ON message.id = message_id
        JOIN chat_conversation conversation ON conversation.id = conversation_id WHERE email = %s ORDER BY 1
    """
    with psycopg.connect(server.database_url, row_factory=dict_row) as connection:
        return connection.execute(query, [email]).fetchall()


def ask(agent: Server, email: str, words: str) -> str:
    with agent.client(email) as person:
        answer = person.post("/api/chat/message", json={"message": words})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["content"][0]["text"])


def two_rounds(answer: str) -> list[Any]:
    calls = tool_calls(call("current_time"), Call("current_time", '{"time_zone": "Mars"}'), say="Let me see. ")
    return [calls, tool_calls(call("fly")), text(answer)]


@pytest.mark.parametrize("vendor", VENDORS)
def test_tools_are_used_in_turn_after_turn(
    vendor: str, agents: dict[str, Server], vendors: dict[str, FakeProvider], email: str
) -> None:
    for number in range(3):
        vendors[vendor].replies(*two_rounds(f"Answer {number}"))
        assert ask(agents[vendor], email, "What time is it?") == f"Let me see. Answer {number}"
    roles = [message["role"] for message in vendors[vendor].requests[-3].messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]


def test_the_provider_may_change_in_the_middle_of_a_conversation(
    agents: dict[str, Server], vendors: dict[str, FakeProvider], email: str
) -> None:
    for number, vendor in enumerate((*VENDORS, *VENDORS)):
        vendors[vendor].replies(*two_rounds(f"Answer {number}"))
        assert ask(agents[vendor], email, "What time is it?") == f"Let me see. Answer {number}"
    assert len(stored(agents["anthropic"], email)) == 18


def test_every_call_is_stored_with_its_step_and_place(
    agents: dict[str, Server], vendors: dict[str, FakeProvider], email: str
) -> None:
    vendors["mistralai"].replies(*two_rounds("Late"))
    ask(agents["mistralai"], email, "What time is it?")
    rows = [
        (row["position"], row["step"], row["text_offset"], row["failed"]) for row in stored(agents["mistralai"], email)
    ]
    assert rows == [(0, 1, 12, False), (1, 1, 12, True), (2, 2, 12, True)]


def test_what_a_model_called_before_it_failed_is_stored_too(
    serve: Serve, vendors: dict[str, FakeProvider], email: str
) -> None:
    first, second = vendors["google-genai"], vendors["mistralai"]
    agent = serve(
        PROVIDER_NAME="google-genai",
        PROVIDER_MODEL="fake",
        PROVIDER_BASE_URL=first.base_url,
        PROVIDER_RETRIES="0",
        FALLBACK_MODELS="mistralai:fake",
        FALLBACK_BASE_URL_MISTRALAI=second.base_url,
        PROVIDER_STALL_SECONDS="1",
    )
    first.replies(tool_calls(call("current_time")), stall())
    second.replies(tool_calls(call("current_time")), text("Late"))
    assert ask(agent, email, "What time is it?") == "Late"
    assert [row["position"] for row in stored(agent, email)] == [0, 1]


@pytest.fixture
def mortal(server: Server, tmp_path: Path) -> Iterator[Server]:
    """A server that may be killed, on the database of another one that lives on."""
    env = server.env | {"PORT": free_port()}
    mortal = Server(env, tmp_path / "log")
    yield mortal
    mortal.kill()


def test_calls_survive_the_death_of_the_process(
    mortal: Server, server: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(tool_calls(call("current_time"), say="Let me see. "), stall(after="It is"))
    asking = partial(mortal.client(email).stream, "POST", "/api/chat/message/stream")
    with asking(json={"message": "What time is it?"}) as response:
        heard_until(chunks(response), "Let me see. ")
        wait_until_stored(server, email)
        mortal.kill()
    assert [(row["name"], row["status"]) for row in stored(server, email)] == [("current_time", "streaming")]
    assert "And now?" in ask(server, email, "And now?")


def wait_until_stored(server: Server, email: str) -> None:
    deadline = time.monotonic() + 10
    while not stored(server, email):
        assert time.monotonic() < deadline
        time.sleep(0.1)
