"""Transcripts as operators read them."""

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import storage
from chat.agent.events import ToolCallRequest, ToolResult
from chat.content import Block, File, Image, Text
from chat.models import Attachment, Message
from context.ingest import ingest
from operators.models import AuditEntry

pytestmark = pytest.mark.django_db

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(2000)).decode()
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"
Get = Callable[..., Any]


def visit(*permissions: str, **about: bool) -> Get:
    """How the browser of a member of the staff gets a page, over https."""
    user = User.objects.create_user(f"user{User.objects.count()}", is_staff=True, **about)  # type: ignore[arg-type]
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)

    def get(path: str, **query: str | int) -> Any:
        return client.get(f"/admin/{path}", query, secure=True)

    return get


@pytest.fixture
def get() -> Get:
    return visit(is_superuser=True)


def say(email: str, *blocks: Block, answer: str = "Well.", **outcome: Any) -> Message:
    """A turn as the chat stores it; returns the answer."""
    message = storage.open_turn(email, blocks, timezone.now()).answer
    storage.close_turn(message.pk, {"text": answer, "status": Message.Status.COMPLETE, **outcome}, [])
    return message


def page_of(get: Get, shown: Message, /, **query: str | int) -> str:
    return str(get(f"chat/conversation/{shown.conversation_id}/change/", **query).content.decode())


def transcript(page: str) -> str:
    """The messages of a page, without what is around them."""
    return page[page.index('class="op-transcript"') :]


def test_a_transcript_is_in_order(get: Get, email: str) -> None:
    for number in range(3):
        message = say(email, Text(f"question {number}"), answer=f"answer {number}")
    order = [f"{side} {number}" for number in range(3) for side in ("question", "answer")]
    assert re.findall(r"(?:question|answer) \d", transcript(page_of(get, message))) == order


def test_an_answer_is_rendered_as_markdown(get: Get, email: str) -> None:
    page = page_of(get, say(email, Text("**Hi**"), answer="It is **bold**."))
    assert "<strong>bold</strong>" in page
    assert "**Hi**" in page


def test_what_a_person_or_a_model_writes_is_never_markup(get: Get, email: str) -> None:
    blocks = Text(HOSTILE), File(HOSTILE, HOSTILE), Image(HOSTILE, PNG)
    message = say(email, *blocks, answer=HOSTILE, error=HOSTILE)
    call = ToolResult(ToolCallRequest(HOSTILE, HOSTILE, HOSTILE), HOSTILE, True, 1, HOSTILE)
    storage.close_turn(message.pk, {}, [storage.MadeCall(0, 0, call)])
    page = page_of(get, message)
    assert page.count("&lt;script&gt;alert(") >= 8
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def called(position: int, text_offset: int, step: int, name: str, arguments: str) -> storage.MadeCall:
    result = ToolResult(ToolCallRequest("1", name, arguments), f"{name}'s result", step == 2, 12, "a trace", step)
    return storage.MadeCall(position, text_offset, result)


def test_tool_calls_stand_where_they_were_made(get: Get, email: str) -> None:
    message = say(email, Text("Hi"), answer="Let me see. And now: Five.")
    calls = [called(0, 12, 1, "look", '{"at": "ä"}'), called(1, 12, 1, "hear", ""), called(2, 21, 2, "guess", "{")]
    storage.close_turn(message.pk, {}, calls)
    page = transcript(page_of(get, message))
    parts = ["Let me see.", "look", "at: &quot;ä&quot;", "look&#x27;s result", "hear", "And now:", "guess", "Five."]
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
    assert "a trace" in page


def test_an_image_is_a_thumbnail_that_opens(get: Get, email: str) -> None:
    page = page_of(get, say(email, Image("a.png", PNG)))
    [attachment] = Attachment.objects.filter(message__conversation__email=email)
    address = f"/admin/chat/conversation/image/{attachment.pk}"
    assert f'<a class="op-image" href="{address}"' in page
    assert f'<img src="{address}" alt="a.png" loading="lazy">' in page


def test_a_drawing_that_could_act_is_only_a_link(get: Get, email: str) -> None:
    page = page_of(get, say(email, Image("a.svg", "data:image/svg+xml;base64,PHN2Zy8+")))
    assert "Image a.svg" in page
    assert 'class="op-image"' not in page


def test_a_file_is_folded(get: Get, email: str) -> None:
    page = page_of(get, say(email, File("notes.txt", "line one\nline two")))
    assert re.search(r"<details class=\"op-fold\"><summary>File notes.txt</summary>", page)


PASSAGE = {"document": 0, "title": "Handbook", "source": "https://a.example/", "heading": "Intro", "score": 0.81234}


