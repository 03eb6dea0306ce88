"""manage.py import_template: histories and texts out of a template's Redis."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from redis import Redis as Client

from chat import history, storage
from chat.content import Text
from chat.models import Conversation, Message, Person, Summary
from context.models import Document
from tests.commands import Ran, run
from tests.conftest import Redis

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Template:
    """A template's Redis, filled as the template does it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.redis = Client.from_url(url)

    def keeps(self, user: str, value: object, time: str = "2025-11-07T10:30:00.000Z") -> str:
        written = value if isinstance(value, str) else json.dumps(value)
        digest = base64.b64encode(hashlib.sha256(written.encode()).digest()).decode()
        key = f"messages:chat:{user}:{digest}:{time}"
        self.redis.set(key, written.encode(errors="surrogatepass"))
        return key

    def said(self, user: str, role: str, text: str, time: str = "2025-11-07T10:30:00.000Z") -> str:
        return self.keeps(user, {"role": role, "content": [{"type": "text", "text": text}], "date": time}, time)

    def knows(self, number: int, text: str, source: str = "context", line: int = 1) -> None:
        about = json.dumps({"source": source, "loc": {"lines": {"from": line, "to": line}}})
        escaped = about.replace("-", "\\-").replace(":", "\\:").replace('"', '\\"')
        fields = {"content": text, "metadata": escaped, "content_vector": b"\x00\xff" * 8}
        self.redis.hset(f"doc:vector_store:{number}", mapping=fields)  # type: ignore[arg-type]

    def imported(self, *options: str) -> Ran:
        return run("import_template", "--redis-url", self.url, *options)


@pytest.fixture
def template(redis: Redis) -> Iterator[Template]:
    # Not the database that the servers of other tests use.
    template = Template(redis.url.removesuffix("/0") + "/7")
    template.redis.flushdb()
    yield template
    template.redis.flushdb()


def shown(email: str) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in history.page(email)]


@pytest.mark.django_db
def test_a_history_comes_with_its_order_and_its_dates(template: Template, email: str) -> None:
    template.said(email, "assistant", "Hello Ann.", "2025-11-07T10:30:00.000Z")
    template.said(email, "user", "Hello", "2025-11-07T10:30:00.000Z")
    template.said(email, "user", "Before", "2025-11-06T10:30:00.123Z")
    assert template.imported().code == 0
    assert shown(email) == [("user", "Before"), ("user", "Hello"), ("assistant", "Hello Ann.")]
    assert history.agent_message(history.page(email)[0])["date"] == "2025-11-06T10:30:00.123000Z"


@pytest.mark.django_db
def test_a_person_was_last_active_there(template: Template, email: str) -> None:
    template.said(email, "user", "Before", "2025-11-06T10:30:00.123Z")
    template.said(email, "assistant", "Hello Ann.", "2025-11-07T10:30:00.000Z")
    template.imported()
    person = Person.objects.get(email=email)
    assert (person.created_at.day, person.last_activity_at.day, person.messages) == (6, 7, 2)
    assert Conversation.objects.get(email=email).last_activity_at.day == 7


@pytest.mark.django_db
def test_twice_is_the_same_as_once(template: Template, email: str) -> None:
    template.said(email, "user", "Hello")
    template.imported()
    assert "0 messages of 1 people added, 1 there already" in template.imported().out
    assert len(shown(email)) == 1


@pytest.mark.django_db
def test_once_more_brings_what_was_said_there_since(template: Template, email: str) -> None:
    template.said(email, "user", "First", "2025-11-07T10:30:00.000Z")
    template.imported()
    template.said(email, "user", "Second", "2025-11-07T10:31:00.000Z")
    template.imported()
    assert [text for _, text in shown(email)] == ["First", "Second"]


