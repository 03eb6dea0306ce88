"""A person's row: its sums are right whoever writes messages, and how."""

from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Count, Sum
from django.utils import timezone

from chat import storage
from chat.content import Text
from chat.models import Conversation, Message, Person

pytestmark = pytest.mark.django_db

COST = Decimal("0.0025")


def ask(email: str) -> Message:
    """A turn that goes on."""
    return storage.open_turn(email, [Text("Hi")], timezone.now()).answer


def talk(email: str, cost: Decimal | None = COST) -> Message:
    """A turn as the chat stores it; returns the answer."""
    answer = ask(email)
    outcome = {"text": "Well.", "status": "complete", "prompt_tokens": 100, "completion_tokens": 10, "cost": cost}
    storage.close_turn(answer.pk, outcome, [])
    return answer


def sums(email: str) -> tuple[int, int, int, Decimal]:
    person = Person.objects.get(email=email)
    return person.messages, person.prompt_tokens, person.completion_tokens, person.cost


def counted(email: str) -> tuple[int, int, int, Decimal]:
    """What the sums should be, by looking at every message."""
    found = Message.objects.filter(conversation__email=email).aggregate(
        Count("pk"), Sum("prompt_tokens", default=0), Sum("completion_tokens", default=0), Sum("cost", default=0)
    )
    return tuple(found.values())


def sql(statement: str, *values: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_a_question_makes_a_person(email: str) -> None:
    answer = ask(email)
    person = Person.objects.get(email=email)
    assert person.messages == 2
    assert person.last_activity_at == Message.objects.get(pk=answer.pk).created_at


def test_an_answer_adds_its_tokens_and_its_cost(email: str) -> None:
    talk(email)
    talk(email, cost=None)
    assert sums(email) == (4, 200, 20, COST)


def test_an_answer_whose_end_is_stored_twice_counts_once(email: str) -> None:
    answer = talk(email)
    storage.close_turn(answer.pk, {"text": "Well.", "prompt_tokens": 100, "completion_tokens": 10}, [])
    assert sums(email) == (2, 100, 10, COST)


def test_archived_conversations_count(email: str) -> None:
    talk(email)
    storage.archive(email)
    talk(email)
    assert sums(email) == (4, 200, 20, 2 * COST)


def test_nobody_has_no_row() -> None:
    talk("")
    assert not Person.objects.filter(email="").exists()


def test_a_conversation_that_is_deleted_is_subtracted(email: str) -> None:
    talk(email)
    storage.archive(email)
    talk(email)
    Conversation.objects.get(email=email, archived_at=None).delete()
    assert sums(email) == (2, 100, 10, COST)


def test_a_person_stays_when_all_messages_are_gone(email: str) -> None:
    talk(email)
    Conversation.objects.filter(email=email).delete()
    assert sums(email) == (0, 0, 0, Decimal(0))


def test_many_rows_at_once_count(email: str) -> None:
    other = f"other-{email}"
    for address in (email, other):
        talk(address)
    sql(
        """
        INSERT INTO chat_message (conversation_id, sequence, role, date, prompt_tokens, cost)
        SELECT id, 2 + number, 'user', now(), 7, .5 FROM chat_conversation, generate_series(1, 50) number
        WHERE email IN (%s, %s)
        """,
        email,
        other,
    )
    assert sums(email) == sums(other) == counted(email) == (52, 450, 10, COST + 25)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chat_message SET cost = 3, prompt_tokens = NULL WHERE id = %(answer)s",
        "UPDATE chat_message SET conversation_id = %(other)s, sequence = 99, cost = 1 WHERE id = %(answer)s",
        "UPDATE chat_conversation SET email = %(stranger)s WHERE id = %(conversation)s",
        """DELETE FROM chat_conversation WHERE id = %(conversation)s;
        DELETE FROM chat_message WHERE conversation_id = %(conversation)s""",
        "DELETE FROM chat_message WHERE id = %(answer)s",
    ],
)
def test_a_hand_at_the_database_leaves_the_sums_right(statement: str, email: str) -> None:
    answer, other, stranger = talk(email), talk(f"other-{email}"), f"stranger-{email}"
    values = {"answer": answer.pk, "conversation": answer.conversation_id, "other": other.conversation_id}
    with connection.cursor() as cursor:
        cursor.execute(statement, {**values, "stranger": stranger})
    addresses = [address for address in (email, f"other-{email}", stranger) if Person.objects.filter(email=address)]
    assert [sums(address) for address in addresses] == [counted(address) for address in addresses]
    assert len(addresses) == (3 if "stranger" in statement else 2)


def test_rows_of_an_earlier_version_are_counted(email: str) -> None:
    talk(email)
    Person.objects.all().delete()
    sql("SELECT chat_count_people(NULL)")
    assert sums(email) == (2, 100, 10, COST)
