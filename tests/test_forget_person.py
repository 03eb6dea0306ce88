"""`operators.data.forgetting` and `manage.py forget_person`: what is left of a person, and what the proof says."""

import io
import json
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

import httpx2
import psycopg
import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from chat import memory, storage
from chat.content import Image, Text
from chat.models import Conversation, Summary, ToolCall
from chat.money import spending
from context.ingest import ingest
from operators.audit import Action, record
from operators.data import forgetting
from operators.models import AuditEntry, ForgottenPerson
from tests.conftest import ROOT, Server, chunks
from tests.fake_provider import FakeProvider, Gate, call, text, tool_calls

STREAM = "/api/chat/message/stream"


def talked(email: str, words: str = "Hi") -> storage.OpenedTurn:
    opened = storage.open_turn(email, [Text(words), Image("a.png", "aGk=")], timezone.now())
    outcome = {"text": f"Well, {email}.", "status": "complete", "prompt_tokens": 3, "completion_tokens": 4}
    storage.close_turn(opened.answer.pk, outcome, [])
    ToolCall.objects.create(message=opened.answer, call_id="1", name="t", arguments=json.dumps({"who": email}))
    Summary.objects.create(conversation=opened.answer.conversation, through=2, text=email)
    spending.add(email, Decimal("0.01"), opened.answer.conversation_id)
    memory.remember(email, f"Writes from {email}")
    return opened


