"""RETENTION_DAYS and `manage.py purge_history`: what is old goes, and nothing else."""

import io
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from chat import memory, storage
from chat.content import Image, Text
from chat.models import Attachment, Conversation, Fact, Message, Person, Summary
from operators.audit import Action
from operators.data import retention
from operators.data.retention import Purged
from operators.models import AuditEntry
from tests.conftest import Server, free_port

MONTH = timedelta(days=30)


def talked(email: str, days_ago: int) -> Conversation:
    """Somebody asked with an image, and was answered, so long ago; in a new conversation if there is none."""
    opened = storage.open_turn(email, [Text("Hi"), Image("a.png", "aGk=")], timezone.now())
    storage.close_turn(opened.answer.pk, {"text": "Well.", "status": "complete"}, [])
    then = timezone.now() - timedelta(days=days_ago)
    Message.objects.filter(pk__in=[opened.question.pk, opened.answer.pk]).update(created_at=then)
    Conversation.objects.filter(pk=opened.answer.conversation_id).update(last_activity_at=then)
    Person.objects.filter(email=email).update(last_activity_at=then)
    return Conversation.objects.get(pk=opened.answer.conversation_id)


def left(email: str) -> tuple[int, int, int]:
    """Conversations, messages and images."""
    messages = Message.objects.filter(conversation__email=email)
    return (
        Conversation.objects.filter(email=email).count(),
        messages.count(),
        Attachment.objects.filter(message__in=messages).count(),
    )


def purge_history(*options: str) -> str:
    output = io.StringIO()
    call_command("purge_history", *options, stdout=output)
    return output.getvalue()


@pytest.mark.django_db
def test_what_is_older_goes_and_what_is_newer_stays(email: str) -> None:
    talked(email, 31)
    talked(f"x{email}", 29)
    retention.purge(MONTH)
    assert left(email) == (0, 0, 0)
    assert left(f"x{email}") == (1, 2, 1)


@pytest.mark.django_db
def test_a_conversation_that_goes_on_loses_its_old_messages(email: str) -> None:
    talked(email, 31)
    talked(email, 1)
    retention.purge(MONTH)
    assert left(email) == (1, 2, 1)
    assert list(Message.objects.filter(conversation__email=email).values_list("sequence", flat=True)) == [3, 4]


@pytest.mark.django_db
def test_an_old_summary_goes(email: str) -> None:
    conversation = talked(email, 1)
    for days in (31, 1):
        summary = Summary.objects.create(conversation=conversation, through=days, text="They greeted.")
        Summary.objects.filter(pk=summary.pk).update(created_at=timezone.now() - timedelta(days=days))
    retention.purge(MONTH)
    assert [summary.through for summary in conversation.summaries.all()] == [1]


@pytest.mark.django_db
@pytest.mark.parametrize(("last", "facts"), [(31, 0), (1, 1)])
def test_facts_go_with_the_last_conversation(email: str, last: int, facts: int) -> None:
    talked(email, last)
    memory.remember(email, "Has a dog")
    Fact.objects.filter(email=email).update(created_at=timezone.now() - timedelta(days=40))
    retention.purge(MONTH)
    assert Fact.objects.filter(email=email).count() == Person.objects.filter(email=email).count() == facts


@pytest.mark.django_db
def test_anonymous_calls_go_too() -> None:
    conversation = talked("", 31)
    retention.purge(MONTH)
    assert not Conversation.objects.filter(pk=conversation.pk).exists()


@pytest.mark.django_db
def test_an_answer_in_the_making_is_left_alone(email: str) -> None:
    answer = storage.open_turn(email, [Text("Hi")], timezone.now()).answer
    Message.objects.filter(pk=answer.pk).update(created_at=timezone.now() - timedelta(days=31))
    retention.purge(MONTH)
    assert Message.objects.filter(pk=answer.pk).exists()


@pytest.mark.django_db
def test_many_go_in_batches_and_an_end_is_heeded(email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    for _ in range(3):
        talked(email, 400)
    age = timedelta(days=399)
    assert retention.purge(age, paused=lambda _: True) == Purged(messages=2)
    assert left(email) == (1, 4, 2)
    assert retention.purge(age) == Purged(messages=4, conversations=1, people=1)


@pytest.mark.django_db
def test_a_dry_run_says_the_same_and_touches_nothing(email: str) -> None:
    talked(email, 31)
    memory.remember(email, "Has a dog")
    Fact.objects.filter(email=email).update(created_at=timezone.now() - timedelta(days=40))
    would = retention.purge(MONTH, dry_run=True)
    assert left(email) == (1, 2, 1)
    assert would == retention.purge(MONTH)


# The command.


@pytest.mark.django_db
def test_the_command_says_what_went_and_is_logged(email: str) -> None:
    talked(email, 31)
    assert "Dry run, nothing was touched. Older than 30 days: " in purge_history("--older-than", "30", "--dry-run")
    assert purge_history("--older-than", "30").startswith("Removed: ")
    assert AuditEntry.objects.filter(who="manage.py purge_history", action=Action.DELETED).count() == 1
    assert left(email) == (0, 0, 0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("options", "sentence"),
    [((), "--older-than 90, or set RETENTION_DAYS"), (("--older-than", "0"), "must be 1 to 36,500")],
)
def test_without_an_age_nothing_goes(options: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        purge_history(*options)


@pytest.fixture
def another_process() -> Iterator[psycopg.Connection]:
    details = connection.get_connection_params() | {"dbname": connection.settings_dict["NAME"]}
    with psycopg.connect(**{name: details[name] for name in ("host", "port", "user", "password", "dbname")}) as other:
        yield other


@pytest.mark.django_db
def test_one_process_at_a_time(another_process: psycopg.Connection) -> None:
    another_process.execute("SELECT pg_advisory_lock(%s)", [retention._LOCK])
    with pytest.raises(CommandError, match="Another process"):
        purge_history("--older-than", "30")


# `serve`.


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_serve_removes_what_is_old_at_its_start(tmp_path: Path, server: Server, email: str) -> None:
    with server.client(email) as person:
        assert person.post("/api/chat/message", json={"message": "Hi"}).status_code == 200
    with psycopg.connect(server.database_url, autocommit=True) as database:
        for statement in (
            "UPDATE chat_message SET created_at = now() - interval '36000 days' WHERE conversation_id IN"
            " (SELECT id FROM chat_conversation WHERE email = %s)",
            "UPDATE chat_conversation SET last_activity_at = now() - interval '36000 days' WHERE email = %s",
        ):
            database.execute(statement, [email])
        env = server.env | {"RETENTION_DAYS": "35999", "PORT": free_port()}
        other = Server(env, tmp_path / "log")
        try:
            until(lambda: "Older than RETENTION_DAYS and removed: " in other.output)
        finally:
            other.stop()
        assert not database.execute("SELECT 1 FROM chat_conversation WHERE email = %s", [email]).fetchone()
