"""The admin: what operators see of conversations and documents, and what strangers do not."""

import base64
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
from chat.content import Block, Image, Text
from chat.models import Attachment, Conversation, Message, ToolCall
from context.ingest import ingest
from context.models import Document

pytestmark = pytest.mark.django_db

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(2000)).decode()
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"
Get = Callable[..., Any]


def visit(user: User | None) -> Get:
    """How somebody's browser gets a page, over https."""
    client = Client()
    if user:
        client.force_login(user)

    def get(path: str, **query: str) -> Any:
        return client.get(f"/admin/{path}", query, secure=True)

    return get


@pytest.fixture
def get() -> Get:
    """An operator's browser."""
    return visit(User.objects.create_superuser("operator"))


def say(email: str, *blocks: Block, answer: str = "Well.", **outcome: object) -> Message:
    """A turn as the chat stores it; returns the answer."""
    message = storage.open_turn(email, blocks, timezone.now()).answer
    storage.close_turn(message.pk, {"text": answer, "status": Message.Status.COMPLETE, **outcome}, [])
    return message


# Conversations.


def test_the_conversations_are_listed_by_person(get: Get) -> None:
    say("ann@example.com", Text("Hi"))
    say("", Text("Hi"))
    page = get("chat/conversation/").content.decode()
    assert "ann@example.com" in page
    assert "anonymous call" in page


def test_conversations_are_found_by_email(get: Get) -> None:
    for email in ("ann@example.com", "bob@example.com"):
        say(email, Text("Hi"))
    page = get("chat/conversation/", q="ann@").content.decode()
    assert "ann@example.com" in page
    assert "bob@example.com" not in page


def queries(get: Get, path: str) -> int:
    """How many queries a page takes when what Django keeps in memory is there."""
    get(path)
    with CaptureQueriesContext(connection) as captured:
        assert get(path).status_code == 200
    return len(captured)


@pytest.mark.parametrize("path", ["chat/person/", "chat/conversation/", "chat/message/", "context/document/"])
def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(path: str, get: Get) -> None:
    def add(numbers: range) -> None:
        for number in numbers:
            say(f"p{number}@example.com", Text("Hi"))
            ingest(f"Zebra {number}")

    add(range(2))
    few = queries(get, path)
    add(range(2, 30))
    assert queries(get, path) == few < 10


def called(position: int, text_offset: int, step: int, name: str, arguments: str) -> storage.MadeCall:
    result = ToolResult(ToolCallRequest("1", name, arguments), f"{name}'s result", step == 2, 12, "a trace", step)
    return storage.MadeCall(position, text_offset, result)


def test_calls_that_are_stored_twice_are_there_once() -> None:
    message = say("ann@example.com", Text("Hi"))
    calls = [called(number, 0, 1, f"tool_{number}", "{}") for number in range(3)]
    storage.save_running({}, {message.pk: calls[:2]})
    storage.close_turn(message.pk, {}, calls)
    storage.close_turn(message.pk, {}, calls)
    assert [call.name for call in ToolCall.objects.all()] == ["tool_0", "tool_1", "tool_2"]


def test_calls_of_an_answer_that_was_deleted_meanwhile_are_dropped() -> None:
    message = say("ann@example.com", Text("Hi"))
    Message.objects.all().delete()
    storage.save_running({message.pk: ""}, {message.pk: [called(0, 0, 1, "late", "{}")]})
    assert not ToolCall.objects.exists()


@pytest.mark.parametrize("path", ["chat/conversation/add/", "chat/message/add/"])
def test_a_record_is_not_made_up(path: str, get: Get) -> None:
    assert get(path).status_code == 403


# Images.


def image_of(message: Message, base64_text: str) -> Attachment:
    return Attachment.objects.create(message=message, position=9, name="a", base64=base64_text)


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_the_link_leads_to_the_image(prefix: str, get: Get) -> None:
    attachment = image_of(say("ann@example.com", Text("Hi")), prefix + PNG)
    response = get(f"chat/conversation/image/{attachment.pk}")
    assert response.content == base64.b64decode(PNG)
    assert response["Content-Type"] == "image/png"


@pytest.mark.parametrize("kind", ["image/svg+xml", "text/html", "image/png\r\nX: y", "image/x-unknown"])
def test_what_could_act_as_a_page_is_only_downloaded(kind: str, get: Get) -> None:
    page = base64.b64encode(HOSTILE.encode()).decode()
    attachment = image_of(say("ann@example.com", Text("Hi")), f"data:{kind};base64,{page}")
    response = get(f"chat/conversation/image/{attachment.pk}")
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"] == "attachment"


def test_an_image_comes_with_headers_that_keep_it_an_image(get: Get) -> None:
    attachment = image_of(say("ann@example.com", Text("Hi")), PNG)
    response = get(f"chat/conversation/image/{attachment.pk}")
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_an_image_that_is_none_is_not_found(get: Get) -> None:
    assert get("chat/conversation/image/1").status_code == 404


# Documents and prompts.


def test_documents_are_listed_and_found(get: Get) -> None:
    ingest("Zebras sleep standing up.", title="Zebra facts", added_by="ann@example.com")
    ingest("Lions sleep lying down.", title="Lion facts")
    page = get("context/document/", q="standing").content.decode()
    assert "Zebra facts" in page
    assert "ann@example.com" in page
    assert "Lion facts" not in page


def test_a_document_shows_its_chunks(get: Get) -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "This and that. " * 40 for number in range(10))
    document = ingest(text, title=HOSTILE).document
    page = get(f"context/document/{document.pk}/change/").content.decode()
    chunks = [chunk.text.split(".")[0] for chunk in document.chunks.all()]
    assert len(chunks) > 3
    assert [page.count(chunk) >= 2 for chunk in chunks] == [True] * len(chunks)
    assert "<script>alert" not in page


def post(path: str, **form: str) -> None:
    """What an operator's browser sends."""
    client = Client()
    client.force_login(User.objects.get_or_create(username="operator", is_staff=True, is_superuser=True)[0])
    assert client.post(f"/admin/{path}", form, secure=True).status_code == 302


def test_a_document_may_be_deleted() -> None:
    document = ingest("Zebras sleep standing up.").document
    post(f"context/document/{document.pk}/delete/", post="yes")
    assert not Document.objects.exists()


# Who is refused.

PAGES = ["", "chat/conversation/", "chat/message/", "chat/prompt/", "context/document/", "auth/user/"]


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_is_sent_to_the_door(path: str) -> None:
    response = visit(None)(path)
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("path", PAGES)
def test_somebody_who_is_no_operator_is_too(path: str) -> None:
    assert visit(User.objects.create_user("reader"))(path).status_code == 302


@pytest.mark.parametrize("user", [None, {}, {"is_staff": True}])
def test_an_image_is_not_for_them_either(user: dict[str, bool] | None) -> None:
    attachment = image_of(say("ann@example.com", Text("Hi")), PNG)
    somebody = None if user is None else User.objects.create_user("reader", **user)  # type: ignore[arg-type]
    assert visit(somebody)(f"chat/conversation/image/{attachment.pk}").status_code in (302, 404)


def test_an_operator_sees_what_the_permissions_say() -> None:
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_document"))
    pages = visit(user)
    assert pages("context/document/").status_code == 200
    assert pages("chat/conversation/").status_code == 403


def test_deleting_a_conversation_deletes_all_of_it() -> None:
    message = say("ann@example.com", Image("a.png", PNG))
    post(f"chat/conversation/{message.conversation_id}/delete/", post="yes")
    assert (Conversation.objects.count(), Message.objects.count(), Attachment.objects.count()) == (0, 0, 0)
