"""What is known before a question, where the conversation went on after it."""

import pytest
from django.utils import timezone

from chat import memory, storage
from chat.content import Text
from chat.models import Summary

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("before", "known"), [(3, "early"), (7, "late"), (1, "")])
def test_a_summary_of_what_came_later_is_not_known(before: int, known: str, email: str) -> None:
    conversation = storage.open_turn(email, [Text("Hi")], timezone.now()).question.conversation
    for through, text in ((2, "early"), (6, "late")):
        Summary.objects.create(conversation=conversation, through=through, text=text)
    assert memory.recall(conversation.pk, email, before).summary == known