def test_an_answer_says_why(get: Get, email: str) -> None:
    outcome: dict[str, Any] = {
        "provider": "openai",
        "model": "gpt-x",
        "finish_reason": "stop",
        "prompt_tokens": 1234,
        "error": "Ouch",
    }
    times: dict[str, Any] = {"completion_tokens": 56, "first_token_ms": 789, "total_ms": 4321, "cost": "0.0123"}
    page = page_of(get, say(email, Text("Hi"), **outcome, **times, passages=[{**PASSAGE, "chunks": [1]}]))
    for shown in ("gpt-x", "openai", "(stop)", "1,234 in, 56 out", "0.79 s", "4.32 s", "$0.0123", "Ouch", "0.812"):
        assert shown in page
    assert "Handbook" in page
    assert "the document is not there any more" in page


def test_its_passages_lead_to_document_and_chunk(get: Get, email: str) -> None:
    document = ingest("Penguins breed in colonies.", title="Penguins").document
    chunk = document.chunks.get()
    given = {**PASSAGE, "document": document.pk, "chunks": [chunk.pk]}
    page = page_of(get, say(email, Text("Where do they breed?"), passages=[given]))
    found = [f"context/document/{document.pk}/change/", f"context/chunk/{chunk.pk}/change/"]
    assert all(f'href="/admin/{path}"' in page for path in found)
    assert "Penguins breed in colonies." in get(found[1]).content.decode()


def test_a_transcript_takes_as_many_queries_for_many_messages_as_for_few(get: Get, email: str) -> None:
    def queries(messages: int) -> int:
        for _ in range(messages):
            message = say(email, Text("Look"), Image("a.png", PNG), passages=[{**PASSAGE, "chunks": [1]}])
            storage.close_turn(message.pk, {}, [called(0, 0, 1, "look", "{}")])
        page_of(get, message)
        with CaptureQueriesContext(connection) as captured:
            page_of(get, message)
        return len(captured)

    assert queries(2) == queries(28) < 15


# Long conversations.


@pytest.fixture
def long(email: str) -> Message:
    """The last answer of a hundred turns."""
    for number in range(100):
        message = say(email, Text(f"question {number}!"))
    return message


def questions(page: str) -> list[int]:
    return [int(number) for number in re.findall(r"question (\d+)!", transcript(page))]


def test_a_long_conversation_shows_its_end_first(get: Get, long: Message) -> None:
    page = page_of(get, long)
    assert questions(page) == list(range(70, 100))
    assert "Later messages" not in page
    assert " data-live" in page


def test_the_way_back_leads_through_all_of_it(get: Get, long: Message) -> None:
    seen: list[int] = []
    query: dict[str, str | int] = {}
    while True:
        page = page_of(get, long, **query)
        seen = questions(page) + seen
        earlier = re.search(r'href="\?before=(\d+)', page)
        if not earlier:
            break
        query = {"before": int(earlier[1])}
    assert seen == list(range(100))


def test_a_page_around_a_message_holds_it_in_its_middle(get: Get, long: Message) -> None:
    message = Message.objects.get(conversation=long.conversation_id, text="question 40!")
    page = page_of(get, long, message=message.pk)
    assert f'id="message-{message.pk}"' in page
    assert questions(page) == list(range(25, 55))
    assert " data-live" not in page


@pytest.mark.parametrize("query", [{"message": "x"}, {"message": "9" * 30}, {"before": "-1"}, {"after": "²"}])
def test_a_place_that_is_none_is_the_end(query: dict[str, str], get: Get, email: str) -> None:
    assert "Well." in page_of(get, say(email, Text("Hi")), **query)


def test_a_message_leads_to_its_place(get: Get, email: str) -> None:
    message = say(email, Text("Hi"))
    location = get(f"chat/message/{message.pk}/change/")["Location"]
    expected = f"/admin/chat/conversation/{message.conversation_id}/change/?message={message.pk}#message-{message.pk}"
    assert location == expected


# Who may read, and who did.


@pytest.mark.parametrize("permissions", [(), ("view_conversation",), ("view_message",), ("view_person",)])
def test_a_transcript_is_not_for_everybody(permissions: tuple[str, ...], email: str) -> None:
    message = say(email, Text("Hi"))
    response = visit(*permissions)(f"chat/conversation/{message.conversation_id}/change/")
    assert response.status_code == 403


def test_a_transcript_is_for_who_may_see_messages(email: str) -> None:
    message = say(email, Text("Hi"))
    page = page_of(visit("view_conversation", "view_message"), message)
    assert "Well." in page
    assert "Ask again" not in page


def test_who_reads_is_in_the_log_once_an_hour(get: Get, email: str) -> None:
    message = say(email, Text("Hi"))
    for _ in range(3):
        page_of(get, message)
    assert AuditEntry.objects.filter(whom=email, action="viewed").count() == 1


@pytest.mark.parametrize("path", ["chat/conversation/999999999/change/", "chat/person/x/change/"])
def test_what_is_not_there_is_not_found(path: str, get: Get) -> None:
    assert get(path).status_code == 404
