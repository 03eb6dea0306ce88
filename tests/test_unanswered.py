"""The page of questions that were not answered, and what becomes of them."""

import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.models import Conversation, Message
from context.models import Document
from context.prepare import Unreadable
from context.search import search
from operators import unanswered
from operators.models import AuditEntry
from operators.unanswered import writes

pytestmark = pytest.mark.django_db
ADDRESS = "/admin/unanswered/"


@pytest.fixture
def operator(admin_client: Client) -> Client:
    return admin_client


def asked(question: str, email: str = "ann@example.com", gap: str = "unknown", **answer: Any) -> Message:
    """A question and an answer that did not help; the answer."""
    conversation, _ = Conversation.objects.get_or_create(email=email, archived_at=None)
    last = conversation.messages.count()
    both: dict[str, Any] = {"conversation": conversation, "date": timezone.now()}
    Message.objects.create(**both, sequence=last + 1, role="user", text=question)
    given = {"text": "I don't know.", **answer}
    return Message.objects.create(**both, sequence=last + 2, role="assistant", gap=gap, **given)


def is_open(answer: Message) -> bool:
    answer.refresh_from_db()
    return answer.settled_at is None


def page(operator: Client, **query: str) -> str:
    return operator.get(ADDRESS, query).content.decode()


# What is on the page.


def test_a_question_without_an_answer_is_there_with_why(operator: Client) -> None:
    asked("Is <b>parking</b> free?", coverage=0.1)
    shown = page(operator)
    assert "Is &lt;b&gt;parking&lt;/b&gt; free?" in shown
    assert '<span class="reason">the agent did not know</span>' in shown


def test_a_good_answer_is_not(operator: Client) -> None:
    asked("Is parking free?", gap="")
    assert "parking" not in page(operator)


def test_alike_questions_of_several_people_stand_together(operator: Client) -> None:
    asked("Is parking free?")
    asked("is the parking free", email="bob@example.com")
    asked("When is breakfast?")
    shown = page(operator)
    assert shown.count('<article class="group">') == 2
    assert "asked 2 times" in shown
    assert "by 2 people" in shown


def test_those_asked_most_come_first(operator: Client) -> None:
    for question in ("Is parking free?", "Is parking free?", "When is breakfast?"):
        asked(question)
    shown = page(operator)
    assert shown.index("Is parking free?") < shown.index("When is breakfast?")


def test_one_kind_can_be_looked_at_alone(operator: Client) -> None:
    asked("Is parking free?", gap="failed")
    asked("When is breakfast?", gap="nothing")
    shown = page(operator, reason="failed")
    assert "parking" in shown
    assert "breakfast" not in shown


def test_a_question_that_failed_and_was_asked_again_is_not_there(operator: Client) -> None:
    asked("Is parking free?", gap="failed", text="")
    asked("Is parking free?", gap="")
    assert "parking" not in page(operator)
    assert unanswered.count() == 0


def test_the_page_takes_the_same_queries_however_much_there_is(operator: Client) -> None:
    asked("Is parking free?")
    with CaptureQueriesContext(connection) as few:
        page(operator)
    for number in range(30):
        asked(f"What is thing{number}?", email=f"{number}@example.com")
    with CaptureQueriesContext(connection) as many:
        page(operator)
    assert len(many) == len(few)


def test_only_so_many_groups_are_on_a_page(operator: Client) -> None:
    for number in range(51):
        asked(f"thing{number} other{number}")
    assert page(operator).count('<article class="group">') == 50
    assert page(operator, page="2").count('<article class="group">') == 1


def test_the_count_knows_since_when() -> None:
    asked("Is parking free?")
    Message.objects.update(created_at=timezone.now() - datetime.timedelta(days=8))
    asked("When is breakfast?")
    assert unanswered.count() == 2
    assert unanswered.count(timezone.now() - datetime.timedelta(days=7)) == 1


# Flags.


def test_an_operator_flags_an_answer_and_takes_the_flag_off(operator: Client) -> None:
    answer = asked("Is parking free?", gap="", text="No.")
    for form, count in (({}, 1), ({"off": "1"}, 0)):
        operator.post(f"{ADDRESS}flag/{answer.pk}/", form)
        assert unanswered.count() == count
    assert AuditEntry.objects.filter(action="flagged", whom="ann@example.com").count() == 2


def test_a_question_that_was_settled_comes_back_when_it_is_flagged(operator: Client) -> None:
    answer = asked("Is parking free?", settled_at=timezone.now())
    operator.post(f"{ADDRESS}flag/{answer.pk}/")
    assert is_open(answer)


def test_only_answers_are_flagged(operator: Client) -> None:
    answer = asked("Is parking free?", gap="")
    assert operator.post(f"{ADDRESS}flag/{answer.pk - 1}/").status_code == 404
    assert unanswered.count() == 0