def places_of(words: str) -> set[str]:
    """The tables and columns of the whole database in which some words stand."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type IN ('text', 'character varying', 'jsonb', 'tsvector')"
        )
        found = set()
        for table, column in cursor.fetchall():
            cursor.execute(f'SELECT 1 FROM "{table}" WHERE "{column}"::text ILIKE %s LIMIT 1', [f"%{words}%"])
            if cursor.fetchone():
                found.add(f"{table}.{column}")
    return found


def forget(email: str, *options: str) -> str:
    output = io.StringIO()
    call_command("forget_person", email, *options, stdout=output)
    return output.getvalue()


@pytest.mark.django_db
def test_an_address_stands_nowhere_afterwards(email: str) -> None:
    talked(email)
    storage.archive(email)
    talked(email)
    record("ann", Action.VIEWED, whom=email, details=f"of <{email}>, not of x{email}")
    assert len(places_of(email)) > 8
    forgetting.forget(email, "ann")
    assert places_of(email) == {"operators_auditentry.details"}
    [details] = AuditEntry.objects.filter(details__contains=email).values_list("details", flat=True)
    assert details.endswith(f", not of x{email}")


@pytest.mark.django_db
def test_what_they_added_stays_without_their_name(email: str) -> None:
    document = ingest("Zebras sleep standing up.", added_by=email).document
    talked(email)
    proof = forgetting.forget(email, "ann")
    document.refresh_from_db()
    assert (document.added_by, proof.counts["documents_added"]) == ("", 1)


@pytest.mark.django_db
def test_the_proof_tells_how_much_and_who_and_not_whom(email: str) -> None:
    talked(email)
    forgetting.forget(email, "ann")
    [proof] = forgetting.proofs(email)
    assert proof.counts == {
        "conversations": 1, "messages": 2, "attachments": 1, "tool_calls": 1, "summaries": 1, "facts": 1, "tokens": 7,
        "documents_added": 0,
    }  # fmt: skip
    assert (proof.by, proof.masked) == ("ann", f"{email[0]}…@e….com")
    assert not forgetting.proofs(f"x{email}")


@pytest.mark.django_db
def test_the_log_says_that_somebody_was_forgotten(email: str) -> None:
    talked(email)
    proof = forgetting.forget(email, "ann")
    entry = AuditEntry.objects.get(action=Action.FORGOT, whom=proof.masked)
    assert (entry.who, entry.details) == ("ann", "2 messages")


@pytest.mark.django_db
def test_an_operator_who_is_the_person_stays_in_the_log_as_operator(email: str) -> None:
    talked(email)
    user = User.objects.create_user(email)
    LogEntry.objects.create(
        user=user, content_type=ContentType.objects.get_for_model(User), object_repr=email, action_flag=ADDITION
    )
    record(user, Action.VIEWED, whom=email)
    forgetting.forget(email, "ann")
    assert AuditEntry.objects.get(who=email).whom == forgetting.masked(email)
    assert LogEntry.objects.get(user=user).object_repr == forgetting.masked(email)


@pytest.mark.django_db
def test_the_command_says_what_went(email: str) -> None:
    talked(email)
    told = forget(f" {email.upper()}", "--yes")
    assert f"Stored of {email}: 1 conversations, 2 messages, 1 attachments" in told
    assert f"Proof {ForgottenPerson.objects.latest('pk').pk} of " in told
    assert not Conversation.objects.filter(email=email).exists()


@pytest.mark.django_db
def test_it_asks_first(email: str) -> None:
    talked(email)
    with pytest.raises(CommandError, match="say --yes"):
        forget(email)
    assert Conversation.objects.filter(email=email).exists()


@pytest.mark.django_db
@pytest.mark.parametrize(("given", "sentence"), [("nobody@example.com", "Nothing is stored of"), ("x", "no e-mail")])
def test_a_wrong_address_is_told(given: str, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        forget(given, "--yes")


@pytest.mark.django_db
def test_the_command_exports_first(email: str, tmp_path: Path) -> None:
    talked(email, "Keep this")
    forget(email, "--yes", "--export", str(tmp_path / "a.json"))
    assert "Keep this" in (tmp_path / "a.json").read_text()
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "sentence"), [("gone/a.json", "cannot be written: No such"), ("a.txt", "must end")])
def test_nothing_goes_when_the_export_fails(email: str, tmp_path: Path, name: str, sentence: str) -> None:
    talked(email)
    with pytest.raises(CommandError, match=sentence):
        forget(email, "--yes", "--export", str(tmp_path / name))
    assert Conversation.objects.filter(email=email).exists()


# While an answer is in the making, by another process.


def run(server: Server, *words: str) -> str:
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=ROOT, env=server.env, check=True, capture_output=True, text=True).stdout


def left(server: Server, email: str) -> list[int]:
    queries = (
        "SELECT count(*) FROM chat_conversation WHERE email = %s",
        "SELECT count(*) FROM chat_fact WHERE email = %s",
        "SELECT count(*) FROM chat_person WHERE email = %s",
        "SELECT count(*) FROM chat_message JOIN chat_conversation c ON c.id = conversation_id WHERE email = %s",
    )
    with psycopg.connect(server.database_url) as database:
        return [int((database.execute(query, [email]).fetchone() or [0])[0]) for query in queries]


def test_a_running_answer_stops_and_leaves_nothing(
    person: httpx2.Client, provider: FakeProvider, server: Server, email: str
) -> None:
    gate = Gate()
    provider.replies(text(["one ", "two ", "three"], gate=gate))
    gate.step()
    with person.stream("POST", STREAM, json={"message": "Hi"}, timeout=60) as response:
        events = chunks(response)
        assert next(events)["chunk"] == "one "
        assert "Gone: 1 conversations, 2 messages" in run(server, "forget_person", email, "--yes")
        assert [event["chunk"] for event in events] == []  # it ends though the model says nothing more
    gate.open()
    assert left(server, email) == [0, 0, 0, 0]
    assert person.get("/api/chat/history").json()["data"] == []


def test_whoever_joined_the_answer_elsewhere_is_not_left_hanging(
    pair: tuple[Server, Server], provider: FakeProvider, email: str
) -> None:
    gate = Gate()
    provider.replies(text(["one ", "two"], gate=gate))
    gate.step()
    here, there = (server.client(email) for server in pair)
    with here, there, here.stream("POST", STREAM, json={"message": "Hi"}) as response:
        next(chunks(response))
        with there.stream("GET", STREAM, timeout=60) as joined:
            events = chunks(joined)
            assert next(events)["chunk"] == "one "
            run(pair[1], "forget_person", email, "--yes")
            assert list(events) == []
    gate.open()
    assert left(pair[0], email) == [0, 0, 0, 0]


def test_a_tool_that_is_called_meanwhile_remembers_nothing(
    person: httpx2.Client, provider: FakeProvider, server: Server, email: str
) -> None:
    gate = Gate()
    provider.replies(tool_calls(call("remember", fact="Has a dog"), gate=gate), text("Well."))
    asking = threading.Thread(target=person.post, args=["/api/chat/message"], kwargs={"json": {"message": "Hi"}})
    asking.start()
    deadline = time.monotonic() + 30
    while not provider.requests:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    run(server, "forget_person", email, "--yes")
    gate.open()
    asking.join(60)
    assert left(server, email) == [0, 0, 0, 0]
