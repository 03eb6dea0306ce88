"""GET /api/chat/history: what was said, oldest first."""

import datetime
import re
import time
from typing import Any

import httpx2
import psycopg
import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from chat import history
from chat.models import Attachment, Conversation, Message
from tests.conftest import Server
from tests.fake_provider import FakeProvider, Gate, status, text


def ask(person: httpx2.Client, words: str, **more: object) -> httpx2.Response:
    return person.post("/api/chat/message", json={"content": [{"type": "text", "text": words}], **more})


def read(person: httpx2.Client, query: str = "") -> list[dict[str, Any]]:
    answer = person.get(f"/api/chat/history{query}")
    assert answer.json()["success"] is True
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def words(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"][0]["text"] for message in messages]


def wait_for(person: httpx2.Client, count: int) -> None:
    """Until the history has so many messages: answers given while nobody listens end at some time."""
    deadline = time.monotonic() + 10
    while len(read(person)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_history_of_somebody_new_is_empty(person: httpx2.Client) -> None:
    answer = person.get("/api/chat/history")
    assert (answer.status_code, answer.json()) == (200, {"data": [], "success": True})


def test_asking_for_the_history_leaves_nothing_behind(person: httpx2.Client) -> None:
    for _ in range(2):
        assert read(person) == []


def test_a_turn_is_two_messages_in_the_shape_of_the_contract(person: httpx2.Client) -> None:
    ask(person, "Hi", date="2025-11-07T10:30:00Z")
    question, answer = read(person)
    content = [{"type": "text", "text": "Hi"}]
    assert question == {"role": "user", "content": content, "date": "2025-11-07T10:30:00Z"}
    assert (set(answer) - {"sources"}, answer["role"]) == ({"role", "content", "date"}, "assistant")


def test_the_oldest_message_comes_first(person: httpx2.Client) -> None:
    for word in ("one", "two", "three"):
        ask(person, word)
    assert words(read(person))[::2] == ["one", "two", "three"]


def test_the_senders_clock_does_not_change_the_order(person: httpx2.Client) -> None:
    for year in (2030, 1999, 2025, 2025):
        ask(person, str(year), date=f"{year}-01-01T00:00:00Z")
    assert words(read(person))[::2] == ["2030", "1999", "2025", "2025"]


def test_the_senders_clock_does_not_change_what_the_model_gets(person: httpx2.Client, provider: FakeProvider) -> None:
    for year in (2030, 1999):
        ask(person, str(year), date=f"{year}-01-01T00:00:00Z")
    said = [message["content"] for message in provider.requests[-1].messages[1:]]
    assert said == ["2030", "You said: 2030", "1999"]


# Dates.


@pytest.mark.parametrize("body", [{"message": "Hi"}, {"message": "Hi", "date": None}])
def test_a_missing_date_is_now(person: httpx2.Client, body: object) -> None:
    before = timezone.now()
    person.post("/api/chat/message", json=body)
    assert before <= datetime.datetime.fromisoformat(read(person)[0]["date"]) <= timezone.now()


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2025-11-07T10:30:00.000Z", "2025-11-07T10:30:00Z"),
        ("2025-11-07T10:30:00+02:00", "2025-11-07T08:30:00Z"),
        ("2025-11-07T10:30:00.123Z", "2025-11-07T10:30:00.123000Z"),
        ("2025-11-07T10:30:00.1234567Z", "2025-11-07T10:30:00.123456Z"),
        ("2025-11-07T10:30", "2025-11-07T10:30:00Z"),
        ("2025-11-07 10:30:00", "2025-11-07T10:30:00Z"),
        ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_date_comes_back_as_the_same_moment(person: httpx2.Client, sent: str, stored: str) -> None:
    assert ask(person, "Hi", date=sent).status_code == 200
    assert read(person)[0]["date"] == stored


@pytest.mark.parametrize(
    "date",
    [
        "",
        "now",
        "null",
        "Fri, 07 Nov 2025 10:30:00 GMT",
        "2025-02-30T00:00:00Z",
        "2025-11-07T25:00:00Z",
        "2025-11-07T10:30:60Z",
        "2025-11-07T10:30:00+99:99",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "10000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        "2025-11-07T10:30:00Z" * 1000,
        "\x00",
        1762511400,
        1.5,
        True,
        [],
        {},
    ],
    ids=repr,
)
def test_what_is_no_date_is_400(person: httpx2.Client, date: object) -> None:
    answer = ask(person, "Hi", date=date)
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert answer.json()["error"].startswith("date: Datetime ")
    assert read(person) == []


# While an answer is being given, and when there is none.


def test_a_question_is_there_before_the_model_answers(person: httpx2.Client, provider: FakeProvider) -> None:
    gate = Gate()
    provider.replies(text("At last", gate=gate))
    with pytest.raises(httpx2.ReadTimeout):
        person.post("/api/chat/message", json={"message": "Hi"}, timeout=0.3)
    provider.wait_for_requests()
    assert words(read(person)) == ["Hi"]
    gate.open()
    wait_for(person, 2)


def test_a_question_that_got_no_answer_is_there(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(status(400))
    assert ask(person, "Hi").status_code == 502
    assert words(read(person)) == ["Hi"]


def test_questions_without_an_answer_reach_the_model_joined(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(status(400), text("Yes"))
    ask(person, "Are you there?")
    ask(person, "Hello?")
    assert [message["content"] for message in provider.requests[-1].messages[1:]] == ["Are you there?\n\nHello?"]


# Pages.


@pytest.fixture
def talker(person: httpx2.Client) -> httpx2.Client:
    """Somebody who asked five times."""
    for number in range(5):
        ask(person, str(number))
    return person


def next_page(answer: httpx2.Response) -> str | None:
    """The address in the Link header."""
    link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
    return link[1] if link else None


def pages(person: httpx2.Client, query: str) -> list[list[dict[str, Any]]]:
    """All pages that the links lead to, the oldest first."""
    found: list[list[dict[str, Any]]] = []
    address: str | None = f"/api/chat/history{query}"
    while address:
        answer = person.get(address)
        assert answer.json()["data"] not in found
        found.insert(0, answer.json()["data"])
        address = next_page(answer)
    return found


def test_the_whole_history_comes_unless_asked_otherwise(talker: httpx2.Client) -> None:
    answer = talker.get("/api/chat/history")
    assert len(answer.json()["data"]) == 10
    assert "Link" not in answer.headers


def test_a_limit_gives_the_newest_messages_oldest_first(talker: httpx2.Client) -> None:
    assert words(read(talker, "?limit=3")) == ["You said: 3", "4", "You said: 4"]


@pytest.mark.parametrize("limit", [10, 11, 1_000_000])
def test_a_limit_may_be_more_than_there_is(talker: httpx2.Client, limit: int) -> None:
    assert len(read(talker, f"?limit={limit}")) == 10


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 9])
def test_the_links_lead_through_all_pages(talker: httpx2.Client, limit: int) -> None:
    found = pages(talker, f"?limit={limit}")
    assert [message for page in found for message in page] == read(talker)
    assert {len(page) for page in found[1:]} <= {limit}


def test_before_without_a_limit_gives_all_that_is_older(talker: httpx2.Client) -> None:
    assert words(read(talker, "?before=3")) == ["0", "You said: 0"]


def test_a_page_stays_the_same_while_the_talk_goes_on(talker: httpx2.Client) -> None:
    link = next_page(talker.get("/api/chat/history?limit=4"))
    assert link
    before = talker.get(link).json()
    ask(talker, "more")
    assert talker.get(link).json() == before


def test_before_the_first_message_there_is_nothing(talker: httpx2.Client) -> None:
    assert read(talker, "?before=1&limit=5") == []


@pytest.mark.parametrize("value", ["", "0", "-1", "x", "1.5", "1e3", "%00", "9" * 30, "9" * 5000, "1,2", "*"])
@pytest.mark.parametrize("name", ["limit", "before"])
def test_what_is_no_page_is_400_and_says_why(person: httpx2.Client, name: str, value: str) -> None:
    answer = person.get(f"/api/chat/history?{name}={value}")
    assert (answer.status_code, answer.json()["success"]) == (400, False)
    assert answer.json()["error"].startswith(f"{name}: ")


def test_unknown_parameters_change_nothing(talker: httpx2.Client) -> None:
    assert read(talker, "?offset=5&email=*&page=x") == read(talker)


def test_the_address_of_the_next_page_is_the_agents_own(talker: httpx2.Client, server: Server) -> None:
    link = next_page(talker.get("/api/chat/history?limit=2"))
    assert link
    assert link.startswith(f"{server.url}/api/chat/history?")


def test_head_tells_the_same_without_a_body(talker: httpx2.Client) -> None:
    answer = talker.head("/api/chat/history?limit=2")
    assert (answer.status_code, answer.content) == (200, b"")
    assert next_page(answer)


# A long history.

IMAGE = "iVBORw0KGgo" * 1000 + "AAAA"

# Adds 1,998 messages to somebody's first two, 49 of them with the first one's image.
MANY_MORE = """
WITH question AS (
    SELECT message FROM chat_message message JOIN chat_conversation conversation
    ON conversation.id = message.conversation_id WHERE email = %s AND sequence = 1
), more AS (
    INSERT INTO chat_message
    SELECT (jsonb_populate_record(message, jsonb_build_object(
        'id', nextval(pg_get_serial_sequence('chat_message', 'id')), 'sequence', number, 'text', number::text,
        'role', CASE number %% 2 WHEN 1 THEN 'user' ELSE 'assistant' END,
        'blocks', CASE number %% 2 WHEN 1 THEN
            jsonb_build_array(jsonb_build_object('type', 'text', 'text', number::text))
            || CASE number %% 40 WHEN 1 THEN (message).blocks ELSE '[]' END END))).*
    FROM question, generate_series(3, 2000) number
    RETURNING id, sequence
)
INSERT INTO chat_attachment (message_id, position, name, base64)
SELECT more.id, 1, name, base64 FROM more, question JOIN chat_attachment ON message_id = (message).id
WHERE more.sequence %% 40 = 1
"""


@pytest.mark.parametrize("limit", [None, 170])
def test_a_long_history_comes_whole_or_in_pages(person: httpx2.Client, server: Server, limit: int | None) -> None:
    person.post("/api/chat/message", json={"message": [{"type": "image", "name": "x.png", "base64": IMAGE}]})
    with psycopg.connect(server.database_url) as connection:
        connection.execute(MANY_MORE, [person.headers["X-CC-EMAIL"]])
    messages = [message for page in pages(person, f"?limit={limit}" if limit else "") for message in page]
    assert words(messages[2:]) == [str(number) for number in range(3, 2001)]
    assert sum(block.get("base64") == IMAGE for message in messages for block in message["content"]) == 50


@pytest.fixture
def long_talk(db: None) -> str:  # noqa: ARG001
    """The e-mail of somebody with 2,000 messages, one in forty with an image."""
    conversation = Conversation.objects.create(email="long@example.com", last_sequence=2000)
    plain = [{"type": "text", "text": "Hi"}]
    drawn = [*plain, {"type": "image", "name": "x.png", "base64": ""}]
    messages = Message.objects.bulk_create(
        Message(
            conversation=conversation,
            sequence=number,
            role="user" if number % 2 else "assistant",
            text=str(number),
            blocks=(drawn if number % 40 == 1 else plain) if number % 2 else None,
            date=timezone.now(),
        )
        for number in range(1, 2001)
    )
    Attachment.objects.bulk_create(
        Attachment(message=message, position=1, name="x.png", base64=IMAGE)
        for message in messages
        if message.sequence % 40 == 1
    )
    return conversation.email


def test_a_long_history_is_read_with_two_queries(
    long_talk: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):
        said = [history.agent_message(message) for message in history.page(long_talk)]
    assert len(said) == 2000
    assert sum(block["base64"] == IMAGE for message in said for block in message["content"][1:]) == 50


def test_a_page_without_images_reads_none(long_talk: str, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1) as queries:
        said = [history.agent_message(message) for message in history.page(long_talk, limit=30)]
    assert len(said) == 30
    assert "chat_attachment" not in queries[0]["sql"]


def test_a_page_reads_no_images_but_its_own(long_talk: str, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(2):
        page = history.page(long_talk, limit=40, before=1000)
    images = [image for message in page if message.has_images for image in message.attachments.all()]
    assert [image.message_id for image in images] == [message.pk for message in page if message.sequence == 961]


def test_images_are_kept_apart_from_the_messages(person: httpx2.Client, server: Server) -> None:
    person.post("/api/chat/message", json={"message": [{"type": "image", "name": "x.png", "base64": IMAGE}]})
    with psycopg.connect(server.database_url) as connection:
        rows = connection.execute(
            "SELECT blocks::text, base64 FROM chat_conversation conversation"
            " JOIN chat_message message ON conversation_id = conversation.id"
            " JOIN chat_attachment ON message_id = message.id WHERE email = %s",
            [person.headers["X-CC-EMAIL"]],
        ).fetchall()
    assert [(IMAGE in blocks, base64) for blocks, base64 in rows] == [(False, IMAGE)]