def test_the_flag_is_below_each_answer_of_a_transcript_but_not_below_a_pause(operator: Client) -> None:
    answer = asked("Is parking free?", gap="")
    sentence = asked("Hello?", gap="", finish_reason="paused")
    shown = operator.get(f"/admin/chat/conversation/{answer.conversation_id}/change/").content.decode()
    assert f"{ADDRESS}flag/{answer.pk}/" in shown
    assert f"{ADDRESS}flag/{sentence.pk}/" not in shown


# Done.


def test_dismissed_questions_are_off_the_list(operator: Client) -> None:
    answers = [asked("Is parking free?"), asked("Is the parking free?")]
    other = asked("When is breakfast?")
    operator.post(f"{ADDRESS}dismiss/", {"answers": f"{answers[0].pk},{answers[1].pk}"})
    assert [is_open(answer) for answer in (*answers, other)] == [False, False, True]


@pytest.mark.parametrize("nonsense", ["", "x", "1,,-3", "9" * 30, "²"])
def test_nonsense_dismisses_nothing(nonsense: str, operator: Client) -> None:
    answer = asked("Is parking free?")
    assert operator.post(f"{ADDRESS}dismiss/", {"answers": nonsense}).status_code == 302
    assert is_open(answer)


def test_the_form_for_an_answer_has_all_wordings(operator: Client) -> None:
    answers = [asked("Is parking free?"), asked("# is the\nparking free")]
    form = operator.post(f"{ADDRESS}answer/", {"answers": ",".join(str(answer.pk) for answer in answers)})
    initial = form.context["form"].initial
    assert initial == {"question": "is the parking free", "others": "Is parking free?"}


def write(operator: Client, asked: Message, **form: str) -> Any:
    given = {"question": "Is parking free?", "others": "", "answer": "Yes, behind the house.", "save": "1"}
    return operator.post(f"{ADDRESS}answer/", {**given, "answers": str(asked.pk), **form})


def test_an_answer_becomes_a_document_and_the_questions_are_done(operator: Client) -> None:
    answer = asked("Is parking free?")
    assert write(operator, answer).status_code == 302
    document = Document.objects.get()
    assert (document.title, document.added_by) == ("Is parking free?", "admin")
    assert "Yes, behind the house." in document.text
    assert not is_open(answer)


@pytest.mark.parametrize("again", ["Is parking free?", "Do I have to pay for my car?"])
def test_who_asks_again_finds_it(again: str, operator: Client) -> None:
    write(operator, asked("Is parking free?"), others="Do I have to pay for my car?")
    [found, *_] = search(again)
    assert found.coverage > 0.9
    assert "behind the house" in found.text


def test_a_missing_answer_is_asked_for_and_nothing_is_done(operator: Client) -> None:
    answer = asked("Is parking free?")
    assert "This field is required." in write(operator, answer, answer=" ").content.decode()
    assert is_open(answer)
    assert not Document.objects.exists()


@pytest.mark.parametrize("wordless", [{"question": "# -"}, {"answer": "\u200b"}])
def test_what_has_no_words_is_not_stored(wordless: dict[str, str], operator: Client) -> None:
    answer = asked("Is parking free?")
    assert "Write it in words." in write(operator, answer, **wordless).content.decode()
    assert is_open(answer)
    assert not Document.objects.exists()


def test_what_cannot_be_stored_is_told_and_nothing_is_done(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Unreadable("It holds no text.")

    answer = asked("Is parking free?")
    monkeypatch.setattr(writes, "ingest", refuse)
    assert "It holds no text." in write(operator, answer).content.decode()
    assert is_open(answer)


# Who may.


@pytest.fixture
def viewer(client: Client) -> Client:
    return with_role(client, "viewer")


def with_role(client: Client, role: str) -> Client:
    user = User.objects.create_user(f"{role}@example.com", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    return client


def test_a_viewer_sees_no_questions_and_settles_none(viewer: Client) -> None:
    answer = asked("Is parking free?")
    assert viewer.get(ADDRESS).status_code == 403
    for address in ("dismiss/", "answer/", f"flag/{answer.pk}/"):
        assert viewer.post(ADDRESS + address, {"answers": str(answer.pk)}).status_code == 403
    assert is_open(answer)


def test_an_operator_may(client: Client) -> None:
    operator = with_role(client, "operator")
    answer = asked("Is parking free?")
    assert operator.get(ADDRESS).status_code == 200
    assert write(operator, answer).status_code == 302


@pytest.mark.parametrize("what", ["pause", "resume", "reply"])
def test_a_viewer_takes_nobody_over(what: str, viewer: Client) -> None:
    asked("Is parking free?")
    assert viewer.post(f"/admin/takeover/1/{what}/").status_code == 403


def test_a_stranger_is_sent_to_the_login(client: Client) -> None:
    assert client.get(ADDRESS).headers["Location"].startswith("/admin/login/")
