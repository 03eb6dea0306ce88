"""What an answer was given: told to its reader, noted for the operator."""

import uuid

import httpx2
import psycopg
import pytest

from tests.conftest import Serve, Server, chunks
from tests.fake_provider import FakeProvider, call, text, tool_calls

MESSAGE = "/api/chat/message"
STREAM = "/api/chat/message/stream"


@pytest.fixture
def word() -> str:
    """A word that stands in one document alone."""
    return "x" + uuid.uuid4().hex


@pytest.fixture
def source(person: httpx2.Client, word: str) -> dict[str, object]:
    """How a document with the word is named as a source."""
    body = {"text": f"The {word} is green.", "title": "About it"}
    added = person.post("/api/context/text", json=body).json()["data"]
    return {"title": "About it", "source": "", "document": added["id"]}


def test_a_plain_answer_names_its_sources(person: httpx2.Client, word: str, source: dict[str, object]) -> None:
    said = person.post(MESSAGE, json={"message": f"What is {word}?"}).json()["data"]
    assert said["sources"] == [source]


def test_a_stream_ends_with_its_sources(person: httpx2.Client, word: str, source: dict[str, object]) -> None:
    with person.stream("POST", STREAM, json={"message": f"What is {word}?"}) as response:
        *said, last = chunks(response)
    assert last == {"chunk": "", "sources": [source]}
    assert not any("sources" in event for event in said)


def test_the_history_names_them_too(person: httpx2.Client, word: str, source: dict[str, object]) -> None:
    person.post(MESSAGE, json={"message": f"What is {word}?"})
    question, answer = person.get("/api/chat/history").json()["data"]
    assert answer["sources"] == [source]
    assert "sources" not in question


def test_an_answer_without_passages_names_none(person: httpx2.Client) -> None:
    with person.stream("POST", STREAM, json={"message": f"What is {uuid.uuid4().hex}?"}) as response:
        assert not any("sources" in event for event in chunks(response))


def test_what_the_model_searched_for_itself_is_a_source(
    person: httpx2.Client, provider: FakeProvider, word: str, source: dict[str, object]
) -> None:
    provider.replies(tool_calls(call("search_context", query=f"{word} colour")), text("Green."))
    said = person.post(MESSAGE, json={"message": "Look it up"}).json()["data"]
    assert said["sources"] == [source]


def test_the_model_gets_the_passage_with_its_title(
    person: httpx2.Client, provider: FakeProvider, word: str, source: dict[str, object]
) -> None:
    person.post(MESSAGE, json={"message": f"What is {word}?"})
    system = provider.requests[-1].messages[0]["content"]
    assert f'<passage title="{source["title"]}">\nThe {word} is green.\n</passage>' in system


def test_the_operator_can_keep_them_in(serve: Serve, provider: FakeProvider, word: str) -> None:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    with serve(INCLUDE_SOURCES="false", **model).client(f"{word}@example.com") as person:
        person.post("/api/context/text", json={"text": f"The {word} is green."})
        said = person.post(MESSAGE, json={"message": f"What is {word}?"}).json()["data"]
        with person.stream("POST", STREAM, json={"message": f"What is {word}?"}) as response:
            events = chunks(response)
            assert not any("sources" in event for event in [said, *events])


def test_the_operator_sees_which_chunks_were_given(
    person: httpx2.Client, server: Server, email: str, word: str, source: dict[str, object]
) -> None:
    person.post(MESSAGE, json={"message": f"What is {word}?"})
    with psycopg.connect(server.database_url) as connection:
        row = connection.execute(
            "SELECT passages FROM chat_message JOIN chat_conversation conversation ON conversation.id = conversation_id"
            " WHERE email = %s AND role = 'assistant'",
            [email],
        ).fetchone()
        assert row
        (passage,) = row[0]
        given = connection.execute("SELECT text FROM context_chunk WHERE id = ANY(%s)", [passage["chunks"]]).fetchall()
    assert given == [(f"The {word} is green.",)]
    assert passage["document"] == source["document"]
