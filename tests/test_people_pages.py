"""Lists of people and the search in what they said."""

import datetime
import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import storage
from chat.content import Text
from chat.memory import remember
from chat.models import Message, Person
from operators.people import filters, search
from tests.test_transcripts import Get, say, visit

pytestmark = pytest.mark.django_db


@pytest.fixture
def get() -> Get:
    return visit(is_superuser=True)


def listed(get: Get, path: str, **query: str) -> str:
    page = str(get(path, **query).content.decode())
    return page[page.index('id="changelist-form"') :]


# People.


def test_a_person_is_a_line_with_what_they_took(get: Get, email: str) -> None:
    say(email, Text("Hi"), prompt_tokens=1200, completion_tokens=34, cost="0.0123")
    page = listed(get, "chat/person/", q=email[:20])
    for shown in (email, "1,234", "$0.0123", "Active"):
        assert shown in page


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        ({"status": "failed"}, {"status": "failed"}),
        ({"model": "gpt-x"}, {"model": "gpt-x"}),
        ({"flagged": "yes"}, {"flagged_at": timezone.now()}),
        ({"error": "yes"}, {"error": "Ouch"}),
        ({"state": "paused"}, {}),
    ],
)
def test_people_and_messages_are_filtered_by_their_answers(
    query: dict[str, str], outcome: dict[str, Any], get: Get, email: str
) -> None:
    say(email, Text("Hi"), answer="wanted", **outcome)
    say(f"other-{email}", Text("Hi"), answer="unwanted")
    if "state" in query:
        Person.objects.filter(email=email).update(paused_at=timezone.now())
    page = listed(get, "chat/person/", **query)
    assert f">{email}" in page
    assert f"other-{email}" not in page
    if "state" not in query:
        found = listed(get, "chat/message/", **query)
        assert ">wanted" in found
        assert "unwanted" not in found


def test_people_are_filtered_by_the_date_of_their_activity(get: Get, email: str) -> None:
    say(email, Text("Hi"))
    tomorrow = timezone.localdate() + datetime.timedelta(days=1)
    assert email in listed(get, "chat/person/", last_activity_at_to=str(tomorrow))
    assert email not in listed(get, "chat/person/", last_activity_at_from=str(tomorrow))


def test_a_person_has_all_conversations_and_what_is_remembered(get: Get, email: str) -> None:
    for question in ("The first", "The second"):
        say(email, Text(question))
        storage.archive(email)
    remember(email, "Has a dog")
    page = get(f"chat/person/{Person.objects.get(email=email).pk}/change/").content.decode()
    for shown in ("The first", "The second", "archived", "Has a dog"):
        assert shown in page


def test_the_list_counts_no_further_than_anybody_pages(get: Get, email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operators.people.lists.MOST_COUNTED", 3)
    for _ in range(5):
        say(email, Text("Hi"))
    assert re.search(r"\b3\s+messages\b", get("chat/message/").content.decode())


@pytest.mark.parametrize("path", ["chat/person/", "chat/conversation/", "chat/message/"])
def test_lists_are_not_for_who_sees_numbers_only(path: str) -> None:
    assert visit("view_document")(path).status_code == 403


# Search.


def found(typed: str, email: str) -> list[str]:
    messages = Message.objects.filter(conversation__email=email)
    keys = search.found(messages, typed)
    by_key = {message.pk: message.text for message in messages}
    return [by_key[key] for key in keys]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("refund", "We sent your refunds."),
        ("refunds", "We sent your refund."),
        ("policies", "Our policy is simple."),
        ("Rechnungen", "Ihre Rechnung kommt."),
        ("rechnung", "Die Rechnungsnummer fehlt."),
        ("Haus", "In den Häusern ist es still."),
        ("the refund", "A refund."),
        ("der Refund", "A refund."),
        ("12345", "Where is order-12345?"),
        ("ann@example.com", "Write to ann@example.com, please."),
        ("example.com", "Write to ann@example.com, please."),
        ('"sent your"', "We sent your refunds."),
        ("refund -late", "We sent your refunds."),
        ("Привет", "Привет, мир"),
        ("it's", "It's here."),
    ],
)
def test_words_are_found_in_english_and_german(typed: str, said: str, email: str) -> None:
    say(email, Text("Hi"), answer=said)
    assert found(typed, email) == [said]


@pytest.mark.parametrize(
    "typed", ['"your sent"', "refund -sent", "refund lion", "-refund", "", '"', "-", "' & | ! :*", "%s"]
)
def test_what_is_not_meant_is_not_found(typed: str, email: str) -> None:
    say(email, Text("Hi"), answer="We sent your refunds.")
    assert found(typed, email) == []


def test_the_newest_come_first(email: str) -> None:
    for number in range(3):
        say(email, Text("Hi"), answer=f"refund {number}")
    assert found("refund", email) == ["refund 2", "refund 1", "refund 0"]


@pytest.mark.parametrize("enough", [1, 100])
def test_rare_words_are_found_however_old(enough: int, email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "LOOKED_AT", 4)
    monkeypatch.setattr(search, "ENOUGH", enough)
    say(email, Text("Hi"), answer="unicorn")
    for _ in range(5):
        say(email, Text("Hi"), answer="horse")
    assert found("unicorn", email) == ["unicorn"]


def test_a_search_leads_to_the_spot_with_the_words_marked(get: Get, email: str) -> None:
    message = say(email, Text("Hi"), answer=f"Long ago. {'And then. ' * 200} Your 'refund' & <b>more")
    page = listed(get, "chat/message/", q="refunds")
    address = f"/admin/chat/conversation/{message.conversation_id}/change/?message={message.pk}#message-{message.pk}"
    assert f'href="{address}"' in page
    assert "&#x27;<mark>refund</mark>&#x27; &amp;" in page
    assert "<b>more" not in page


@pytest.mark.parametrize("typed", ["refund", "xylophone", "' & | !", "\x00", "a" * 5000, "\ue000x\ue001"])
def test_anything_may_be_searched_for(typed: str, get: Get, email: str) -> None:
    say(email, Text("Hi"), answer="refund")
    assert get("chat/message/", q=typed).status_code == 200


def test_a_search_takes_as_many_queries_for_many_as_for_few(get: Get, email: str) -> None:
    def queries(messages: int) -> int:
        for _ in range(messages):
            say(email, Text("Hi"), answer="refund")
        get("chat/message/", q="refund")
        with CaptureQueriesContext(connection) as captured:
            get("chat/message/", q="refund")
        return len(captured)

    assert queries(2) == queries(30) < 12


def test_the_models_to_choose_from_are_those_that_answered(email: str) -> None:
    for model in ("beta", "alpha", "beta"):
        say(email, Text("Hi"), model=f"{model}-{email}")
    assert [model for model in filters.models_used() if email in model] == [f"alpha-{email}", f"beta-{email}"]