@pytest.mark.django_db
def test_what_was_said_here_already_comes_after_it(template: Template, email: str) -> None:
    opened = storage.open_turn(email, [Text("Here")], timezone.now())
    storage.close_turn(opened.answer.pk, {"text": "Answer", "status": "complete"}, [])
    Summary.objects.create(conversation=opened.question.conversation, through=2, text="of before")
    template.said(email, "user", "There")
    template.imported()
    assert [text for _, text in shown(email)] == ["There", "Here", "Answer"]
    assert list(Message.objects.filter(conversation__email=email).values_list("sequence", flat=True)) == [1, 2, 3]
    assert not Summary.objects.filter(conversation__email=email).exists()
    assert storage.open_turn(email, [Text("Next")], timezone.now()).question.sequence == 4


@pytest.mark.django_db
def test_nothing_comes_back_that_was_archived(template: Template, email: str) -> None:
    template.said(email, "user", "Hello")
    template.imported()
    storage.archive(email)
    template.imported()
    assert shown(email) == []


@pytest.mark.django_db
def test_somebody_who_is_being_answered_is_left_for_later(
    template: Template, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.management.commands.import_template._BUSY_SECONDS", 0)
    storage.open_turn(email, [Text("Here")], timezone.now())
    template.said(email, "user", "There")
    ran = template.imported()
    assert (ran.code, shown(email)) == (1, [("user", "Here")])
    assert "run this again" in ran.err


@pytest.mark.django_db
def test_a_dry_run_says_the_same_and_stores_nothing(template: Template, email: str) -> None:
    template.said(email, "user", "Hello")
    template.knows(1, f"Ann's address is {email}.")
    dry = template.imported("--dry-run").out
    assert not Conversation.objects.filter(email=email).exists()
    assert not Document.objects.filter(text__contains=email).exists()
    assert dry == f"Dry run, nothing was stored: {template.imported().out}"


@pytest.mark.django_db
def test_images_and_files_come_along(template: Template, email: str) -> None:
    notes = base64.b64encode(b"Zebras sleep standing up.").decode()
    blocks = [
        {"type": "image", "name": "dot.png", "base64": PIXEL},
        {"type": "file", "name": "notes.txt", "base64": f"data:text/plain;base64,{notes}"},
        None,
    ]
    template.keeps(email, {"role": "user", "content": blocks})
    assert template.imported().code == 0
    image, file = history.agent_message(history.page(email)[0])["content"]
    assert image == {"type": "image", "name": "dot.png", "base64": PIXEL}
    assert file == {"type": "file", "name": "notes.txt", "text": "Zebras sleep standing up."}


@pytest.mark.parametrize(
    "value",
    [
        {"role": "human", "content": "Hello"},
        {"type": "human", "data": {"content": "Hello", "additional_kwargs": {}}},
        {
            "lc": 1,
            "type": "constructor",
            "id": ["langchain_core", "messages", "HumanMessage"],
            "kwargs": {"content": "Hello"},
        },
        {"role": "user", "content": [{"type": "text", "text": "Hello"}], "date": 1762511400000},
        {"role": "user", "message": "Hello", "date": "no date"},
    ],
)
@pytest.mark.django_db
def test_other_shapes_are_understood(template: Template, email: str, value: dict[str, Any]) -> None:
    template.keeps(email, value)
    assert template.imported().code == 0
    assert shown(email) == [("user", "Hello")]
    assert history.agent_message(history.page(email)[0])["date"] == "2025-11-07T10:30:00Z"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('"Hello"', "is no message"),
        ('{"content": "Hello"}', "does not say whose it is"),
        ('{"role": "user", "content": []}', "is empty"),
        ('{"role": "user", "content": [7]}', "has a part that is no block"),
        ('{"role": "user", "content": [{"type": "image", "base64": "?"}]}', "has an image that is none"),
        ('{"role": "user", "content": [{"type": "file", "base64": 7}]}', "has a file without a text"),
    ],
)
@pytest.mark.django_db
def test_what_is_broken_is_named_and_the_rest_comes(template: Template, email: str, value: str, why: str) -> None:
    key = template.keeps(email, value)
    template.said(email, "user", "Hello")
    ran = template.imported()
    assert (ran.code, shown(email)[-1]) == (1, ("user", "Hello"))
    assert f"{key}: {why}" in ran.err


