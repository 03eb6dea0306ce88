"""The index of the operators' search: what is written is in it, and what is deleted is not."""

import pytest
from django.utils import timezone

from chat import storage
from chat.content import Text
from chat.models import Conversation, Message, MessageWords

pytestmark = pytest.mark.django_db


def talk(email: str, question: str, answer: str) -> Message:
    message = storage.open_turn(email, [Text(question)], timezone.now()).answer
    storage.close_turn(message.pk, {"text": answer, "status": "complete"}, [])
    return message


def words(message: Message) -> str:
    return str(MessageWords.objects.get(message=message).words)


def test_an_answer_is_in_it_by_its_words_and_their_stems(email: str) -> None:
    found = words(talk(email, "Hi", "Refunds: Rechnungen order-12345 ann@example.com"))
    assert {"refunds", "refund", "rechnungen", "rechnung", "12345", "example"} <= {
        word.split(":")[0].strip("'") for word in found.split()
    }


def test_a_question_is_in_it_at_once(email: str) -> None:
    question = storage.open_turn(email, [Text("Refunds")], timezone.now()).question
    assert "'refunds':1" in words(question)


def test_an_answer_that_grows_is_not_in_it_yet(email: str) -> None:
    answer = storage.open_turn(email, [Text("Hi")], timezone.now()).answer
    storage.save_running({answer.pk: "Once upon"}, {})
    assert not MessageWords.objects.filter(message=answer).exists()


def test_an_answer_of_a_process_that_died_is(email: str) -> None:
    answer = storage.open_turn(email, [Text("Hi")], timezone.now()).answer
    storage.save_running({answer.pk: "Once upon"}, {})
    Message.objects.filter(pk=answer.pk).update(status="interrupted")
    assert "once" in words(answer)


def test_what_is_deleted_is_in_it_no_more(email: str) -> None:
    answer = talk(email, "Hi", "Well.")
    Conversation.objects.filter(pk=answer.conversation_id).delete()
    assert not MessageWords.objects.filter(message__in=[answer.pk]).exists()


@pytest.mark.parametrize("letter", ["x", "ä", "漢", "𝄞"])
def test_a_text_of_any_length_can_be_stored(letter: str, email: str) -> None:
    long = " ".join(letter * (number % 2000) + str(number) for number in range(3000))
    assert words(talk(email, long, "".join(f"{letter}{number} " for number in range(60_000))))
