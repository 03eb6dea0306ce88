"""Forgetting a person: nothing is left, whatever is going on meanwhile."""

import pytest
from django.utils import timezone

from chat import forgetting, memory, storage, summaries
from chat.agent.tools import ToolFailed
from chat.content import Image, Text
from chat.models import Message, Summary, ToolCall

pytestmark = pytest.mark.django_db


def asked(email: str, words: str = "Hi", *blocks: Text | Image) -> storage.OpenedTurn:
    opened = storage.open_turn(email, [Text(words), *blocks], timezone.now())
    storage.close_turn(opened.answer.pk, {"text": "Well.", "status": "complete"}, [])
    return opened


def test_all_of_a_person_goes_and_nothing_of_others(email: str) -> None:
    turn = asked(email, "Look", Image("a.png", "aGk="))
    ToolCall.objects.create(message=turn.answer, call_id="1", name="t", arguments="{}")
    Summary.objects.create(conversation=turn.answer.conversation, through=2, text="They looked.")
    storage.archive(email)
    asked(email)
    memory.remember(email, "Has a dog")
    other = asked(f"x{email}")
    assert forgetting.forget(email) == forgetting.Held(2, 4, 1, 1, 1, 1, 0)
    assert not forgetting.held(email)
    assert Message.objects.filter(conversation=other.answer.conversation).count() == 2


def test_anonymous_calls_are_nobody() -> None:
    with pytest.raises(ValueError, match="anonymous"):
        forgetting.forget("")


def test_an_answer_whose_row_is_gone_is_to_stop(email: str) -> None:
    gone, going = (storage.open_turn(who, [Text("Hi")], timezone.now()).answer.pk for who in (email, f"x{email}"))
    forgetting.forget(email)
    assert storage.save_running({gone: "one", going: "one"}, {}) == [gone]


def test_a_tool_that_still_runs_remembers_nothing(email: str) -> None:
    conversation = asked(email).answer.conversation_id
    forgetting.forget(email)
    with pytest.raises(ToolFailed, match="This conversation was deleted"):
        memory.remember(email, "Has a dog", conversation)


def test_a_summary_that_is_being_made_is_not_kept(email: str) -> None:
    conversation = asked(email).answer.conversation_id
    forgetting.forget(email)
    summaries.store(Summary(conversation_id=conversation, through=2, text="They greeted."))
    assert not Summary.objects.filter(conversation=conversation).exists()


def test_whoever_comes_again_begins_anew(email: str) -> None:
    asked(email)
    forgetting.forget(email)
    asked(email, "Hello")
    assert [message.text for message in Message.objects.filter(conversation__email=email)] == ["Hello", "Well."]