@pytest.mark.django_db
def test_text_that_postgres_cannot_hold_is_cleaned(template: Template, email: str) -> None:
    template.keeps(email, '{"role": "user", "content": "a\\u0000b\\ud800c"}')
    assert template.imported().code == 0
    assert shown(email) == [("user", "a\ufffdb\ufffdc")]


@pytest.mark.django_db
def test_keys_of_other_kinds_are_named(template: Template) -> None:
    template.redis.rpush("messages:chat:list:" + "x" * 44 + ":2025-11-07T10:30:00.000Z", "Hello")
    template.redis.set("messages:chat:odd", "Hello")
    template.redis.set("doc:vector_store:0", "Hello")
    ran = template.imported("--map", "list=ann@example.com")
    assert (ran.code, ran.err.count("\n")) == (1, 3)
    assert "3 unreadable" in ran.out


@pytest.mark.django_db
def test_tool_results_are_left_out(template: Template, email: str) -> None:
    template.keeps(email, {"role": "tool", "content": "42"})
    assert "1 of tools skipped" in template.imported().out


@pytest.mark.django_db
def test_who_is_no_email_stays_there_unless_named(template: Template, email: str) -> None:
    template.said("12345", "user", "Hello")
    ran = template.imported()
    assert (ran.code, "12345: is no e-mail address, 1 messages stay there." in ran.err) == (1, True)
    assert template.imported("--map", f"12345={email}").code == 0
    assert shown(email) == [("user", "Hello")]


@pytest.mark.django_db
def test_an_address_that_another_begins_with_stays_apart(template: Template, email: str) -> None:
    template.said(email, "user", "mine")
    template.said(f"{email}.za", "user", "hers")
    template.said(f" {email.upper()}", "user", "mine too", "2025-11-08T10:30:00.000Z")
    template.imported()
    assert [text for _, text in shown(email)] == ["mine", "mine too"]


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_bring_everything_once(template: Template, email: str) -> None:
    for number in range(30):
        template.said(email, "user", f"Message {number}", f"2025-11-07T10:30:{number:02}.000Z")

    def imported() -> None:
        template.imported()
        connections.close_all()

    threads = [threading.Thread(target=imported) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [text for _, text in shown(email)] == [f"Message {number}" for number in range(30)]
    Conversation.objects.filter(email=email).delete()


@pytest.mark.django_db
def test_a_text_that_was_cut_is_whole_again(template: Template, email: str) -> None:
    words = [f"{email} word{number}" for number in range(60)]
    pieces = [" ".join(words[start : start + 25]) for start in (0, 20, 40)]
    for number, piece in enumerate(pieces, 9):
        template.knows(number, piece)
    template.knows(12, f"Something else of {email}.")
    assert "2 texts added" in template.imported().out
    assert Document.objects.get(text__contains="word30").text == " ".join(words)


@pytest.mark.django_db
def test_a_page_keeps_its_address_and_its_lines(template: Template, email: str) -> None:
    address = f"https://example.com/{email}"
    template.knows(0, "One line", address, 1)
    template.knows(1, "and another", address, 5)
    template.imported()
    document = Document.objects.get(sources__address=address)
    assert document.text == "One line\nand another"
    assert "0 texts added, 1 there already" in template.imported().out


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--redis-url", "http://localhost"], "is no address of a Redis server"),
        (["--redis-url", "redis://:secret@127.0.0.1:1/0"], "Redis does not answer"),
        ([], "Name the template's Redis"),
        (["--map", "12345"], "is not like 12345=ann@example.com"),
    ],
)
@pytest.mark.django_db
def test_what_is_wrong_is_a_sentence(options: list[str], why: str) -> None:
    ran = run("import_template", *options)
    assert (ran.code, why in ran.err, "secret" in ran.err) == (1, True, False)
